import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { useSurroundings } from "../support/surroundings.ts";
import { startWfotel, wfotel } from "../support/wfotel.ts";
import { sequential, wireRun, wireStep } from "../support/wire-run.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const SAMPLE_FILE = join(FIXTURES, "runs-documented.json");
const SAMPLE = readFileSync(SAMPLE_FILE, "utf8");
const T0 = 1_700_000_000_000;
const here = useSurroundings();

/** What `convert` makes of an input, with its spans read back. */
async function converted(input: unknown, args: readonly string[] = [], env: Record<string, string> = {}) {
  const text = typeof input === "string" ? input : JSON.stringify(input);
  const result = await wfotel(["convert", ...args], { input: text, cwd: here.folder, env });
  const { spans, violations } = readSpans(Buffer.from(result.stdout), "json");
  return { ...result, spans, violations, runs: spans.filter((span) => "upstash.workflow.run.state" in span.attributes) };
}

test("an input without end is refused before it takes all memory", async () => {
  const { code, stdout, stderr } = await wfotel(["convert", "/dev/zero"]);
  expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: "", stderr: "/dev/zero: larger than 511 MiB; convert it in pieces\n" });
});

describe("the published sample", () => {
  test("is a root of 1,623 ms with two overlapping siblings that start together", async () => {
    const { code, stderr, spans, violations } = await converted(SAMPLE);
    expect({ code, stderr, violations }).toEqual({ code: 0, stderr: "", violations: [] });
    const [root, first, second] = spans;
    expect(spans).toHaveLength(3);
    expect(root!.endTimeUnixNano - root!.startTimeUnixNano).toBe(1_623_000_000n);
    expect([first!.name, second!.name]).toEqual(["external call", "external call 2"]);
    expect(first!.startTimeUnixNano).toBe(second!.startTimeUnixNano);
    expect([first!.parentSpanId, second!.parentSpanId]).toEqual([root!.spanId, root!.spanId]);
  });

  test("gives the same bytes from standard input, from - and from a file", async () => {
    const fromInput = await wfotel(["convert"], { input: SAMPLE });
    const fromDash = await wfotel(["convert", "-"], { input: SAMPLE });
    const fromFile = await wfotel(["convert", "runs-documented.json"], { cwd: FIXTURES });
    expect(fromInput.stdout.endsWith("}\n")).toBe(true);
    expect([fromDash, fromFile]).toEqual([fromInput, fromInput]);
  });

  test("in protobuf holds the same spans, and a receiver accepts either", async () => {
    const child = startWfotel(["convert", "--format", "otlp-protobuf", SAMPLE_FILE]);
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    const [code] = await once(child, "close");
    expect(code).toBe(0);
    const json = await converted(SAMPLE);
    expect(readSpans(Buffer.concat(parts), "protobuf").spans).toEqual(json.spans);
    for (const [type, body] of [
      ["application/json", json.stdout],
      ["application/x-protobuf", Buffer.concat(parts)],
    ] as const) {
      const reply = await fetch(`${here.backend.url}/v1/traces`, { method: "POST", headers: { "content-type": type }, body });
      expect(reply.status).toBe(200);
    }
    expect(here.backend.violations).toEqual([]);
  });

  test("as a waterfall shows names, types, bars, durations and ids, without colours", async () => {
    const { code, stdout } = await wfotel(["convert", "--format", "waterfall", SAMPLE_FILE]);
    expect(code).toBe(0);
    expect(stdout).toContain("trace 1d6764416bd7741d15e847213d32177e");
    expect(stdout).toMatch(/run wfr_rj0Upr1rvdzGfz96fXNHh\n/);
    expect(stdout).toMatch(/├─external call +Run ◆ █+ +1\.04 s\n/);
    expect(stdout).toMatch(/└─external call 2 +Run +█+ +831 ms\n/);
    expect(stdout).not.toContain("\u001B");
  });
});

