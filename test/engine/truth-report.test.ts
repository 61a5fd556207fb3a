import { describe, expect, test } from "vitest";
import { INPUTS, type Judgement } from "./truth-measure.ts";
import { barsOf, type Measurement, rowsOf } from "./truth-report.ts";
import { reportMarkdown, reportText } from "./truth-text.ts";

const RESOLUTION = 15;

const judgements = (late: number, over: Partial<Judgement["span"]> = {}): Judgement[] =>
  INPUTS.map((input) => ({
    program: "one",
    input,
    span: { runId: "wfr_one", step: "a", type: "Run", group: 1, start: 100, end: 200 + late, isStated: false, ...over },
    truth: { start: 100, end: 200 },
  }));

function measurement(
  late: number,
  over: Partial<Judgement["span"]> = {},
  charge: Partial<Measurement["charges"][number]> = {},
): Measurement {
  const charges = INPUTS.map((input) => ({
    program: "one",
    input,
    durationMs: 1_000,
    wrongMs: 0,
    misplaced: 0,
    attempts: { shown: ["a: 2"], made: ["a: 2"] },
    ...charge,
  }));
  return { reading: "END", resolution: RESOLUTION, judgements: judgements(late, over), charges };
}

const missed = (one: Measurement) =>
  barsOf(one)
    .filter(({ met }) => !met)
    .map(({ input, promise }) => `${input}: ${promise.replace(/\b\d+\b/g, "N")}`);

describe("each bar can be missed, by what it is about alone", () => {
  test("none is, where every time is within the engine's resolution and 10 ms", () => {
    expect(missed(measurement(10 + RESOLUTION, { isStated: true }))).toEqual([]);
  });

  test("a time of the message log that is farther off", () => {
    const promise = "p99 of starts and ends ≤ N ms (N + the engine's N)";
    expect(missed(measurement(11 + RESOLUTION))).toEqual([`message log: ${promise}`, `message log alone: ${promise}`]);
  });

  test("a failure function's end is only as fine as a Date", () => {
    expect(missed(measurement(900, { type: "failure function" }))).toEqual([]);
  });

  test("a time that the grouped log gives as stated, and that is farther off than both neighbours may be", () => {
    const own = (over: Partial<Judgement["span"]>) => missed(measurement(60, over)).filter((each) => each.startsWith("grouped"));
    expect(own({ isStated: true })).toEqual(["grouped log: what is marked log is within N ms (a Call: and its Date's second)"]);
    expect(own({ isStated: false })).toEqual([]);
    expect(own({ isStated: true, type: "Call" })).toEqual([]);
  });

  test("time that is charged to the wrong step: none of the message log's, 2 % of the grouped log's", () => {
    const own = (wrongMs: number) => missed(measurement(0, {}, { wrongMs }));
    expect(own(20)).toEqual([
      "message log: N % of a run charged to the wrong step",
      "message log alone: N % of a run charged to the wrong step",
    ]);
    expect(own(21)).toHaveLength(3);
  });

  test("a step in another's place, an attempt that is missing", () => {
    expect(missed(measurement(0, {}, { misplaced: 1 }))).toEqual([
      "grouped log: no step before the previous group's end, or around another's wait",
    ]);
    const lost = missed(measurement(0, {}, { attempts: { shown: [], made: ["a: 2"] } }));
    expect(lost).toEqual([
      "message log: every attempt of the N steps that had several",
      "message log alone: every attempt of the N steps that had several",
    ]);
  });
});

test("errors are told by p50, p99 and the greatest, for starts and ends", () => {
  const one = measurement(7);
  expect(rowsOf(one).map(({ input, spans, start, end }) => [input, spans, start.join("/"), end.join("/")])).toEqual(
    INPUTS.map((input) => [input, 1, "0/0/0", "7/7/7"]),
  );
  expect(reportText(one)).toContain("met     message log: p99 of starts and ends ≤ 25 ms (10 + the engine's 15): 7 ms");
  const markdown = reportMarkdown([one, { ...measurement(99), reading: "START" }]);
  expect(markdown).toContain("| Run | 1 | 0/0/0 · 7/7/7 | 0/0/0 · 99/99/99 | 0/0/0 · 7/7/7 | 0/0/0 · 99/99/99 |");
  expect(markdown).toContain("| message log | p99 of starts and ends ≤ 10 ms + the engine's resolution | 7 ms | 99 ms **(missed)** |");
});
