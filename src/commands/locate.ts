import { existsSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import type { MessageEvent } from "../model/event.ts";
import { keyOf, type WorkflowRun } from "../model/run.ts";
import { serverClock, systemClock } from "../pipeline/clock.ts";
import { askLog, wantsDetail } from "../pipeline/detail.ts";
import { decodePlacement, resolvePlacements } from "../pipeline/place.ts";
import type { Reply, RunPage, RunSource } from "../sources/source.ts";
import { matchesFilters } from "../sources/upstash/config.ts";
import { openStore } from "../state/sqlite.ts";
import { type RunRecord, type Store, StoreError } from "../state/store.ts";
import type { MappingSettings } from "../trace/config.ts";
import { nameRun } from "../trace/naming.ts";
import { linkedPlacement } from "../trace/placement.ts";
import type { Placement } from "../trace/span.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { buildSource } from "./wire.ts";

/** Finds one run and where it lies: for the commands that only look. */

export interface Wanted {
  readonly id: string;
  readonly createdAt?: number;
}

/**
 * What `RUN_ID[@CREATED_AT]` may mean, most likely first: an id may hold `@` itself, so only a time at the end
 * is one, and even that may belong to the id.
 */
export function readWanted(text: string): readonly [Wanted, ...Wanted[]] {
  const match = /^(.+)@(\d{10,16})$/s.exec(text);
  if (match?.[1] === undefined) return [{ id: text }];
  return [{ id: match[1], createdAt: Number(match[2]) }, { id: text }];
}

/** The state if there is one, for reading. One that cannot be read is named on stderr: these commands do without. */
export async function readState(config: Config, io: CommandIo): Promise<Store | undefined> {
  const { path } = config.state;
  if (!existsSync(path)) return undefined;
  try {
    return await openStore(path, { readOnly: true });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    io.stderr.write(`the state ${path} cannot be read (${error.message}): asking the API alone\n`);
    return undefined;
  }
}

/** What the state knows of where the run lies; undefined where it has decided nothing yet. */
export async function placedInState(store: Store, readings: readonly Wanted[], settings: MappingSettings): Promise<Placement | undefined> {
  for (const { id, createdAt } of readings) {
    for (const { key, placement } of await store.findRunsById(id)) {
      if (placement === undefined || (createdAt !== undefined && key.createdAt !== createdAt)) continue;
      const resolution = decodePlacement(key, placement, settings);
      if (resolution.kind === "placed") return resolution.placement;
    }
  }
  return undefined;
}

export interface Found {
  readonly run: WorkflowRun;
  readonly source: RunSource;
  /** The filters of that source. */
  readonly matches: (run: WorkflowRun) => boolean;
  /** Whether the message log is to be asked too. */
  readonly detailed: boolean;
}

/**
 * Asks one source after the other for each of the readings.
 * @throws CommandError exit 1 where none had it and one could not be asked, exit 4 where there is no such run
 */
export async function findRun(config: Config, readings: readonly Wanted[], signal: AbortSignal): Promise<Found> {
  const troubles = new Set<string>();
  for (const wanted of readings) {
    for (const one of config.sources) {
      const source = buildSource(one, config.traces);
      const reply = await ask(source, wanted, signal);
      if (reply.kind === "ok") {
        const run = reply.value.runs.find((candidate) => candidate.id === wanted.id);
        if (run !== undefined) return { run, source, matches: (other) => matchesFilters(other, one.filters), detailed: wantsDetail(one) };
        for (const entry of reply.value.unreadable) troubles.add(`source ${one.name}: the run cannot be read: ${entry.reason}`);
      } else {
        troubles.add(`source ${one.name}: ${reply.kind === "aborted" ? "stopped" : reply.message}`);
      }
      await source.close();
    }
  }
  if (troubles.size > 0) throw new CommandError([...troubles].join("\n"), EXIT.incomplete);
  throw new CommandError(`no source shows a run ${describe(readings[0])}`, EXIT.notFound);
}

function describe(wanted: Wanted | undefined): string {
  const created = wanted?.createdAt === undefined ? "" : ` created at ${wanted.createdAt}`;
  return `${JSON.stringify(wanted?.id)}${created}`;
}

function ask(source: RunSource, wanted: Wanted, signal: AbortSignal): Promise<Reply<Pick<RunPage, "runs" | "unreadable">>> {
  if (wanted.createdAt === undefined) return source.list({ count: 10, workflowRunId: wanted.id }, "probe", signal);
  return source.fetch([{ id: wanted.id, createdAt: wanted.createdAt }], "probe", signal);
}

/** Why no destination gets it, by the configuration; undefined where nothing is against it. */
export function whyNotExported({ run, matches }: Found, settings: MappingSettings): string | undefined {
  if (nameRun(run, settings).dropped) return "a rule drops it: it is not exported";
  return matches(run) ? undefined : "the source's filters leave it out: it is not exported";
}

/** The run's messages, as the daemon asks for those of a run alone; none where the log has not all of them. */
export async function findMessages(
  { run, source, detailed }: Found,
  settings: MappingSettings,
  signal: AbortSignal,
): Promise<readonly MessageEvent[]> {
  return (detailed ? await askLog({ settings, source }, run, signal) : undefined) ?? [];
}

/** Where a fetched run lies: by the state where it knows an ancestor, else by asking for the ancestors. */
export async function placeFound(
  { run, source, matches }: Found,
  store: Store | undefined,
  settings: MappingSettings,
  signal: AbortSignal,
): Promise<Placement> {
  const context = { source, settings, server: serverClock(systemClock), store: store ?? EMPTY_STATE };
  const known = new Map<string, RunRecord>();
  for (const record of await context.store.findRuns(source.name, [run])) if (record !== undefined) known.set(keyOf(run), record);
  // As the daemon has it: no run lies in one that is not exported.
  const exported = (one: WorkflowRun) => one === run || (matches(one) && !nameRun(one, settings).dropped);
  const { resolutions } = await resolvePlacements(context, [run], [run], known, exported, signal);
  const resolution = resolutions.get(keyOf(run));
  return resolution?.kind === "placed" ? resolution.placement : linkedPlacement(run, settings);
}

const EMPTY_STATE: Pick<Store, "findRuns" | "traceSize"> = {
  findRuns: (_, keys) => Promise.resolve(keys.map(() => undefined)),
  traceSize: () => Promise.resolve({ spans: 0, bytes: 0, keptBy: [] }),
};