describe("the forms of input", () => {
  const runs = [wireRun("wfr_1", T0), wireRun("wfr_2", T0 + 1)];
  const lines = (entries: readonly unknown[]) => entries.map((entry) => JSON.stringify(entry)).join("\n");
  test.each([
    ["a response body", JSON.stringify({ runs, cursor: "" })],
    ["an array of runs", JSON.stringify(runs)],
    ["an array of response bodies", JSON.stringify([{ runs: [runs[0]], cursor: "x" }, { runs: [runs[1]] }])],
    ["NDJSON of runs", lines(runs)],
    [
      "NDJSON of response bodies, with Windows line ends",
      `\uFEFF${lines([{ runs: [runs[0]] }, { runs: [runs[1]] }])}\r\n`.replace("\n", "\r\n"),
    ],
  ])("%s", async (_, input) => {
    const result = await converted(input);
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: "" });
    expect(result.runs.map((span) => span.attributes["upstash.workflow.run.id"])).toEqual(["wfr_1", "wfr_2"]);
  });

  test("a single run", async () => {
    expect((await converted(wireRun("wfr_1", T0))).runs).toHaveLength(1);
  });

  test("a run that several pages show is one run", async () => {
    expect((await converted([wireRun("wfr_1", T0, { length: undefined }), wireRun("wfr_1", T0)])).runs).toHaveLength(1);
  });
});

test("message logs are converted alone, and beside the grouped log make its times exact", async () => {
  const read = (name: string) => JSON.parse(readFileSync(join(FIXTURES, name), "utf8")) as object;
  const grouped = await converted(read("engine-runs.json"));
  const alone = await converted(read("engine-events.json"));
  const both = await converted([read("engine-events.json"), read("engine-runs.json")]);
  for (const result of [grouped, alone, both]) expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: "" });
  const ids = (result: typeof both) => result.runs.map((span) => span.spanId).sort();
  expect(ids(alone)).toEqual(ids(grouped));
  expect(ids(both)).toEqual(ids(grouped));
  const attempts = (result: typeof both) => result.spans.filter((span) => span.name.startsWith("attempt ")).length;
  expect(attempts(grouped)).toBe(0);
  expect(attempts(both)).toBeGreaterThan(0);
  expect(attempts(alone)).toBe(attempts(both));
});

test("several files are converted as if they were one, and what is unreadable is named with its file", async () => {
  const [runs, events] = [join(FIXTURES, "engine-runs.json"), join(FIXTURES, "engine-events.json")];
  const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as object;
  const together = await converted([read(runs), read(events)]);
  expect((await converted("", [runs, events])).stdout).toBe(together.stdout);
  writeFileSync(join(here.folder, "odd.json"), JSON.stringify([wireRun("wfr_odd", T0), 42]));
  const { code, stderr, runs: roots } = await converted(JSON.stringify(read(events)), [runs, "odd.json", "-"]);
  expect({ code, stderr }).toEqual({ code: 3, stderr: "odd.json: unreadable entry 1: expected a run, an object\n" });
  expect(roots.map((span) => span.spanId)).toEqual(expect.arrayContaining(together.runs.map((span) => span.spanId)));
  expect(roots).toHaveLength(together.runs.length + 1);
});

