import fc from "fast-check";
import { expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import type { WorkflowRun } from "../../src/model/run.ts";
import { compactEvent } from "../../src/trace/compact-event.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { arbitraryProgram, played } from "../support/arbitrary-program.ts";
import { event, info } from "../support/message-log.ts";
import { settingsWith } from "../support/run-builder.ts";

const settings = settingsWith();
const spansOf = (run: WorkflowRun, events: readonly MessageEvent[]) => mapRun(run, ownPlacement(run, settings), settings, { events }).spans;
/** As they come back from disk. */
const stored = (events: readonly MessageEvent[]): MessageEvent[] =>
  JSON.parse(JSON.stringify(events.flatMap((one) => compactEvent(one, settings) ?? [])));

test("beside the grouped log, events that waited on disk give the same spans as those that did not", () => {
  fc.assert(
    fc.property(arbitraryProgram, fc.integer(), (program, seed) => {
      for (const { run, events } of played(program, seed)) expect(spansOf(run, stored(events))).toEqual(spansOf(run, events));
    }),
    { numRuns: 200 },
  );
});

test("nothing but what a timeline is made of is kept: no body, no header, no URL, no secret", () => {
  const canary = "canary";
  const full = info("Call", "token=canary", {
    id: 1,
    callType: "toCallback",
    out: canary,
    headers: { canary: [canary] },
    call: { url: canary, requestBody: canary },
    wait: { eventId: canary, timedOut: false },
    invoked: { id: canary, body: canary },
  });
  const kept = compactEvent(
    event(5, "ERROR", {
      messageId: "m1",
      step: full,
      url: canary,
      error: "500 password=canary",
      responseStatus: 500,
      runResponse: canary,
      invoker: { id: canary },
      failedStepName: canary,
    }),
    settings,
  );
  expect(JSON.stringify(kept)).not.toContain(canary);
  expect(kept).toMatchObject({ messageId: "m1", responseStatus: 500, step: { id: 1, callType: "toCallback" } });
});

test("what says nothing of a step's time is not kept, and a step only once for each message", () => {
  const step = info("Run", "a", { id: 1 });
  for (const state of ["RUN_STARTED", "TELEPORTED", ""]) expect(compactEvent(event(5, state), settings)).toBeUndefined();
  expect(compactEvent(event(5, "RUN_SUCCESS"), settings)).toBeDefined();
  expect(compactEvent(event(5, "CREATED", { messageId: "m1", step }), settings)).toHaveProperty("step");
  expect(compactEvent(event(5, "ACTIVE", { messageId: "m1", step }), settings)).not.toHaveProperty("step");
  expect(compactEvent(event(5, "ACTIVE", { step }), settings)).toHaveProperty("step");
  expect(JSON.stringify(compactEvent(event(5, "ACTIVE", { messageId: "m1", step }), settings)).length).toBeLessThan(150);
});
