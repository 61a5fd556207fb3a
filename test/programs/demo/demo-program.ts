import type { WorkflowContext } from "@upstash/workflow";
import type { Millis } from "../../../src/fake-upstash/wire.ts";
import type { Program, ThirdParty } from "../program.ts";

/** A program of the demo: believable work, under a public address that the engine finds on this machine. */
export interface DemoProgram extends Program {
  readonly publicUrl: string;
  /** How long it only waits, one wait after the other: what an engine that shortens waits runs ahead by. */
  readonly waits: readonly Millis[];
}

export type Context = WorkflowContext;

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The default back-offs, min(86400, e^(2.5·n)) seconds, after so many failures. */
export const backoffs = (failures: number): Millis[] => Array.from({ length: failures }, (_, n) => Math.exp(2.5 * (n + 1)) * SECOND);

/** A third party that works a while and says this; `failures` times it says 502 first. */
export function answering(ms: Millis, status: number, body: unknown, failures = 0): ThirdParty {
  return async (_request, attempt) => {
    await new Promise((resolve) => void setTimeout(resolve, ms));
    return attempt <= failures ? new Response("upstream went away", { status: 502 }) : Response.json(body, { status });
  };
}