test("a configuration's secrets need not be set", async () => {
  writeFileSync(
    join(here.folder, "secrets.yaml"),
    'sources: [{ name: eu, type: upstash, token: "${env:NOT_SET}" }]\nenvironment: staging\n',
  );
  const { code, stderr, stdout } = await converted(SAMPLE, ["--config", "secrets.yaml"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("staging");
});

describe("what cannot be converted", () => {
  test("runs in progress are skipped and named; that is no error", async () => {
    const result = await converted([wireRun("wfr_running", T0, { length: undefined }), wireRun("wfr_1", T0)]);
    expect(result.code).toBe(0);
    expect(result.stderr).toBe('skipped "wfr_running": in progress\n');
    expect(result.runs).toHaveLength(1);
    const events = await wfotel(["convert", join(FIXTURES, "message-logs-documented.json")]);
    expect(events).toMatchObject({ code: 0, stderr: 'skipped "wfr_6MXE3GfddpBMWJM7s5WSRPqwcFm8": in progress\n' });
  });

  test("unreadable entries are named by position, without a word of theirs, and the good ones are written: exit code 3", async () => {
    const result = await converted([wireRun("wfr_1", T0), 42, { workflowRunId: "wfr_no_time", secret: "canary" }, wireRun("wfr_2", T0)]);
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(/^unreadable entry 1: expected a run, an object\nunreadable entry 2.*\n$/);
    expect(result.stderr).not.toContain("canary");
    expect(result.runs).toHaveLength(2);
  });

  test("a broken NDJSON line is named by its number", async () => {
    const result = await converted(`${JSON.stringify(wireRun("wfr_1", T0))}\n{"workflowRunId":\n`);
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 3, stderr: "unreadable entry 1: line 2: expected JSON\n" });
    expect(result.runs).toHaveLength(1);
  });

  test("a run is written without what is no step in it; that is named by its place: exit code 3", async () => {
    const step = wireStep("wfr_2", { stepId: 1, stepName: "charge", createdAt: T0 + 3 });
    const nope = { ...wireRun("wfr_1", T0), steps: "canary" };
    const partly = { ...wireRun("wfr_2", T0), steps: [{ type: "sequential", steps: ["canary", step] }] };
    const result = await converted([nope, partly]);
    expect({ code: result.code, stderr: result.stderr, violations: result.violations }).toEqual({
      code: 3,
      stderr:
        'incomplete entry 0 (run "wfr_1"): steps: expected a list; left out\nincomplete entry 1 (run "wfr_2"): steps[0].steps[0]: expected a step, an object; left out\n',
      violations: [],
    });
    expect(result.runs).toHaveLength(2);
    expect(result.spans.map((span) => span.name)).toContain("charge");
  });

  test("a field that says nothing is left out and named; the run counts as read", async () => {
    const result = await converted([{ ...wireRun("wfr_1", T0), workflowRunCallerIp: { canary: 1 } }]);
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code: 0,
      stderr: 'warning: entry 0 (run "wfr_1"): workflowRunCallerIp: a value that says nothing is left out\n',
    });
    expect(result.runs).toHaveLength(1);
  });

  test.each([
    ["nothing", "", "found nothing"],
    ["no JSON", "<html>502 Bad Gateway</html>", "found neither"],
    ["JSON that ends too early", SAMPLE.slice(0, 900), "found neither"],
    ["an error of the API", '{"error":"unauthorized"}', "unreadable entry 0: expected runs or events, found an error answer of the API"],
    ["a list that is none", '{"runs":"x"}', "unreadable entry 0: runs: expected a list"],
    ["a page of neither runs nor events", '{"cursor":"x"}', "unreadable entry 0: expected runs or events, found neither"],
  ])("%s is exit code 3, and still an OTLP request", async (_, input, words) => {
    const result = await wfotel(["convert"], { input });
    expect(result.code).toBe(3);
    expect(result.stdout).toBe('{"resourceSpans":[]}\n');
    expect(result.stderr).toContain(words);
  });

  test("a page without runs is an empty request and exit code 0", async () => {
    expect(await wfotel(["convert"], { input: '{"runs":[]}' })).toMatchObject({ code: 0, stdout: '{"resourceSpans":[]}\n', stderr: "" });
  });

  test("a file that is not there, or a folder, is exit code 3", async () => {
    expect(await wfotel(["convert", "nothing.json"], { cwd: here.folder })).toMatchObject({
      code: 3,
      stdout: "",
      stderr: "nothing.json: the file cannot be read (ENOENT)\n",
    });
    expect(await wfotel(["convert", here.folder])).toMatchObject({ code: 3, stdout: "" });
  });

  test("a file that Windows PowerShell wrote is read, and bytes that are no text are named", async () => {
    const file = join(here.folder, "utf-16.json");
    writeFileSync(file, Buffer.from(`\uFEFF${SAMPLE}`, "utf16le"));
    expect(await wfotel(["convert", file])).toEqual(await wfotel(["convert", SAMPLE_FILE]));
    writeFileSync(file, Buffer.from(SAMPLE.replace("external call", "external c\xFFll"), "latin1"));
    const odd = await wfotel(["convert", file]);
    expect(odd).toMatchObject({ code: 0, stderr: "warning: the input is not UTF-8 throughout: what is not is shown as \uFFFD\n" });
    expect(odd.stdout).toContain("external c\uFFFDll");
  });

  test("an unknown format is exit code 2", async () => {
    expect(await wfotel(["convert", "--format", "xml", SAMPLE_FILE])).toMatchObject({
      code: 2,
      stderr: "--format: one of otlp-json, otlp-protobuf, waterfall\n",
    });
  });
});

