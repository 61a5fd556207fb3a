import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "./daemon.ts";
import type { Broken } from "./scenario.ts";

/** A daemon with one line of it spoilt: what the harness must not let pass. */
export interface Sabotage {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** The source as it is now, in a folder of its own: whoever edits it meanwhile changes nothing for the daemons. */
export function copySource(): { readonly program: Program; readonly folder: string; clear(): void } {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-source-"));
  cpSync(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clear);
  return { program: [join(folder, "src", "cli.ts")], folder, clear };
}

/** @throws Error where the line is no longer there: the sabotage has to follow the source */
export function sabotaged({ file, find, replace }: Sabotage, reports: Broken["reports"]): Broken {
  const { folder, program, clear } = copySource();
  const path = join(folder, "src", file);
  const source = readFileSync(path, "utf8");
  if (source.split(find).length !== 2) {
    clear();
    throw new Error(`src/${file} does not hold exactly one ${JSON.stringify(find)}`);
  }
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  return { program, reports, clear };
}
