import { expect, test } from "vitest";
import type { TruthRecord } from "../programs/truth-book.ts";
import { type JudgedSpan, type KnownRun, misplaced, trueWindows, wronglyCharged } from "./truth-windows.ts";

const record = (step: string, start: number, end: number, over: Partial<TruthRecord> = {}): TruthRecord => ({
  runId: "wfr_one",
  step,
  kind: "function",
  attempt: 1,
  start,
  end,
  failed: false,
  ...over,
});

const span = (type: string, step: string, group: number, start: number, end: number, over: Partial<JudgedSpan> = {}): JudgedSpan => ({
  runId: "wfr_one",
  type,
  step,
  group,
  start,
  end,
  ...over,
});

function windowsOf(spans: readonly JudgedSpan[], records: readonly TruthRecord[], over: Partial<KnownRun> = {}) {
  const own = records.filter((each) => each.runId === "wfr_one");
  return trueWindows(spans, { runId: "wfr_one", start: 0, end: 1_000, records: own, sleeps: {}, ...over }, records);
}

test("a step of several attempts lasts from the first to the last; an attempt is itself", () => {
  const spans = [
    span("Run", "a", 1, 0, 99),
    span("attempt", "a", 1, 0, 20, { attempt: 1 }),
    span("attempt", "a", 1, 50, 99, { attempt: 2 }),
  ];
  const windows = windowsOf(spans, [record("a", 5, 20, { failed: true }), record("a", 60, 90, { attempt: 2 })]);
  expect(spans.map((each) => [windows.get(each)!.start, windows.get(each)!.end])).toEqual([
    [5, 90],
    [5, 20],
    [60, 90],
  ]);
});

test("what user code cannot see lies between what it saw, or as long as was declared", () => {
  const spans = ["Run", "SleepFor", "Wait", "Invoke", "Notify", "Run"].map((type, group) => span(type, `${type} ${group}`, group, 0, 0));
  const records = [
    record("Run 0", 10, 20),
    record("Wait 2", 190, 200, { kind: "outside" }),
    record("child", 210, 300, { runId: "wfr_child" }),
    record("Run 5", 400, 450),
  ];
  const known = spans.map((each) => (each.type === "Invoke" ? { ...each, childId: "wfr_child" } : each));
  const windows = windowsOf(known, records, { sleeps: { "SleepFor 1": 100 } });
  expect(known.map((each) => [windows.get(each)!.start, windows.get(each)!.end])).toEqual([
    [10, 20],
    [20, 120],
    [120, 200],
    [200, 300],
    [300, 400],
    [400, 450],
  ]);
});

test("siblings share the fork, and what follows starts after the last of them", () => {
  const spans = [
    span("Run", "fork", 1, 0, 10),
    span("SleepFor", "long", 2, 10, 70),
    span("SleepFor", "short", 2, 10, 30),
    span("Notify", "last", 3, 70, 90),
  ];
  const windows = windowsOf(spans, [record("fork", 0, 10)], { sleeps: { long: 60, short: 20 } });
  expect(spans.slice(1).map((each) => windows.get(each))).toEqual([
    { start: 10, end: 70 },
    { start: 10, end: 30 },
    { start: 70, end: 1_000 },
  ]);
});

const charged = (resolution: number, ...steps: readonly [shown: [number, number], true: [number, number]][]) =>
  wronglyCharged(
    new Map(steps.map(([shown, [start, end]], index) => [span("Run", `step ${index}`, index, ...shown), { start, end }])),
    resolution,
  );

test("a step whose work is shown as another's is charged to it, beyond the resolution", () => {
  expect(
    charged(
      0,
      [
        [0, 300],
        [0, 100],
      ],
      [
        [300, 400],
        [100, 400],
      ],
    ),
  ).toBe(200);
  expect(
    charged(
      10,
      [
        [0, 300],
        [0, 100],
      ],
      [
        [300, 400],
        [100, 400],
      ],
    ),
  ).toBe(180);
  expect(
    charged(
      10,
      [
        [0, 109],
        [0, 100],
      ],
      [
        [109, 400],
        [100, 400],
      ],
    ),
  ).toBe(0);
});

test("work that is shown as nobody's is charged wrong too, idle time is not", () => {
  expect(
    charged(
      0,
      [
        [0, 100],
        [0, 100],
      ],
      [
        [150, 300],
        [100, 300],
      ],
    ),
  ).toBe(50);
  expect(
    charged(
      0,
      [
        [0, 200],
        [0, 100],
      ],
      [
        [200, 300],
        [200, 300],
      ],
    ),
  ).toBe(0);
});

test("a sibling that is shown too long takes nothing from the one that was at work", () => {
  expect(
    charged(
      0,
      [
        [0, 300],
        [0, 300],
      ],
      [
        [0, 300],
        [0, 100],
      ],
    ),
  ).toBe(0);
});

test("a step is misplaced if it is shown before the previous group's end, or while a step of another group waited", () => {
  const count = (run: [number, number], sleep: [number, number]) =>
    misplaced(
      new Map([
        [span("SleepFor", "s", 1, ...sleep), { start: 0, end: 100 }],
        [span("Run", "r", 2, ...run), { start: 100, end: 120 }],
        [span("Run", "beside", 1, 0, 100), { start: 0, end: 100 }], // siblings overlap
      ]),
      10,
    );
  expect(count([100, 120], [0, 100])).toBe(0);
  expect(count([99, 120], [0, 99])).toBe(1);
  expect(
    misplaced(
      new Map([
        [span("SleepFor", "s", 1, 0, 50), { start: 0, end: 100 }],
        [span("Run", "r", 2, 50, 120), { start: 100, end: 120 }],
      ]),
      10,
    ),
    "half of the sleep is in the run behind it",
  ).toBe(1);
});
