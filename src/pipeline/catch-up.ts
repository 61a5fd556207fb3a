import type { Millis } from "../model/run.ts";
import type { RunPage } from "../sources/source.ts";
import type { PageResult } from "./collect.ts";
import { dateReading } from "./date-reading.ts";
import { listWindows } from "./list-windows.ts";
import { type Listing, type ListingResult, listRuns, type Reader, storePage } from "./reader.ts";
import { planOf, RUNS_PER_WINDOW } from "./windows.ts";

/**
 * After an outage there is more to be listed than a few pages: the rest is listed in windows, several at once and
 * oldest first, so that who invoked a run comes before it. Where the dates do not mean a run's creation, or nobody
 * knows what they mean, page by page as always.
 */

/** So many pages of one listing are an outage and no busy minute. */
const MOST_PAGES = 20;
const CONCURRENCY = 5;

/** @param from everything created before is known. @throws StoreError */
export async function listBackTo(reader: Reader, from: Millis, listing: Listing, signal: AbortSignal): Promise<ListingResult> {
  const first = await listRuns(reader, { ...listing, maxPages: MOST_PAGES }, signal);
  const { oldestCreatedAt: oldest, newestCreatedAt: newest = 0, cursor } = first;
  if (first.complete || first.trouble !== undefined || oldest === undefined || cursor === undefined) return first;
  if ((await dateReading(reader, reader.context.source, listing.purpose, signal)) !== "creation") {
    const rest = await listRuns(reader, { ...listing, cursor }, signal);
    return { ...rest, newestCreatedAt: newest, collected: first.collected + rest.collected };
  }
  const width = ((newest - oldest) * RUNS_PER_WINDOW) / (10 * MOST_PAGES);
  const rest = await listRest(reader, { from, to: oldest }, width, listing, signal);
  return { ...first, ...rest, collected: first.collected + rest.collected };
}

async function listRest(
  reader: Reader,
  range: { readonly from: Millis; readonly to: Millis },
  width: number,
  { query, purpose, onPage }: Listing,
  signal: AbortSignal,
): Promise<Pick<ListingResult, "complete" | "trouble" | "collected">> {
  let collected = 0;
  const store = async (page: RunPage): Promise<PageResult> => storePage(reader, { kind: "ok", value: page }, true, signal);
  const { trouble } = await listWindows(
    {
      source: reader.context.source,
      server: reader.context.server,
      query,
      purpose,
      concurrency: CONCURRENCY,
      plan: planOf([range], width),
      splits: () => true,
      async store(_, pages, stop) {
        for (const page of pages) {
          if (stop.aborted) return;
          const stored = await store(page);
          collected += stored.collected;
          await onPage?.(page, stored);
        }
      },
      onPlan: async () => undefined,
    },
    signal,
  );
  return { complete: trouble === undefined, collected, ...(trouble && { trouble }) };
}
