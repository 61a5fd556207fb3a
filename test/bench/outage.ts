import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { traceId } from "../../src/trace/ids.ts";
import { startWfotel } from "./daemon.ts";
import { endsAt, historyOf, startLogApi } from "./log-api.ts";
import type { Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { startSink } from "./sink.ts";
import { STORIES } from "./story.ts";

/** What ended while nobody looked, at the default budget: stopped, and started again when it is all over. */
export async function outage({ folder, quick }: Setting): Promise<Row[]> {
  const runs = quick ? 300 : 2_000;
  const downMs = 15_000;
  const from = Date.now() + 10_000;
  const history = historyOf(runs, (downMs - 5_000) / runs, from + downMs - 5_000, STORIES);
  const api = await startLogApi({ history, messageLog: true, latencyMs: 50 });
  const sink = await startSink();
  const around = { folder: join(folder, "outage"), api, sink };
  const before = startWfotel(["run"], around);
  await sleep(from - 2_000 - Date.now());
  await before.stop();
  await sleep(Math.max(0, ...history.runs.slice(-8).map(endsAt)) + 1_000 - Date.now());
  const asked = { ...api.requests };
  const daemon = startWfotel(["run"], around);
  const startedAt = Date.now();
  const missing = () => history.runs.filter(({ id, createdAt }) => !sink.acceptedAt.has(traceId(id, createdAt))).length;
  const deadline = startedAt + 180_000;
  while (missing() > 0 && Date.now() < deadline) await sleep(250);
  const left = missing();
  await daemon.stop();
  await Promise.all([api.close(), sink.close()]);
  const seconds = (Math.max(...sink.acceptedAt.values()) - startedAt) / 1_000;
  const requests = api.requests.byId + api.requests.events + api.requests.listed - asked.byId - asked.events - asked.listed;
  return [
    {
      part: "outage",
      what: `catch-up of ${runs} runs, default budget`,
      value: (runs - left) / seconds,
      unit: "runs/s",
      note: `${(requests / (runs - left)).toFixed(2)} requests a run; ${left === 0 ? "all of them accepted" : `${left} missing`}`,
    },
  ];
}
