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
  expect(summary('{"cursor":""}')).toEqual({ runs: [], events: [], unreadable: [] });
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
  expect(summary('{"error":"canary"}').unreadable).toEqual(["0 workflowRunId: expected an id"]);
  expect(summary('{"runs":{"canary":1}}').unreadable).toEqual(["0 workflowRunId: expected an id"]);
});
