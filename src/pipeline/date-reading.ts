import { endOf, keyOf, type WorkflowRun } from "../model/run.ts";
import type { Purpose, RunQuery, RunSource } from "../sources/source.ts";
import type { DateReading } from "../state/source-state.ts";
import type { ServerClock } from "./clock.ts";
import type { Reader } from "./reader.ts";

/**
 * What `fromDate` and `toDate` compare is found out with a known run: it is looked for around its creation, then
 * after that, and at last before it was there at all, where no reading may show it.
 */

/** The run has to last so long that its creation can be told from its end, in ms. */
const SHORTEST_MS = 20;
/** Before the creation, in ms: clocks differ. */
const BEFORE_MS = 1_000;
const PAGE = 10;

/**
 * Found out once per source, and stored.
 * @param shown runs that were just listed: where one of them will do, none is looked for. @throws StoreError
 */
export async function dateReading(
  reader: Reader,
  source: Pick<RunSource, "list">,
  purpose: Purpose,
  signal: AbortSignal,
  shown: readonly WorkflowRun[] = [],
): Promise<DateReading | undefined> {
  const { server, log, config } = reader.context;
  const known = reader.state().dates;
  if (known !== undefined) return known;
  const dates = await findDateReading({ source, server, shown }, purpose, signal);
  if (dates !== undefined) await reader.save({ dates });
  log.info({ source: config.name, dates: dates ?? "not known" }, "what fromDate and toDate compare");
  return dates;
}

/** Undefined: there is no run that it could be seen with, or the API said something that fits none of the three. */
async function findDateReading(
  {
    source,
    server,
    shown,
  }: { readonly source: Pick<RunSource, "list">; readonly server: Pick<ServerClock, "observe">; readonly shown: readonly WorkflowRun[] },
  purpose: Purpose,
  signal: AbortSignal,
): Promise<DateReading | undefined> {
  const list = async (query: RunQuery): Promise<readonly WorkflowRun[] | undefined> => {
    const reply = await source.list({ count: PAGE, ...query }, purpose, signal);
    if (reply.kind !== "ok") return undefined;
    server.observe(reply.serverTime);
    return reply.value.runs;
  };
  const run = longest(shown) ?? longest((await list({ state: "RUN_SUCCESS" })) ?? []);
  if (run === undefined) return undefined;
  const { id, createdAt } = run;
  const middle = createdAt + Math.floor((endOf(run) - createdAt) / 4);
  const shows = async (query: RunQuery) => (await list({ workflowRunId: id, ...query }))?.some((one) => keyOf(one) === keyOf(run));
  const [atCreation, later] = await Promise.all([
    shows({ fromDate: createdAt - BEFORE_MS, toDate: middle }),
    shows({ fromDate: middle + 1 }),
  ]);
  if (atCreation === undefined || later === undefined) return undefined;
  if (atCreation !== later) return atCreation ? "creation" : "last-event";
  if (!atCreation || (await shows({ toDate: createdAt - BEFORE_MS })) !== false) return undefined;
  return "event";
}

function longest(runs: readonly WorkflowRun[]): WorkflowRun | undefined {
  const length = (run: WorkflowRun) => endOf(run) - run.createdAt;
  const ended = runs.filter((run) => run.state === "RUN_SUCCESS" && length(run) >= SHORTEST_MS);
  return ended.reduce<WorkflowRun | undefined>((best, run) => (best === undefined || length(run) > length(best) ? run : best), undefined);
}
