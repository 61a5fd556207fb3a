import type { Millis } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { logEvent, logMessage, logRun } from "./log.ts";
import { redactBody } from "./redact.ts";
import { type EngineRun, isPending } from "./run.ts";

type EndState = "RUN_SUCCESS" | "RUN_FAILED" | "RUN_CANCELED";

interface Ending {
  /** What the workflow returned, as JSON. */
  readonly response?: string | undefined;
  /** Default: now. */
  readonly at?: Millis | undefined;
}

/** A run ends: what it still waited for never comes, and who waits for it goes on. */
export function endRun(core: Core, run: EngineRun, state: EndState, { response, at }: Ending = {}): void {
  const time = at ?? core.clock.now();
  run.completedAt = time;
  run.state = state;
  if (response !== undefined) run.response = response;
  for (const waiter of core.waiters.splice(0)) if (waiter.run !== run) core.waiters.push(waiter);
  for (const message of run.messages.filter(isPending)) {
    message.state = "canceled";
    if (state === "RUN_CANCELED") logMessage(core, message, "CANCELED", { time });
  }
  const told = response === undefined ? {} : { workflowRunResponse: redactBody(response, run.terms.redact) };
  logEvent(core, run, state, undefined, { time, ...told });
  logRun(core, run);
  run.over.abort();
  core.onEnd(run);
}
