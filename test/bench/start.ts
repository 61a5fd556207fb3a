import { join } from "node:path";
import { SHIPPED } from "./bundle.ts";
import { startWfotel } from "./daemon.ts";
import { median } from "./figures.ts";
import { historyOf, startLogApi } from "./log-api.ts";
import { startMeasured } from "./process.ts";
import { atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { startSink } from "./sink.ts";

/** From the start of the process to its first request, with a state that is there already (a restart) and without one. */
export async function start({ folder, quick }: Setting): Promise<Row[]> {
  let asked = (): void => undefined;
  const api = await startLogApi({ history: historyOf(0, 1, 0, []), messageLog: true, onRequest: () => asked() });
  const sink = await startSink();
  const times = { first: [] as number[], again: [] as number[], version: [] as number[], node: [] as number[] };
  for (let round = 0; round < (quick ? 3 : 7); round += 1) {
    for (const kind of ["first", "again"] as const) {
      const daemon = startWfotel(["run"], { folder: join(folder, `start-${round}`), api, sink });
      await new Promise<void>((resolve) => {
        asked = resolve;
      });
      times[kind].push(performance.now() - daemon.startedAt);
      await daemon.stop();
    }
    times.version.push((await startMeasured([SHIPPED, "--version"]).ended()).wallMs);
    times.node.push((await startMeasured(["-e", "0"]).ended()).wallMs);
  }
  await Promise.all([api.close(), sink.close()]);
  const row = (what: string, values: readonly number[], more: Partial<Row> = {}): Row => ({
    part: "start",
    what,
    value: median(values),
    unit: "ms",
    ...more,
  });
  return [
    row("start to first poll", times.first, { bar: atMost(350), note: "without a state" }),
    row("start to first poll, again", times.again, { bar: atMost(350) }),
    row("wfotel --version", times.version),
    row("rival: node -e 0", times.node),
  ];
}
