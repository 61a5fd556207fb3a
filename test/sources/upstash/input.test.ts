import { expect, test } from "vitest";
import { readInput } from "../../../src/sources/upstash/input.ts";
import { fixture, wireRun } from "./fixture.ts";

const EVENT = { time: 5, state: "RUN_SUCCESS", workflowRunId: "e", workflowCreatedAt: 4 };
const run = (id: string) => wireRun({ workflowRunId: id });

function summary(text: string) {
  const { runs, events, unreadable } = readInput(text);
  return {
    runs: runs.map(({ id }) => id),
    events: events.map(({ id }) => id),
    unreadable: unreadable.map(({ position, reason }) => `${position} ${reason}`),
  };
}

test("each published and recorded body is recognised by itself", () => {
  expect(readInput(fixture("runs-documented.json"))).toMatchObject({ runs: { length: 1 }, events: [], unreadable: [] });
  expect(readInput(fixture("message-logs-documented.json"))).toMatchObject({ runs: [], events: { length: 2 }, unreadable: [] });
  expect(readInput(fixture("engine-runs.json"))).toMatchObject({ runs: { length: 6 }, events: [], unreadable: [] });
  expect(readInput(fixture("engine-events.json"))).toMatchObject({ runs: [], events: { length: 127 }, unreadable: [] });
});

test("a page, a list of runs, a list of pages, one run and one event are all understood", () => {
  const expected = { runs: ["a", "b"], events: [], unreadable: [] };
  expect(summary(JSON.stringify({ cursor: "x", runs: [run("a"), run("b")] }))).toEqual(expected);
  expect(summary(JSON.stringify([run("a"), run("b")]))).toEqual(expected);
  expect(summary(JSON.stringify([{ runs: [run("a")] }, { cursor: "", runs: [run("b")] }, { runs: null }]))).toEqual(expected);
  expect(summary(JSON.stringify(run("a")))).toEqual({ runs: ["a"], events: [], unreadable: [] });
  expect(summary(JSON.stringify(EVENT))).toEqual({ runs: [], events: ["e"], unreadable: [] });
  expect(summary("[]")).toEqual({ runs: [], events: [], unreadable: [] });
  expect(summary('{"runs":null,"cursor":""}')).toEqual({ runs: [], events: [], unreadable: [] });
});

test("NDJSON of runs, pages and events is understood, with a byte order mark, CRLF and blank lines", () => {
  const lines = [run("a"), { runs: [run("b"), run("c")] }, EVENT, { events: [EVENT] }].map((line) => JSON.stringify(line));
  expect(summary(`\uFEFF${lines.join("\r\n")}\n\n`)).toEqual({ runs: ["a", "b", "c"], events: ["e", "e"], unreadable: [] });
});

test("positions count over the whole input", () => {
  const pages = [{ runs: [run("a"), 5] }, { runs: [run("b"), { workflowRunId: "x" }] }, 7, {}];
  expect(summary(JSON.stringify(pages))).toEqual({
    runs: ["a", "b"],
    events: [],
    unreadable: [
      "1 expected a run, an object",
      "3 workflowRunCreatedAt: expected a time in milliseconds",
      "4 expected a run, an object",
      "5 workflowRunId: expected an id",
    ],
  });
});

test("a broken NDJSON line is named by its number, and the others go on", () => {
  const text = `${JSON.stringify(run("a"))}\n{"canary": \n${JSON.stringify(run("b"))}`;
  expect(summary(text)).toEqual({ runs: ["a", "b"], events: [], unreadable: ["1 line 2: expected JSON"] });
});

test("text that is no JSON gives one clear entry", () => {
  const truncated = fixture("runs-documented.json").slice(0, -20);
  for (const text of ["<html>canary</html>\n\n<p>", "canary\ncanary\n5", truncated]) {
    expect(summary(text).unreadable).toEqual(["0 expected JSON or NDJSON, found neither"]);
  }
  for (const text of ["", " \n "]) expect(summary(text).unreadable).toEqual(["0 expected JSON or NDJSON, found nothing"]);
  expect(summary("null").unreadable).toEqual(["0 expected a run, an object"]);
});

test("a body of another API is not taken for an empty page", () => {
  const error = "expected runs or events, found an error answer of the API";
  expect(summary('{"error":"canary"}').unreadable).toEqual([`0 ${error}`]);
  expect(summary('[{"runs":[]},{"error":"canary","status":401}]').unreadable).toEqual([`0 ${error}`]);
  expect(summary('{"runs":{"canary":1}}').unreadable).toEqual(["0 runs: expected a list"]);
  expect(summary('{"runs":"canary","events":[],"cursor":"x"}').unreadable).toEqual(["0 runs: expected a list"]);
  expect(summary('{"events":5}').unreadable).toEqual(["0 events: expected a list"]);
});

test("a page that left its list out is one only beside others", () => {
  for (const text of ['{"cursor":"x"}', '{"cursor":""}', '{"cursor":"x"}\n{"cursor":null}'])
    expect(summary(text)).toEqual({ runs: [], events: [], unreadable: ["0 expected runs or events, found neither"] });
  expect(summary(`${JSON.stringify({ runs: [run("a")], cursor: "x" })}\n{"cursor":""}`)).toEqual({
    runs: ["a"],
    events: [],
    unreadable: [],
  });
});

test("an event that names an error is an event, and a run that does is a run", () => {
  expect(
    summary(
      JSON.stringify([
        { ...EVENT, error: "canary" },
        { ...run("a"), error: "canary" },
      ]),
    ),
  ).toEqual({
    runs: ["a"],
    events: ["e"],
    unreadable: [],
  });
});

test("what of a run or an event is no step is named by its place, and so are fields that say nothing", () => {
  const step = (over: object) => ({ stepName: "a", stepType: "Run", createdAt: 5, ...over });
  const steps = [
    17,
    { type: "parallel", steps: [step({}), "canary", step({ createdAt: "canary" })] },
    { steps: { canary: 1 } },
    { steps: null },
  ];
  const input = [run("whole"), { ...run("list"), steps: "canary" }, 5, { ...run("pieces"), steps }, { ...EVENT, stepInfo: ["canary"] }];
  const { runs, incomplete } = readInput(JSON.stringify(input));
  expect(runs.map(({ id }) => id)).toEqual(["whole", "list", "pieces"]);
  expect(incomplete.map(({ position, key, lost, fields }) => [position, key.id, lost, fields])).toEqual([
    [1, "list", ["steps: expected a list"], []],
    [
      3,
      "pieces",
      [
        "steps[0]: expected a group of steps, an object",
        "steps[1].steps[1]: expected a step, an object",
        "steps[2].steps: expected a list",
      ],
      ["steps.steps.createdAt"],
    ],
    [4, "e", ["stepInfo: expected a step, an object"], []],
  ]);
});

test("what is tolerated is no loss: mended values, missing steps, null", () => {
  const odd = {
    ...run("a"),
    workflowRunCompletedAt: "1700000000000",
    labels: "one",
    steps: [{ type: "next", steps: [{ stepId: "3", out: { a: 1 } }] }],
  };
  const none = run("b") as Record<string, unknown>;
  delete none.steps;
  expect(readInput(JSON.stringify([odd, none, { ...run("c"), steps: null }])).incomplete).toEqual([]);
});
