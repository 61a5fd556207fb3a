import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Writes the URL of every module that is loaded into a file. */
const RECORDER = `import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { appendFileSync(process.env.LOADED, url + "\\n"); return next(url, context); } });`;

/** Runs a program of Node, which must succeed: what it printed, and the URL of each module it loaded, in order. */
export async function loadedModules(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ stdout: string; modules: readonly string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-modules-"));
  try {
    const [recorder, loaded] = [join(folder, "recorder.mjs"), join(folder, "loaded.txt")];
    writeFileSync(recorder, RECORDER);
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", recorder, ...args], {
      env: { PATH: process.env.PATH, ...env, LOADED: loaded },
    });
    return { stdout, modules: readFileSync(loaded, "utf8").trim().split("\n") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
