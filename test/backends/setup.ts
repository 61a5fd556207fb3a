import type { TestProject } from "vitest/node";
import { chromiumRecipe } from "./chromium.ts";
import { collectorRecipe } from "./collector.ts";
import { containerRecipe, hadolintRecipe } from "./container.ts";
import { jaegerRecipe } from "./jaeger.ts";
import { type Made, made, type Recipe } from "./recipe.ts";
import { zipkinRecipe } from "./zipkin.ts";

declare module "vitest" {
  export interface ProvidedContext {
    backends: Backends;
  }
}

export type BackendName = "jaeger" | "collector" | "zipkin" | "chromium" | "container" | "hadolint";
export type Backends = Readonly<Record<BackendName, Made>>;

const RECIPES: Readonly<Record<BackendName, Recipe>> = {
  jaeger: jaegerRecipe,
  collector: collectorRecipe,
  zipkin: zipkinRecipe,
  chromium: chromiumRecipe,
  container: containerRecipe,
  hadolint: hadolintRecipe,
};

/**
 * Before the suite: makes every backend's program. What cannot be had on this machine is said before and after the
 * tests, and its tests are skipped; with WFOTEL_BACKENDS=required that fails the suite instead. A program that could
 * be fetched but not built fails it always.
 */
export default function setup(project: TestProject): () => void {
  const backends = Object.fromEntries(Object.entries(RECIPES).map(([name, recipe]) => [name, announced(recipe)])) as Backends;
  project.provide("backends", backends);
  const skipped = Object.entries(backends).flatMap(([name, one]) =>
    one.ok ? [] : [`SKIPPED: every test that needs ${name}: ${one.reason}`],
  );
  if (skipped.length > 0 && process.env.WFOTEL_BACKENDS === "required") throw new Error(skipped.join("\n"));
  const say = () => skipped.forEach((line) => void process.stdout.write(`${line}\n`));
  say();
  return say;
}

function announced(recipe: Recipe): Made {
  process.stdout.write(`${recipe.name}: `);
  const result = made(recipe);
  process.stdout.write(result.ok ? `${result.folder}\n` : `not here: ${result.reason}\n`);
  return result;
}
