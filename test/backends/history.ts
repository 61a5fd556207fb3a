import type { LogStore } from "../../src/fake-upstash/log-store.ts";
import { putRecorded } from "../../src/fake-upstash/recording/stage.ts";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { sequential, started, wireRun, wireStep } from "../support/wire-run.ts";

/** Everything the demo plays, over and done, and two runs with names that are hard on a backend. */
export function putHistory(store: LogStore, now: number): void {
  putRecorded(store, now - 60_000);
  store.putRun(oddRun(now - 90_000));
  store.putRun(wireRun("wfr_empty_name", now - 80_000, { length: 700, steps: [started("wfr_empty_name", now - 80_000)] }));
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
