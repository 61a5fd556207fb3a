import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Attributes, MappedRun, Span } from "../../src/trace/span.ts";
import { waterfall } from "../../src/trace/waterfall.ts";
import { cells } from "../../src/trace/waterfall-text.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const T0 = Date.UTC(2025, 0, 8, 12, 0, 0);
let ids = 0;

function span(name: string, start: number, end: number, own: Partial<Span> = {}): Span {
  ids++;
  return {
    traceId: TRACE,
    spanId: ids.toString(16).padStart(16, "0"),
    parentIsRemote: false,
    traceFlags: 3,
    name,
    kind: "internal",
    start: T0 + start,
    end: T0 + end,
    attributes: { "upstash.workflow.step.type": "Run" },
    events: [],
    links: [],
    status: { code: "unset" },
    scope: "workflow",
    role: "step",
    ...own,
  };
}

const run = (name: string, start: number, end: number, own: Partial<Span> = {}): Span =>
  span(name, start, end, {
    role: "run",
    ...own,
    attributes: { "upstash.workflow.run.id": `wfr_${name}`, "upstash.workflow.run.state": "RUN_SUCCESS", ...own.attributes },
  });
const typed = (type: string, critical = false): { attributes: Attributes } => ({
  attributes: { "upstash.workflow.step.type": type, ...(critical && { "upstash.workflow.step.critical": true }) },
});
const mapped = (...spans: Span[]): MappedRun => ({ resource: { "service.name": "shop.example.com" }, spans });
const draw = (...runs: MappedRun[]) => waterfall(runs, { width: 80, color: false });
const lines = (text: string) => text.trimEnd().split("\n");

test("a run is drawn to scale, parallel steps side by side, the critical ones marked", () => {
  const root = run("order", 0, 1_000);
  const under = { parentSpanId: root.spanId };
  const text = draw(
    mapped(
      root,
      span("reserve", 0, 500, { ...under, ...typed("Run", true) }),
      span("notify", 0, 250, { ...under, ...typed("Call") }),
      span("charge", 500, 1_000, { ...under, ...typed("Run", true) }),
    ),
  );
  expect(`\n${text}`).toBe(`
● order  RUN_SUCCESS · 1.00 s · 2025-01-08 12:00:00.000 UTC
  shop.example.com · run wfr_order
  trace 0af7651916cd43dd8448eb211c80319c
                    0                                            1.00 s
order        run    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━   1.00 s
├─reserve    Run  ◆ ██████████████████████████                            500 ms
├─notify     Call   █████████████                                         250 ms
└─charge     Run  ◆                           █████████████████████████   500 ms
`);
});

test("a day of sleep is left out visibly, and what works before and after keeps its scale", () => {
  const root = run("nightly", 0, 86_403_000);
  const under = { parentSpanId: root.spanId };
  const text = draw(
    mapped(
      root,
      span("a", 0, 1_000, under),
      span("sleep", 1_000, 86_401_000, { ...under, ...typed("SleepFor") }),
      span("b", 86_401_000, 86_403_000, under),
    ),
  );
  const [, , , axis, whole, a, sleep, b] = lines(text);
  expect(axis).toMatch(/0 +≈ 1d 00h +1d 00h$/);
  expect(whole).toMatch(/━≈━/);
  expect(sleep).toMatch(/░≈░ +1d 00h$/);
  const width = (line: string | undefined, fill: string) => (line ?? "").split(fill).length - 1;
  expect(width(b, "█") / width(a, "█")).toBeCloseTo(2, 0);
  expect(width(a, "█") + width(b, "█") + 3).toBe(width(whole, "━") + 1);
});

test("short sleeps, and sleeps without any work, are drawn to scale", () => {
  const root = run("r", 0, 1_000);
  const under = { parentSpanId: root.spanId };
  const short = draw(mapped(root, span("a", 0, 800, under), span("s", 800, 1_000, { ...under, ...typed("SleepFor") })));
  expect(short).not.toContain("≈");
  expect(draw(mapped(root, span("s", 0, 1_000, { ...under, ...typed("Wait") })))).not.toContain("≈");
});

test("many breaks still fit the line", () => {
  const root = run("r", 0, 40 * 100_000);
  const steps = Array.from({ length: 40 }, (_, i) => [
    span(`w${i}`, i * 100_000, i * 100_000 + 10, { parentSpanId: root.spanId }),
    span(`s${i}`, i * 100_000 + 10, (i + 1) * 100_000, { parentSpanId: root.spanId, ...typed("SleepFor") }),
  ]).flat();
  for (const line of lines(draw(mapped(root, ...steps)))) expect(cells(line)).toBeLessThanOrEqual(80);
});

