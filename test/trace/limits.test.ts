import { expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import { ATTRIBUTES } from "../../src/trace/attributes.ts";
import { compactEvent } from "../../src/trace/compact-event.ts";
import { finished, limited } from "../../src/trace/limits.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { Attributes, Span } from "../../src/trace/span.ts";
import { aRun, at, error, group, next, settingsWith, step } from "../support/run-builder.ts";

const settings = settingsWith();
const spansOf = (...[run, with_ = settings]: [ReturnType<typeof aRun>, typeof settings?]) =>
  mapRun(run, ownPlacement(run, with_), with_).spans;

test("a value within the limit is as it was, with no size beside it", () => {
  const attributes = { a: "x".repeat(2_048), b: ["y", "z"], c: 1, d: true };
  expect(limited(attributes, settings)).toEqual(attributes);
});

test.each([
  ["a".repeat(2_049), "a".repeat(2_048), 2_049],
  ["ä".repeat(1_025), "ä".repeat(1_024), 2_050],
  [`${"a".repeat(2_047)}😀`, "a".repeat(2_047), 2_051],
  [`${"a".repeat(2_048)}\ud800`, "a".repeat(2_048), 2_051],
])("a longer one is cut between characters, its size in bytes stands beside it (%#)", (value, cut, size) => {
  expect(limited({ team: value }, settings)).toEqual({ team: cut, "team.size": size });
});

test("of a list each value is cut for itself; the size is that of all of it", () => {
  const long = "l".repeat(3_000);
  expect(limited({ labels: [long, "short"] }, settings)).toEqual({ labels: [long.slice(0, 2_048), "short"], "labels.size": 3_005 });
});

test("a size that the user wrote is the user's", () => {
  expect(limited({ shirt: "x".repeat(3_000), "shirt.size": "XL" }, settings)).toEqual({ shirt: "x".repeat(2_048), "shirt.size": "XL" });
  expect(limited({ "shirt.size": "XL", shirt: "x".repeat(3_000) }, settings)).toMatchObject({ "shirt.size": "XL" });
});

test("a number that OTLP cannot hold is left out", () => {
  expect(limited({ big: 2 ** 64, list: [1, Number.NaN] }, settings)).toEqual({ list: [1] });
});

test("whatever of a run is cut says so: attributes, events, names of the user's, and the failure function", () => {
  const long = "x".repeat(5_000);
  const run = aRun(
    900,
    [group(step("Run", "s", 100, { messageId: long })), next({ errors: [error(700, 500, long), error(800, 500, long)] })],
    {
      state: "RUN_FAILED",
      flowControlKey: long,
      labels: [long, long],
      url: `https://shop.example.com/${long}`,
      failureFunction: { state: "CALLBACK_FAIL", messageId: long, errors: [error(950, 500, long)] },
    },
  );
  const rule = { match: { url: "*" }, set: { name: long, service_name: long, attributes: { team: long } } };
  const spans = spansOf(run, settingsWith({}, { workflows: [rule] }));
  const all: Attributes[] = spans.flatMap((span) => [span.attributes, ...span.events.map((event) => event.attributes)]);
  const cuts = all.flatMap((attributes) =>
    Object.entries(attributes).flatMap(([name, value]) =>
      [value].flat().some((one) => typeof one === "string" && one.length === 2_048) ? [[name, attributes[`${name}.size`]] as const] : [],
    ),
  );
  expect(new Map(cuts)).toEqual(
    new Map<string, number>([
      ["upstash.workflow.name", 5_000],
      ["upstash.workflow.run.url", 5_025],
      ["upstash.workflow.run.labels", 10_000],
      ["upstash.workflow.run.flow_control.key", 5_000],
      ["upstash.workflow.step.message.id", 5_000],
      ["upstash.workflow.attempt.message", 5_000],
      ["exception.message", 5_000],
      ["upstash.workflow.failure.message.id", 5_000],
      ["team", 5_000],
    ]),
  );
  expect(cuts.every(([, size]) => typeof size === "number")).toBe(true);
  expect(mapRun(run, ownPlacement(run, settings), settingsWith({}, { workflows: [rule] })).resource).toMatchObject({
    "service.name": "x".repeat(2_048),
    "service.name.size": 5_000,
  });
  expect(spans.map((span) => span.status.message?.length)).toEqual([2_048, undefined, 2_048, 2_048]);
});

test("a step's name stays whole, also past the limit of other values; one that would cost its span is cut at 64 KiB", () => {
  const named = (name: string) => spansOf(aRun(900, [group(step("Run", name, 100))]))[1]!.attributes;
  const long = "決".repeat(20_000);
  expect(named(long)).toMatchObject({ [ATTRIBUTES.STEP_NAME.name]: long });
  expect(named(long)).not.toHaveProperty([`${ATTRIBUTES.STEP_NAME.name}.size`]);
  const huge = named("n".repeat(70_000));
  expect(huge[ATTRIBUTES.STEP_NAME.name]).toBe("n".repeat(65_536));
  expect(huge[`${ATTRIBUTES.STEP_NAME.name}.size`]).toBe(70_000);
});

test("a payload keeps its own limit and its own size", () => {
  const capture = { outputs: true, max_bytes: 4_000 };
  const [, span] = spansOf(
    aRun(900, [group(step("Run", "s", 100, { out: "o".repeat(9_000) }))]),
    settingsWith({ capture, max_value_bytes: 100 }),
  );
  expect(span!.attributes).toMatchObject({
    "upstash.workflow.step.output": "o".repeat(4_000),
    "upstash.workflow.step.output.size": 9_000,
  });
});

test("lean keeps a size with the value it belongs to", () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`user.${index}`, "u"]));
  const attributes = { ...many, [ATTRIBUTES.RUN_ID.name]: "r".repeat(3_000) };
  const [whole] = spansOf(aRun(900, []));
  const span: Span = finished({ ...whole!, attributes }, settingsWith({ attributes: "lean" }));
  expect(Object.keys(span.attributes)).toHaveLength(32);
  expect(span.attributes[`${ATTRIBUTES.RUN_ID.name}.size`]).toBe(3_000);
});

test("lean leaves out a value whose size has no room beside it", () => {
  const many = Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`user.${index}`, "u"]));
  const [whole] = spansOf(aRun(900, []));
  const attributes = { ...many, "user.long": "r".repeat(3_000), "user.last": "u" };
  const span: Span = finished({ ...whole!, attributes }, settingsWith({ attributes: "lean" }));
  expect(Object.keys(span.attributes)).toEqual(Object.keys(many));
});

test("an error that waited on disk with its event is as long as it was", () => {
  const message = "m".repeat(5_000);
  const event: MessageEvent = { id: "wfr_1", createdAt: at(0), time: at(5), state: "ERROR", url: "", messageId: "msg", error: message };
  expect(compactEvent(event, settings)?.error).toBe(message);
});