test("an invoked run lies in its invoker's trace if that is in the input, even in progress, and is linked to it if not", async () => {
  const invoker = { workflowRunId: "wfr_parent", workflowUrl: "https://shop.example.com/api/parent", workflowRunCreatedAt: T0 };
  const child = wireRun("wfr_child", T0 + 10, { length: 50, invoker });
  const alone = await converted([child]);
  expect(alone.runs[0]!.parentSpanId).toBe("");
  const [link] = alone.runs[0]!.links;
  const beside = await converted([wireRun("wfr_parent", T0, { length: undefined }), child]);
  expect(beside.runs[0]!.traceId).toBe(link!.traceId);
  expect(beside.runs[0]!.parentSpanId).toBe(link!.spanId);
});

test("a configuration is honoured where one is given, and needs neither source nor destination", async () => {
  const config = here.configure({
    environment: "staging",
    workflows: [
      { match: { url: "*/internal" }, drop: true },
      { match: { url: "*/api/*" }, set: { name: "order", service_name: "shop" } },
    ],
  });
  const input = [wireRun("wfr_1", T0), wireRun("wfr_2", T0, { workflowUrl: "https://shop.example.com/internal", length: 5 })];
  const result = await converted(input, ["--config", config]);
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: 'skipped "wfr_2": dropped by a rule\n' });
  expect(result.runs.map((span) => span.name)).toEqual(["order"]);
  expect(result.runs[0]!.resource).toEqual({ "deployment.environment.name": "staging", "service.name": "shop" });
  const fromEnvironment = await converted([wireRun("wfr_1", T0)], [], { OTEL_SERVICE_NAME: "named-by-environment" });
  expect(fromEnvironment.runs[0]!.resource["service.name"]).toBe("named-by-environment");
  const wrong = await wfotel(["convert", "--config", here.configure({ traces: { trace_contxt: "join" } })], { input: SAMPLE });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("trace_context");
});

test("secrets in URLs, headers and messages are on neither output, and bodies only where they are asked for", async () => {
  const call = wireStep("wfr_1", {
    stepId: 1,
    stepName: "call",
    stepType: "Call",
    createdAt: T0 + 500,
    callUrl: "https://user:canary-1@api.example.com/pay?api_key=canary-2",
    callMethod: "POST",
    callHeaders: { Authorization: ["Bearer canary-3"] },
    callBody: '{"password":"canary-4","amount":"12 EUR"}',
    callResponseStatus: 200,
  });
  const input = [wireRun("wfr_1", T0, { length: 1_000, steps: [sequential(call)] })];
  const plain = await converted(input);
  expect(plain.spans).toHaveLength(2);
  expect(plain.stdout).not.toMatch(/12 EUR/);
  const config = here.configure({ traces: { capture: { call_bodies: true, request_headers: ["authorization"] } } });
  const captured = await converted(input, ["--config", config]);
  expect(captured.stdout).toMatch(/12 EUR/);
  for (const { stdout, stderr } of [plain, captured]) expect(stdout + stderr).not.toMatch(/canary/);
});

test("a reader that closes early ends it without an error", async () => {
  const many = Array.from({ length: 20_000 }, (_, index) => wireRun(`wfr_${index}`, T0 + index));
  const child = startWfotel(["convert"], {});
  let stderr = "";
  child.stderr.on("data", (part) => (stderr += String(part)));
  child.stdout.once("data", () => child.stdout.destroy());
  child.stdin.end(JSON.stringify(many));
  expect(await once(child, "close")).toEqual([0, null]);
  expect(stderr).toBe("");
});

test("a tree whose trace is past its limit takes its further children as links; what came before stays", async () => {
  const config = join(here.folder, "small.yaml");
  writeFileSync(config, "traces: { max_spans_per_trace: 10 }\n");
  const invoker = { workflowRunId: "wfr_parent", workflowUrl: "https://shop.example.com/api/order", workflowRunCreatedAt: T0 };
  const children = Array.from({ length: 12 }, (_, n) => wireRun(`wfr_child${n}`, T0 + 10 + n, { length: 100, invoker }));
  const { code, runs } = await converted([wireRun("wfr_parent", T0, { length: 5_000 }), ...children.reverse()], ["--config", config]);
  const parent = runs.find((run) => run.attributes["upstash.workflow.run.id"] === "wfr_parent");
  const apart = runs.filter((run) => run.traceId !== parent?.traceId);
  expect(code).toBe(0);
  expect(runs).toHaveLength(13);
  expect(apart.length).toBeGreaterThan(0);
  expect(apart.length).toBeLessThan(12);
  for (const run of apart) expect(run.links.map((link) => link.traceId)).toEqual([parent?.traceId]);
});
