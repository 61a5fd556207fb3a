import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { COMMANDS } from "../../src/commands/commands.ts";
import { useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const ROOT = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
const here = useSurroundings();

test.each(Object.keys(COMMANDS))("%s --help says how to use it, and --version the version", async (name) => {
  const help = await wfotel([name, "--help"], { cwd: here.folder });
  expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: "" });
  expect(help.stdout).toContain(`Usage: wfotel ${name}`);
  expect(help.stdout).toContain("--config FILE");
  expect(await wfotel(["help", name], { cwd: here.folder })).toEqual(help);
  expect(await wfotel([name, "--version"], { cwd: here.folder })).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help names every command, on stdout; no command at all is a mistake, and the same text on stderr", async () => {
  const help = await wfotel(["--help"]);
  for (const name of Object.keys(COMMANDS)) expect(help.stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(await wfotel(["help"])).toEqual(help);
  expect(await wfotel(["-h"])).toEqual(help);
  expect(await wfotel([])).toMatchObject({ code: 2, stdout: "", stderr: help.stdout });
  expect(await wfotel(["-v"])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

test.each([
  [["frobnicate"], 'there is no command "frobnicate"; wfotel --help lists them all\n'],
  [["toString"], 'there is no command "toString"'],
  [["__proto__"], 'there is no command "__proto__"'],
  [["chekc", "--version"], 'there is no command "chekc"; the nearest is check, and wfotel --help lists them all\n'],
  [["help", "trace"], 'there is no command "trace"; the nearest is trace-id, and wfotel --help lists them all\n'],
  [["convert", "--frobnicate"], "Unknown option '--frobnicate'; see --help\n"],
  [["run", "--once=yes"], "--once"],
  [["run", "extra"], 'one argument too many: "extra"'],
  [["show"], "an argument is missing"],
  [["run", "--drain-timeout", "soon"], "--drain-timeout: a duration such as 30s"],
  [["convert", "--log-level", "loud"], "--log-level: one of trace, debug"],
  [["convert", "--config"], "--config"],
  [["convert", "--config", "nothing.yaml"], "nothing.yaml:1:1: expected a configuration file"],
])("wfotel %j is exit code 2 and one clear sentence", async (args, words) => {
  const { code, stdout, stderr } = await wfotel(args, { cwd: here.folder, env: here.env() });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(words);
  expect(stderr).not.toMatch(/\n +at /);
});

test("the common options may stand before the command", async () => {
  const config = here.configure({ environment: 5, sources: [] });
  const before = await wfotel(["--config", config, "convert"], { input: "[]" });
  expect(before.code).toBe(2);
  expect(before.stderr).toContain("environment: expected");
});

/** As the README has it, with the machine's own npm; in a group of its own, to be ended with all it started. */
function npm(...args: string[]): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  const env = { PATH: process.env.PATH, HOME: here.folder, ...here.env() };
  return spawn("npm", args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
}

test("npm run --silent wfotel -- prints the command's words alone", async () => {
  expect(await text(npm("run", "--silent", "wfotel", "--", "--version").stdout)).toBe(`${version}\n`);
});

test("SIGTERM to npm run wfotel reaches the daemon, which stops in order", async () => {
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  const child = npm("run", "--silent", "wfotel", "--", "run", "--log-level", "info");
  const log: string[] = [];
  child.stderr.on("data", (part) => log.push(String(part)));
  await vi.waitFor(() => expect(here.backend.byTrace().size, log.join("")).toBe(1), { timeout: 60_000, interval: 50 });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  child.kill("SIGTERM");
  expect(await ended).toEqual({ code: 0, signal: null });
  expect(log.join("")).toMatch(/stopped/);
  expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow("ESRCH"); // nothing is left of its group
});
