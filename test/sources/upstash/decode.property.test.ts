import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEventsBody, decodeRunsBody } from "../../../src/sources/upstash/decode.ts";
import { readInput } from "../../../src/sources/upstash/input.ts";
import { fixture, wireRun } from "./fixture.ts";

const CANARY = "canary-7f3a";

type Path = readonly (string | number)[];
type Mutable = Record<string | number, unknown>;

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, Array.isArray(value) ? Number(key) : key]))];
}

/** What a field may turn into, the canary among it. */
const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1e18,
    1.5,
    "",
    "0",
    "5",
    CANARY,
    [],
    {},
    [CANARY],
    { [CANARY]: CANARY },
    [[[]]],
    "\ud800\u0000",
  ),
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(JSON.parse(`{"__proto__":{"${CANARY}":1},"constructor":null}`)),
);

interface Mutation {
  readonly at: number;
  readonly kind: "delete" | "replace" | "insert" | "text";
  readonly value: unknown;
}
const mutation = fc.record<Mutation>({
  at: fc.nat(),
  kind: fc.constantFrom("delete", "replace", "insert", "text"),
  value: junk,
});

function mutate(root: unknown, { at, kind, value }: Mutation): unknown {
  const copy = { root: structuredClone(root) };
  const all = pathsOf(copy.root).map((path) => ["root", ...path]);
  const path = all[at % all.length]!;
  const parent = path.slice(0, -1).reduce<Mutable>((container, key) => container[key] as Mutable, copy);
  const key = path.at(-1)!;
  const found = parent[key];
  if (kind === "delete") delete parent[key];
  else if (kind === "replace") parent[key] = value;
  else if (kind === "text") parent[key] = JSON.stringify(parent[key]);
  else if (Array.isArray(found)) found.splice(at % (found.length + 1), 0, value);
  else if (typeof found === "object" && found !== null) (found as Mutable)[CANARY] = value;
  return copy.root;
}

const engineRuns: unknown[] = JSON.parse(fixture("engine-runs.json")).runs;
const engineEvents: unknown[] = JSON.parse(fixture("engine-events.json")).events;

test("however a run is mangled, nothing throws, its siblings arrive unchanged, and no reason or oddity quotes a value", () => {
  const first = wireRun({ workflowRunId: "first" });
  const last = wireRun({ workflowRunId: "last" });
  const untouched = decodeRunsBody({ runs: [first, last] }).runs;
  fc.assert(
    fc.property(fc.constantFrom(...engineRuns), fc.array(mutation, { minLength: 1, maxLength: 8 }), (run, mutations) => {
      const mangled = mutations.reduce(mutate, run);
      const page = decodeRunsBody({ runs: [first, mangled, last] });
      expect(page.runs.length + page.unreadable.length).toBe(3);
      expect([page.runs[0], page.runs.at(-1)]).toEqual(untouched);
      expect(page.unreadable.map(({ position }) => position)).toEqual(page.runs.length === 3 ? [] : [1]);
      const said = [...page.unreadable.map(({ reason }) => reason), ...page.runs.flatMap(({ oddities }) => oddities)].join("\n");
      expect(said).not.toContain(CANARY);
    }),
    { numRuns: 1_500 },
  );
});

test("however a run is mangled, what is decoded has the model's types and times that OTLP can carry", () => {
  fc.assert(
    fc.property(fc.constantFrom(...engineRuns), fc.array(mutation, { minLength: 1, maxLength: 8 }), (run, mutations) => {
      for (const { id, createdAt, completedAt, labels, groups } of decodeRunsBody({ runs: [mutations.reduce(mutate, run)] }).runs) {
        expect(id).not.toBe("");
        for (const time of [createdAt, completedAt ?? 1, ...groups.flatMap(({ steps }) => steps.map((step) => step.createdAt ?? 1))]) {
          expect(Number.isSafeInteger(time) && time >= 1 && time <= 18_446_744_073_709).toBe(true);
        }
        for (const text of [
          ...labels,
          ...groups.flatMap(({ type, steps }) => [type, ...steps.flatMap(({ name, state }) => [name, state])]),
        ]) {
          expect(typeof text).toBe("string");
        }
        for (const step of groups.flatMap(({ steps }) => steps)) {
          for (const values of Object.values(step.headers ?? {})) expect(values.every((value) => typeof value === "string")).toBe(true);
          expect(["string", "undefined"]).toContain(typeof step.out);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test("whatever number a time is, as a number or as text, it becomes a time that OTLP can carry or none", () => {
  const number = fc.oneof(
    fc.double(),
    fc.maxSafeInteger(),
    fc.integer({ min: 0, max: 2e14 }),
    fc.constantFrom(5e10, 1e15, 1e18, -1e18, 0, 0.4),
  );
  fc.assert(
    fc.property(number, fc.boolean(), (value, asText) => {
      const time = asText ? String(value) : value;
      const step = { createdAt: time, nextDeliveryTime: time, sleepUntil: time, waitTimeoutDeadline: time, invokedWorkflowCreatedAt: time };
      const errors = [{ time }];
      const run = wireRun({
        workflowRunCompletedAt: time,
        steps: [{ type: "sequential", steps: [{ ...step, waitEventId: "e", errors }] }],
      });
      const [decoded] = decodeRunsBody({ runs: [run] }).runs;
      const one = decoded?.groups[0]?.steps[0];
      const times = [
        decoded?.completedAt,
        one?.createdAt,
        one?.nextDeliveryTime,
        one?.sleepUntil,
        one?.wait?.deadline,
        one?.invoked?.createdAt,
      ];
      for (const found of [...times, one?.errors[0]?.time]) {
        expect(found === undefined || (Number.isInteger(found) && found >= 1 && found <= 18_446_744_073_709)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test("however an event is mangled, its siblings arrive", () => {
  const first = engineEvents[0];
  fc.assert(
    fc.property(fc.constantFrom(...engineEvents), fc.array(mutation, { minLength: 1, maxLength: 6 }), (event, mutations) => {
      const page = decodeEventsBody({ events: [first, mutations.reduce(mutate, event), first] });
      expect(page.events.length + page.unreadable.length).toBe(3);
      expect(page.events[0]).toEqual(page.events.at(-1));
      expect(page.unreadable.map(({ reason }) => reason).join()).not.toContain(CANARY);
    }),
    { numRuns: 500 },
  );
});

test("however a body or a file is mangled, reading it never throws", () => {
  const whole = { cursor: "x", runs: engineRuns };
  fc.assert(
    fc.property(fc.array(mutation, { maxLength: 4 }), fc.nat(), (mutations, cut) => {
      const mangled = mutations.reduce<unknown>(mutate, whole);
      decodeRunsBody(mangled);
      decodeEventsBody(mangled);
      const text = JSON.stringify(mangled) ?? "";
      for (const input of [text, text.slice(0, cut % (text.length + 1)), text.replaceAll(",", ",\n")]) {
        expect(
          readInput(input)
            .unreadable.map(({ reason }) => reason)
            .join(),
        ).not.toContain(CANARY);
      }
    }),
    { numRuns: 200 },
  );
});
