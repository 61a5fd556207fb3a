import type { LogStore } from "../../src/fake-upstash/log-store.ts";
import { putRecorded } from "../../src/fake-upstash/recording/stage.ts";
import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";
import { sequential, started, wireRun, wireStep } from "../support/wire-run.ts";

/** Everything the demo plays, over and done, and two runs with names that are hard on a backend. */
export function putHistory(store: LogStore, now: number): void {
  putRecorded(store, now - 60_000);
  store.putRun(oddRun(now - 90_000));
  store.putRun(wireRun("wfr_empty_name", now - 80_000, { length: 700, steps: [started("wfr_empty_name", now - 80_000)] }));
}

/** What the demo plays with its message log, retries and all, and a run whose second step stood in a queue. */
export function putLoggedHistory(store: LogStore, now: number): void {
  putRecorded(store, now - 60_000);
  const id = "wfr_queued";
  const createdAt = now - 90_000;
  const init = wireStep(id, { stepName: "init", stepType: "Initial", createdAt: createdAt + 1 });
  const [first, second] = [500, 5_000].map((after, i) =>
    wireStep(id, { stepId: i + 1, stepName: `step ${i + 1}`, stepType: "Run", createdAt: createdAt + after }),
  );
  const run = wireRun(id, createdAt, { length: 5_100, steps: [init, first, second].flatMap((step) => (step ? [sequential(step)] : [])) });
  store.putRun(run);
  const put = (after: number, state: string, stepInfo?: WireEvent["stepInfo"]) =>
    store.putEvent({
      time: createdAt + after,
      state,
      workflowRunId: id,
      workflowUrl: run.workflowUrl,
      workflowCreatedAt: createdAt,
      ...(stepInfo && { stepInfo }),
    });
  put(0, "RUN_STARTED");
  put(1, "CREATED", init);
  put(2, "ACTIVE", init);
  put(500, "CREATED", first);
  put(510, "DELIVERED", init);
  put(4_500, "ACTIVE", first); // four seconds later: flow control, or an app with its hands full
  put(5_000, "CREATED", second);
  put(5_010, "DELIVERED", first);
  put(5_020, "ACTIVE", second);
  put(5_090, "DELIVERED", second);
  put(5_100, "RUN_SUCCESS");
}

function oddRun(createdAt: number): WireRun {
  const id = 'wfr_ünïcødé/"quoted"\\ 日本語 🚀';
  const names = ["", "  spaces  ", "naïve café", "步骤一", "🚀 launch", "<script>alert(1)</script>", "a\tb\nc", "x".repeat(300)];
  const steps = names.map((stepName, i) =>
    sequential(wireStep(id, { stepId: i + 1, stepName, stepType: i === 4 ? "Teleport" : "Run", createdAt: createdAt + 100 * (i + 1) })),
  );
  return wireRun(id, createdAt, { length: 1_000, steps: [started(id, createdAt), ...steps] });
}

/** One run of `count` steps of 10 ms, each with `bytes` of output. */
export function longRun(id: string, createdAt: number, count: number, bytes: number): WireRun {
  const out = JSON.stringify("0123456789".repeat(Math.ceil(bytes / 10)).slice(0, bytes));
  const steps = Array.from({ length: count }, (_, i) =>
    sequential(wireStep(id, { stepId: i + 1, stepName: `step ${i + 1}`, stepType: "Run", createdAt: createdAt + 10 * (i + 1), out })),
  );
  return wireRun(id, createdAt, { length: 10 * count + 5, steps: [started(id, createdAt), ...steps] });
}