test("children of invoked runs stand under the Invoke step, whichever run they come with", () => {
  const root = run("parent", 0, 1_000);
  const invoke = span("call child", 100, 900, { parentSpanId: root.spanId, ...typed("Invoke") });
  const child = run("child", 110, 890, { parentSpanId: invoke.spanId });
  const inner = span("work", 120, 880, { parentSpanId: child.spanId });
  const after = span("after", 900, 1_000, { parentSpanId: root.spanId });
  const text = draw(mapped(child, inner), mapped(root, invoke, after));
  expect(
    lines(text)
      .slice(4)
      .map((line) => line.slice(0, 20).trimEnd()),
  ).toEqual(["parent       run", "├─call child Invoke", "│ └─child    run", "│   │ run wfr_child", "│   └─work   Run", "└─after      Run"]);
  expect(text).toContain("run wfr_child · RUN_SUCCESS");
});

test("what went wrong stands below: attempts, the final error, and the run's", () => {
  const attributes = { "upstash.workflow.attempt.number": 1, "upstash.workflow.attempt.message": "502 from bank" };
  const root = run("pay", 0, 100, {
    status: { code: "error", message: "card declined" },
    attributes: { "upstash.workflow.run.state": "RUN_FAILED" },
  });
  const step = span("charge", 0, 100, {
    parentSpanId: root.spanId,
    role: "delivery",
    status: { code: "error" },
    attributes: { "error.type": "timeout" },
    events: [
      { name: "upstash.workflow.attempt.failed", time: T0, attributes },
      {
        name: "upstash.workflow.attempt.failed",
        time: T0,
        attributes: { "upstash.workflow.attempt.number": 2, "error.type": "connection" },
      },
      { name: "exception", time: T0, attributes: {} },
    ],
  });
  const failure = span("failure function", 100, 110, { parentSpanId: root.spanId, role: "failure", attributes: {} });
  const text = draw(mapped(root, step, failure));
  expect(lines(text)[0]).toMatch(/^✗ pay {2}RUN_FAILED/);
  for (const line of ["│ ✗ card declined", "↻ attempt 1 failed: 502 from bank", "↻ attempt 2 failed: connection", "✗ timeout"])
    expect(text).toContain(line);
  expect(text).toMatch(/charge +delivery +✗/);
  expect(text).toMatch(/└─failure function +failure /);
});

test("an LLM call tells its model and tokens", () => {
  const root = run("agent", 0, 100);
  const gpt = {
    "upstash.workflow.step.type": "Call",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 812,
    "gen_ai.usage.output_tokens": 64,
  };
  const call = (own: Attributes) => draw(mapped(root, span("ask", 0, 100, { parentSpanId: root.spanId, attributes: own })));
  expect(call(gpt)).toContain("gpt-4o · 812 → 64 tokens");
  expect(call({ ...gpt, "gen_ai.response.model": "gpt-4o-2024" })).toContain("gpt-4o-2024 · 812 → 64 tokens");
  expect(call({ "gen_ai.request.model": "claude" })).toContain("claude · ? → ? tokens");
});

test("the parts of a step tile it; queue and backoff do not count as work", () => {
  const root = run("r", 0, 1_000_000);
  const step = span("flaky", 0, 1_000_000, { parentSpanId: root.spanId });
  const part = (name: string, start: number, end: number) =>
    span(name, start, end, { parentSpanId: step.spanId, role: "part", attributes: {} });
  const text = draw(mapped(root, step, part("attempt 1", 0, 10), part("backoff", 10, 999_990), part("attempt 2", 999_990, 1_000_000)));
  expect(text).toMatch(/│? +├─backoff .*░≈░/);
});

test("a start delay and a continuation have rows of their own", () => {
  const root = run("r", 0, 100);
  const delay = span("start delay", 0, 90, { parentSpanId: root.spanId, role: "delay", attributes: {} });
  const more = span("r (continued)", 90, 100, { traceId: TRACE.replace("0a", "0b"), role: "continuation", attributes: {} });
  const text = draw(mapped(root, delay, span("s", 90, 100, { parentSpanId: root.spanId }), more));
  expect(text).toMatch(/start delay +delay +░/);
  expect(text).toMatch(/r \(continued\) +continuation +━/);
});

test("trees without a common root are drawn one after the other", () => {
  const orphan = run("orphan", 0, 10, { parentSpanId: "ffffffffffffffff" });
  expect(draw(mapped(run("one", 0, 10)), mapped(orphan)).match(/^● /gm)).toHaveLength(2);
  expect(draw()).toBe("");
});

test("spans that are each other's parents are no endless tree", () => {
  const a = span("a", 0, 1, { spanId: "aaaaaaaaaaaaaaaa", parentSpanId: "bbbbbbbbbbbbbbbb" });
  const b = span("b", 0, 1, { spanId: "bbbbbbbbbbbbbbbb", parentSpanId: "aaaaaaaaaaaaaaaa" });
  const root = run("r", 0, 1);
  expect(draw(mapped(root, a, b, { ...root }))).toContain("r");
});

