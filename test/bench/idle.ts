import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startWfotel } from "./daemon.ts";
import { historyOf, startLogApi } from "./log-api.ts";
import { atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { startSink } from "./sink.ts";
import { STORIES } from "./story.ts";

/** A daemon to whose source nothing happens: a hundred runs of last week, and polls. */
export async function idle({ folder, quick }: Setting): Promise<Row[]> {
  const api = await startLogApi({ history: historyOf(100, 60_000, Date.now() - 86_400_000, STORIES), messageLog: true });
  const sink = await startSink();
  const daemon = startWfotel(["run"], { folder: join(folder, "idle"), api, sink });
  await sleep(quick ? 10_000 : 20_000);
  const [cpu, at] = [daemon.cpu(), performance.now()];
  await sleep(quick ? 10_000 : 60_000);
  const share = ((daemon.cpu() - cpu) / (performance.now() - at)) * 100;
  const rss = daemon.rss();
  await daemon.stop();
  await Promise.all([api.close(), sink.close()]);
  return [
    { part: "idle", what: "RSS", value: rss, unit: "MiB", bar: atMost(80) },
    { part: "idle", what: "CPU", value: share, unit: "% of a core", bar: atMost(0.1), note: "polling every 5 s" },
  ];
}
