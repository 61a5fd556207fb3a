import type { RunKey } from "../../model/run.ts";
import type { EventQuery, RunQuery } from "../source.ts";

/** Queries of the log API as `name=value` pairs, and how many keys go into one. */

/** The API's page size for runs, which is also its maximum. */
export const RUNS_PER_PAGE = 10;
/** The message log's maximum. */
export const EVENTS_PER_PAGE = 1_000;
/** Of a URL's path and query, for `workflowRuns`. */
const MAX_URL_BYTES = 4_000;
/** What comes before and after the keys of a batch: path, groupBy, count, trimBody. */
const URL_OVERHEAD_BYTES = 200;

/** `count` is always sent, since the sources contradict each other on its default; `trimBody=0` leaves bodies out. */
export function runsQuery(query: RunQuery, bodies: boolean): string {
  const parameters = new URLSearchParams();
  const { labels = [], count = RUNS_PER_PAGE, ...single } = query;
  for (const [name, value] of Object.entries({ ...single, count })) {
    if (value !== undefined && value !== "") parameters.append(name, String(value));
  }
  for (const label of labels) parameters.append("label", label);
  if (!bodies) parameters.append("trimBody", "0");
  return parameters.toString();
}

export function eventsQuery({ count = EVENTS_PER_PAGE, ...query }: EventQuery): string {
  return runsQuery({ ...query, count }, false);
}

/** A batch of keys; with `workflowRuns` all other filters are ignored by the API. */
export function keysQuery(keys: readonly RunKey[], cursor: string | undefined, bodies: boolean): string {
  const page = runsQuery({ count: RUNS_PER_PAGE, cursor }, bodies);
  return `workflowRuns=${encodeURIComponent(keys.map(keyText).join(","))}&${page}`;
}

/** Ids that cannot stand in a list of `ID@TS,ID@TS` go alone. */
export function fitsBatch({ id }: RunKey): boolean {
  return !/[,@\p{Cc}]/u.test(id);
}

/** Keys in batches of at most 10 that fit into one URL, no key twice; those that must go alone come last. */
export function batches(keys: readonly RunKey[]): RunKey[][] {
  const unique = [...new Map(keys.map((key) => [keyText(key), key])).values()];
  const lists: RunKey[][] = [];
  let bytes = 0;
  for (const key of unique.filter(fitsBatch)) {
    const length = encodeURIComponent(`${keyText(key)},`).length;
    const last = lists.at(-1);
    if (last !== undefined && last.length < RUNS_PER_PAGE && bytes + length <= MAX_URL_BYTES - URL_OVERHEAD_BYTES) last.push(key);
    else lists.push([key]);
    bytes = lists.at(-1) === last ? bytes + length : length;
  }
  return [...lists, ...unique.filter((key) => !fitsBatch(key)).map((key) => [key])];
}

/** How a key is written, and compared. */
export function keyText({ id, createdAt }: RunKey): string {
  return `${id}@${createdAt}`;
}
