import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type OtlpReceiver, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { wfotel } from "../support/wfotel.ts";

const CLI = new URL("../../src/cli.ts", import.meta.url).pathname;
/** As `wfotel demo` replays it, and as `npm run demo` runs it. */
const RECORDED = [CLI, "demo"];
const LIVE = [new URL("../engine/demo.ts", import.meta.url).pathname];

let temporary: string;
let backend: OtlpReceiver;
beforeEach(async () => {
  temporary = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  backend = await startOtlpReceiver();
});
afterEach(async () => {
  await backend.close();
  rmSync(temporary, { recursive: true, force: true });
});

function startDemo(...argv: readonly string[]): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  // What lies in the user's environment must not reach the demo's daemon.
  const env = { PATH: process.env.PATH, TMPDIR: temporary, QSTASH_TOKEN: "not-for-the-demo", OTEL_SERVICE_NAME: "not-for-the-demo" };
  return spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
}

const demos = [
  ["recorded", RECORDED, "12 recorded programs, 16 runs, 7 of them over already"],
  ["live", LIVE, "12 programs of the official SDK, run on an engine"],
] as const;

test.each(demos)(
  "the %s demo delivers all its runs, to its own receiver and to the user's backend, and leaves nothing behind",
  async (_, program, title) => {
    const demo = startDemo(...program, "--otlp", backend.url);
    const [[code], stdout, stderr] = await Promise.all([once(demo, "exit"), text(demo.stdout), text(demo.stderr)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(title);
    expect(stdout).toMatch(/runs +16 of 16: every run arrived/);
    expect(stdout).toMatch(/traces +13, with \d+ spans/);
    expect(stdout).toMatch(/deliveries +\d+ OTLP requests, none refused/);
    expect(stdout).toMatch(/your backend +has every trace too/);
    expect(stdout).toMatch(/secrets +.* none arrived/);
    expect(stdout).toMatch(/longest sleep +3\.0 days/);
    // two seconds after the run's end: with its trace, or alone behind it
    expect(stdout).toMatch(/failure function +failure|failure function of wfr_[\w-]+ settled/);
    expect(stdout).not.toContain("\u001B");
    expect(backend.violations).toEqual([]);
    const drawn = [...stdout.matchAll(/\btrace ([0-9a-f]{32})/g)].map((match) => match[1]);
    expect(new Set(drawn)).toEqual(new Set(backend.byTrace().keys()));
    expect(backend.byTrace().size).toBe(13);
    const services = new Set(backend.spans.map((span) => span.resource["service.name"]));
    expect(services).toEqual(new Set(["shop.example.com", "office.example.com", "agents.example.com"]));
    expect(readdirSync(temporary)).toEqual([]);
  },
  60_000,
);

test.each(demos)(
  "Ctrl-C ends the %s demo and its daemon, and leaves nothing behind",
  async (_, program) => {
    const demo = startDemo(...program);
    let stdout = "";
    for await (const piece of demo.stdout) {
      stdout += String(piece);
      if (stdout.includes("OTLP receiver") && !demo.killed) demo.kill("SIGINT");
    }
    const [code] = demo.exitCode === null ? await once(demo, "exit") : [demo.exitCode];
    expect(code).toBe(0);
    const pid = Number(/wfotel run +process (\d+)/.exec(stdout)?.[1]);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(readdirSync(temporary)).toEqual([]);
  },
  60_000,
);

test("a demo that stays is a log API and a receiver for the other commands, until Ctrl-C", async () => {
  const demo = startDemo(...RECORDED, "--stay");
  let stdout = "";
  const tried: (number | null)[] = [];
  for await (const piece of demo.stdout) {
    stdout += String(piece);
    if (demo.killed || !stdout.includes("verify --from 10d\n")) continue;
    const env = { ...exportsIn(stdout), WFOTEL_STATE: join(temporary, "tried.db") };
    for (const command of [["check", "--connect"], ["run", "--once"], ["status"], ["verify", "--from", "10d"]]) {
      tried.push((await wfotel(command, { env })).code);
    }
    demo.kill("SIGINT");
  }
  const [code] = demo.exitCode === null ? await once(demo, "exit") : [demo.exitCode];
  expect({ code, tried }).toEqual({ code: 0, tried: [0, 0, 0, 0] });
}, 60_000);

/** What a shell would set. */
function exportsIn(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(QSTASH_\w+|OTEL_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
}

test("a backend that is not there is said before anything starts", async () => {
  const gone = await startOtlpReceiver();
  await gone.close();
  const demo = startDemo(...RECORDED, "--otlp", gone.url);
  const [[code], stdout, stderr] = await Promise.all([once(demo, "exit"), text(demo.stdout), text(demo.stderr)]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^--otlp: nothing answers at http\S+ \(.*ECONNREFUSED.*\); start your backend first\n$/);
});

test("an address that is none is refused before anything starts", async () => {
  const demo = startDemo(...RECORDED, "--otlp", "localhost:4318");
  const [[code], stdout, stderr] = await Promise.all([once(demo, "exit"), text(demo.stdout), text(demo.stderr)]);
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: "",
    stderr: "--otlp: an http:// or https:// URL, such as http://127.0.0.1:4318\n",
  });
});
