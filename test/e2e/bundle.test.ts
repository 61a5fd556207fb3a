import { type ExecFileException, execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadedModules } from "../support/loaded-modules.ts";

/** What a user installs: the packed package, in a folder that has nothing else. */
const ROOT = join(import.meta.dirname, "../..");
const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

let scratch: string;
let installed: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "wfotel-bundle-"));
  await run("npm", ["pack", "--pack-destination", scratch], ROOT); // builds it first: `prepack`
  const tarball = readdirSync(scratch).find((file) => file.endsWith(".tgz"))!;
  installed = join(scratch, "installed");
  mkdirSync(installed);
  writeFileSync(join(installed, "package.json"), "{}");
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(scratch, tarball)], installed);
});
afterAll(() => rmSync(scratch, { recursive: true }));

test("the package holds the bundles, the configuration and the legal texts, and no source", () => {
  const root = join(installed, "node_modules/upstash-workflow-otel");
  expect(readdirSync(root).sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "config", "dist", "package.json"]);
  expect(readdirSync(join(root, "dist")).sort()).toEqual(["THIRD-PARTY-LICENSES.txt", "ids.d.ts", "ids.mjs", "wfotel", "wfotel.mjs"]);
  expect(readdirSync(join(root, "config"))).toContain("schema.json");
});

test("it says whose code is in it, and nobody else's: what is not used was left out", () => {
  const licenses = readFileSync(join(installed, "node_modules/upstash-workflow-otel/dist/THIRD-PARTY-LICENSES.txt"), "utf8");
  for (const used of ["zod", "yaml", "pino", "prom-client", "@opentelemetry/otlp-transformer"])
    expect(licenses).toMatch(new RegExp(`^${used} \\d`, "m"));
  for (const unused of ["undici", "@opentelemetry/sdk-metrics", "@opentelemetry/sdk-logs", "@upstash/workflow"])
    expect(licenses).not.toContain(unused);
});

test("it brings no other package with it", () => {
  expect(readdirSync(join(installed, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["upstash-workflow-otel"]);
});

test("wfotel --version prints the package's version", async () => {
  expect(await wfotel("--version")).toEqual({ stdout: `${MANIFEST.version}\n`, stderr: "" });
});

test("wfotel --help names the commands", async () => {
  expect((await wfotel("--help")).stdout).toMatch(/\brun\b.*\bconvert\b.*\bdemo\b/s);
});

test("a healthcheck loads node:http and some kilobytes, not the program", async () => {
  const server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const env = { WFOTEL_LISTEN: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    const program = join(installed, "node_modules/upstash-workflow-otel/dist/wfotel.mjs");
    const { stdout, modules } = await loadedModules([program, "healthcheck"], env);
    expect(stdout).toContain("is alive");
    const files = modules.filter((url) => !url.startsWith("node:"));
    // node:http itself is taken by process.getBuiltinModule
    expect(modules.filter((url) => url.startsWith("node:"))).toEqual([]);
    expect(files).toContainEqual(expect.stringMatching(/\/wfotel\/healthcheck-\w+\.mjs$/));
    expect(files.reduce((bytes, url) => bytes + statSync(new URL(url)).size, 0)).toBeLessThan(50_000);
  } finally {
    server.close();
  }
});

test.each(["20.20.2", "24.11.1"])("on Node %s it names the Node that it needs", async (version) => {
  const older = `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"${version}"}})`;
  const program = join(installed, "node_modules/upstash-workflow-otel/dist/wfotel.mjs");
  const ended = run(process.execPath, ["--import", older, program, "check"], installed);
  await expect(ended).rejects.toThrow(`wfotel needs Node 24.12 or later; this is ${version}\n`);
});

test("wfotel convert turns the published sample into the bytes that the source makes", async () => {
  const sample = join(ROOT, "test/fixtures/runs-documented.json");
  const bundle = await wfotel("convert", sample);
  const source = await run(process.execPath, [join(ROOT, "src/cli.ts"), "convert", sample], installed);
  expect(JSON.parse(bundle.stdout).resourceSpans).toHaveLength(1);
  expect(bundle).toEqual(source);
});

test("wfotel demo starts the installed daemon, which delivers every run", async () => {
  expect((await wfotel("demo")).stdout).toContain("every run arrived");
});

test("a TypeScript program can import the ids with their types", async () => {
  const program = 'import { traceId } from "upstash-workflow-otel/ids";\nexport const id: string = traceId("wfr_x", 1736340463061);\n';
  writeFileSync(join(installed, "program.ts"), program);
  const print = 'import("./program.ts").then((program) => process.stdout.write(program.id))';
  expect((await run(process.execPath, ["--eval", print], installed)).stdout).toMatch(/^[0-9a-f]{32}$/);
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  expect(await run(tsc, ["--noEmit", "--strict", "--module", "nodenext", "program.ts"], installed)).toEqual({ stdout: "", stderr: "" });
});

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

function wfotel(...args: readonly string[]): Promise<Output> {
  return run(join(installed, "node_modules/.bin/wfotel"), args, installed);
}

/** Runs a program to its end with this Node first on the PATH; any exit code but 0 fails the test with what was printed. */
function run(file: string, args: readonly string[], cwd: string): Promise<Output> {
  const { PATH, ...rest } = process.env;
  const env = { ...rest, PATH: `${dirname(process.execPath)}${delimiter}${PATH}` };
  return new Promise((resolve, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) =>
      error === null ? resolve({ stdout, stderr }) : reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    execFile(file, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 }, done);
  });
}