test("a run of no duration is drawn", () => {
  const root = run("instant", 0, 0);
  expect(draw(mapped(root, span("s", 0, 0, { parentSpanId: root.spanId })))).toMatch(/└─s +Run +█ +0 ms/);
});

test("ten thousand levels of invocation do not overflow the stack", () => {
  let parent = run("r", 0, 10);
  const spans = [parent];
  for (let i = 0; i < 10_000; i++) {
    parent = span("s", 0, 10, { parentSpanId: parent.spanId });
    spans.push(parent);
  }
  expect(lines(draw(mapped(...spans)))).toHaveLength(10_005);
});

test("on a wide terminal every row has its span's id", () => {
  const root = run("r", 0, 10);
  const text = waterfall([mapped(root)], { width: 120, color: false });
  expect(lines(text).at(-1)).toMatch(new RegExp(`${root.spanId}$`));
  expect(draw(mapped(root))).not.toContain(root.spanId);
});

test("colours only if asked for, and they change no cell", () => {
  const root = run("r", 0, 100, { status: { code: "error", message: "no" } });
  const runs = [
    mapped(
      root,
      span("s", 0, 50, { parentSpanId: root.spanId, ...typed("Run", true) }),
      span("z", 50, 99, { parentSpanId: root.spanId, ...typed("Wait") }),
    ),
  ];
  const colored = waterfall(runs, { width: 90, color: true });
  expect(colored).toContain("\u001B[");
  const blanks = (text: string) => text.replace(/ +$/gm, "");
  expect(blanks(stripVTControlCharacters(colored))).toBe(waterfall(runs, { width: 90, color: false }));
  expect(waterfall(runs, { width: 90, color: false })).not.toContain("\u001B");
});

test.each([
  ["an escape sequence", "\u001B[2J\u001B]0;owned\u0007name"],
  ["line breaks", "a\nb\r\nc\u2028d"],
  ["a C1 control", "a\u009B31mb"],
  ["a bidirectional override", "a\u202Etxt.exe"],
  ["wide characters", "決済を確認する決済を確認する決済を確認する決済を確認する"],
  ["right-to-left text", "דחיית התשלום بطاقة"],
  ["emoji", "🚀 launch 👩‍👩‍👧‍👦 ❤️ 🇩🇪 👍🏽"],
  ["combining marks", "e\u0301".repeat(80)],
  ["a lone surrogate", "\ud800 name"],
  ["five thousand characters", "long ".repeat(1_000)],
  ["nothing", ""],
])("%s in a name neither breaks the layout nor reaches the terminal", (_, name) => {
  const root = run(name, 0, 100, { attributes: { "upstash.workflow.run.id": name }, status: { code: "error", message: name } });
  const text = draw(mapped(root, span(name, 0, 100, { parentSpanId: root.spanId }), span("other", 0, 100, { parentSpanId: root.spanId })));
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069\u2028\u2029]/u);
  expect(text.isWellFormed()).toBe(true);
  const rows = lines(text).filter((line) => line.includes("█"));
  expect(rows).toHaveLength(2);
  expect(new Set(rows.map((row) => cells(row.slice(0, row.indexOf("█")))))).toHaveProperty("size", 1);
  for (const line of lines(text)) expect(cells(line)).toBeLessThanOrEqual(80);
});

test("no line is wider than the terminal, whatever the spans", () => {
  const times = fc.tuple(fc.nat(1e9), fc.nat(1e9)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const step = fc.tuple(
    fc.string({ unit: "binary", maxLength: 60 }),
    times,
    fc.constantFrom("Run", "SleepFor", "Wait", "Invoke", "Call", "ein anderer Typ"),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 0, max: 160 }), (steps, width) => {
      const root = run("root", 0, 1e9);
      const spans = steps.map(([name, [start, end], type]) => span(name, start, end, { parentSpanId: root.spanId, ...typed(type) }));
      const text = waterfall([mapped(root, ...spans)], { width, color: false });
      expect(lines(text)).toHaveLength(5 + steps.length);
      for (const line of lines(text)) expect(cells(line)).toBeLessThanOrEqual(Math.max(60, width));
    }),
  );
});

test("sleeps that follow each other are one break, and its label leaves room for its neighbours", () => {
  const root = run("r", 0, 2_000_030);
  const under = { parentSpanId: root.spanId };
  const sleep = (start: number, end: number) => span("s", start, end, { ...under, ...typed("SleepUntil") });
  const works = [span("a", 0, 10, under), span("b", 1_000_010, 1_000_020, under), span("c", 2_000_020, 2_000_030, under)];
  const text = draw(mapped(root, ...works, sleep(10, 400_000), sleep(400_000, 1_000_010), sleep(1_000_020, 2_000_020)));
  expect(lines(text)[3]?.match(/≈ 16m 40s/g)).toHaveLength(2);
  expect(lines(text)[4]?.match(/≈/g)).toHaveLength(2);
});
