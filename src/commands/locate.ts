import { existsSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { keyOf, type RunKey, type WorkflowRun } from "../model/run.ts";
import { serverClock, systemClock } from "../pipeline/clock.ts";
import { decodePlacement, resolvePlacements } from "../pipeline/place.ts";
import type { Reply, RunPage, RunSource } from "../sources/source.ts";
import { openStore } from "../state/sqlite.ts";
import type { RunRecord, Store } from "../state/store.ts";
import type { MappingSettings } from "../trace/config.ts";
import { linkedPlacement } from "../trace/placement.ts";
import type { Placement } from "../trace/span.ts";
import { CommandError, EXIT } from "./io.ts";
import { buildSource } from "./wire.ts";

/** Finds one run and where it lies: for the commands that only look. */

/** `RUN_ID[@CREATED_AT]`: the id may hold `@` itself, so only a time at the end is one. */
export interface Wanted {
  readonly id: string;
  readonly createdAt?: number;
}

export function parseWanted(text: string): Wanted {
  const match = /^(.+)@(\d{10,16})$/s.exec(text);
  if (match?.[1] === undefined) return { id: text };
  return { id: match[1], createdAt: Number(match[2]) };
}

/** The state if there is one, for reading. */
export async function readState(config: Config): Promise<Store | undefined> {
  return existsSync(config.state.path) ? openStore(config.state.path, { readOnly: true }) : undefined;
}

/** What the state knows of where the run lies; undefined where it has decided nothing yet. */
export async function placedInState(
  store: Store,
  wanted: Wanted,
  settings: MappingSettings,
): Promise<{ key: RunKey; placement: Placement } | undefined> {
  const records = await store.findRunsById(wanted.id);
  for (const record of records) {
    if (wanted.createdAt !== undefined && record.key.createdAt !== wanted.createdAt) continue;
    const resolution = record.placement === undefined ? undefined : decodePlacement(record.key, record.placement, settings);
    if (resolution?.kind === "placed") return { key: record.key, placement: resolution.placement };
  }
  return undefined;
}

export interface Found {
  readonly run: WorkflowRun;
  readonly source: RunSource;
}

/**
 * Asks one source after the other.
 * @throws CommandError exit 1 where none had it and one could not be asked, exit 4 where there is no such run
 */
export async function findRun(config: Config, wanted: Wanted, signal: AbortSignal): Promise<Found> {
  const troubles: string[] = [];
  for (const one of config.sources) {
    const source = buildSource(one, config.traces);
    const reply = await ask(source, wanted, signal);
    if (reply.kind === "ok") {
      const run = reply.value.runs.find((candidate) => candidate.id === wanted.id);
      if (run !== undefined) return { run, source };
      for (const entry of reply.value.unreadable) troubles.push(`source ${one.name}: the run cannot be read: ${entry.reason}`);
    } else {
      troubles.push(`source ${one.name}: ${reply.kind === "aborted" ? "stopped" : reply.message}`);
    }
    await source.close();
  }
  if (troubles.length > 0) throw new CommandError(troubles.join("\n"), EXIT.incomplete);
  throw new CommandError(`no source shows a run ${JSON.stringify(wanted.id)}`, EXIT.notFound);
}

function ask(source: RunSource, wanted: Wanted, signal: AbortSignal): Promise<Reply<Pick<RunPage, "runs" | "unreadable">>> {
  if (wanted.createdAt === undefined) return source.list({ count: 10, workflowRunId: wanted.id }, "probe", signal);
  return source.fetch([{ id: wanted.id, createdAt: wanted.createdAt }], "probe", signal);
}

/** Where a fetched run lies: by the state where it knows an ancestor, else by asking for the ancestors. */
export async function placeFound(
  { run, source }: Found,
  store: Store | undefined,
  settings: MappingSettings,
  signal: AbortSignal,
): Promise<Placement> {
  const context = { source, settings, server: serverClock(systemClock), store: store ?? EMPTY_STATE };
  const known = new Map<string, RunRecord>();
  for (const record of await context.store.findRuns(source.name, [run])) if (record !== undefined) known.set(keyOf(run), record);
  const { resolutions } = await resolvePlacements(context, [run], [run], known, () => true, signal);
  const resolution = resolutions.get(keyOf(run));
  return resolution?.kind === "placed" ? resolution.placement : linkedPlacement(run, settings);
}

const EMPTY_STATE: Pick<Store, "findRuns" | "traceSize"> = {
  findRuns: (_, keys) => Promise.resolve(keys.map(() => undefined)),
  traceSize: () => Promise.resolve({ spans: 0, bytes: 0, keptBy: [] }),
};
