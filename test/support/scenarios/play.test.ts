import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { WireEvent, WireRun } from "../../../src/fake-upstash/wire.ts";
import { groupsOf, messagesOf } from "../log-lines.ts";
import { play } from "./play.ts";
import { type CallWork, type Program, type RunWork, run, type Work } from "./program.ts";
import { seeded } from "./random.ts";

/**
 * Programs of the official SDK were once run on an engine (test/fixtures/engine-*.json). The same programs, played
 * here, must leave the same lines in both logs: every message with its fields and states, every group with its steps.
 */
const fixture = (name: string) => JSON.parse(readFileSync(new URL(`../../fixtures/${name}.json`, import.meta.url), "utf8"));
const engineRuns: WireRun[] = fixture("engine-runs").runs;
const engineEvents: WireEvent[] = fixture("engine-events").events;

const call = (name: string, status: number, more: Partial<CallWork> = {}): CallWork => ({
  kind: "call",
  name,
  ms: 150,
  method: "GET",
  url: "https://third.example.net/",
  status,
  response: { s: status },
  ...more,
});
const failing = (count: number, gaveUp: boolean) =>
  Array.from({ length: count }, (_, n) => ({ ms: 7, status: 500, message: "boom", retryAfterMs: gaveUp && n === count - 1 ? 0 : 100 }));
const steps: Record<string, (Work | RunWork[])[]> = {
  seq: [run("one", 80, "one"), run("two", 80, "two"), run("three", 80, "three")],
  par: [[run("a", 200, "a"), run("b", 50, "b"), run("d", 120, "d")], run("after", 30, "after")],
  sleeps: [
    run("before", 30, "before"),
    { kind: "sleep", name: "s", ms: 1_000 },
    run("mid", 30, "mid"),
    { kind: "sleep", name: "u", ms: 2_700, until: true },
    run("after", 30, "after"),
  ],
  call: [
    call("ok", 200, { method: "POST", body: { q: "ü" } }),
    call("missing", 404),
    call("broken", 500),
    call("retried", 200, { failed: [{ ms: 22, status: 500, message: "flaky", retryAfterMs: 100 }] }),
  ],
  retry: [run("fine", 30, "fine"), { kind: "run", name: "flaky", ms: 2, out: "ok after 3", failed: failing(2, false) }],
  always: [run("fine", 30, "fine"), { kind: "run", name: "bad", ms: 0, failed: failing(2, true), gaveUp: true }],
};

test.each(Object.keys(steps))("the program %s leaves the same lines as on an engine", (name) => {
  const url = `https://shop.example.com/wf/${name}`;
  const theirs = engineRuns.find((each) => each.workflowUrl === url)!;
  const program: Program = { url, steps: steps[name]!, ...(name === "always" ? { failureFunction: { ms: 3, response: "told" } } : {}) };
  const [ours] = play(program, 1_795_319_476_000, seeded(7));
  const final = ours.versions.at(-1)!.run;
  expect(groupsOf(final)).toEqual(groupsOf(theirs));
  expect(messagesOf(ours.events)).toEqual(messagesOf(engineEvents.filter((event) => event.workflowUrl === url)));
  expect(final.workflowState).toBe(theirs.workflowState);
  expect(Object.keys(final.failureFunction ?? {}).toSorted()).toEqual(
    expect.arrayContaining(
      Object.keys(theirs.failureFunction ?? {})
        .filter((key) => key !== "errors")
        .toSorted(),
    ),
  );
});
