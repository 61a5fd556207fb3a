import type { Core } from "./core.ts";
import { logEvent, logMessage, logRun } from "./log.ts";
import { type EngineRun, isPending } from "./run.ts";

/** A run ends: what it still waited for never comes, and who waits for it goes on. */
export function endRun(core: Core, run: EngineRun, state: "RUN_SUCCESS" | "RUN_FAILED" | "RUN_CANCELED", response?: string): void {
  run.completedAt = core.clock.now();
  run.state = state;
  if (response !== undefined) run.response = response;
  for (const waiter of core.waiters.splice(0)) if (waiter.run !== run) core.waiters.push(waiter);
  for (const message of run.messages.filter(isPending)) {
    message.state = "canceled";
    if (state === "RUN_CANCELED") logMessage(core, message, "CANCELED");
  }
  logEvent(core, run, state, undefined, response === undefined ? {} : { workflowRunResponse: response });
  logRun(core, run);
  run.over.abort();
  core.onEnd(run);
}
