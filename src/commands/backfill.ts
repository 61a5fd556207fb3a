import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import type { BackfillArgs } from "../pipeline/backfill.ts";
import type { SourceBackfill } from "../pipeline/backfill-progress.ts";
import { systemClock } from "../pipeline/clock.ts";
import { backfillAll, createHandlers, isBackfilled } from "../pipeline/job-handlers.ts";
import { type JobHandler, runJob } from "../pipeline/jobs.ts";
import { createSourceLoop } from "../pipeline/loop.ts";
import type { Job } from "../state/job.ts";
import { openStore } from "../state/sqlite.ts";
import type { Store } from "../state/store.ts";
import { createLog } from "../telemetry/log.ts";
import { withBridge } from "./alone.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { ageWarnings, type Backfilled, backfillText } from "./backfill-text.ts";
import type { Bridge } from "./bridge.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { leaveJob, unfinished } from "./job.ts";
import { createProgress } from "./progress-bar.ts";
import { waitDelivered } from "./settled.ts";
import { isHeld, withState } from "./state-file.ts";
import { drainTimeoutOf, parseWhen } from "./when.ts";
import { sourceContext } from "./wire.ts";

const OPTIONS = {
  from: { type: "string" },
  to: { type: "string" },
  "workflow-url": { type: "string", multiple: true },
  label: { type: "string", multiple: true },
  "run-state": { type: "string", multiple: true },
  force: { type: "boolean" },
  "dry-run": { type: "boolean" },
  concurrency: { type: "string" },
  "drain-timeout": { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

const parse = (argv: readonly string[]) => parseCommand(argv, OPTIONS, { min: 0, max: 0 });

/** Windows listed at once: enough for the default budget at a second of latency. */
const CONCURRENCY = 10;
const MOST_AT_ONCE = 64;
/** What requests in flight get when the listing is done, in ms: what they do not manage is sent by the drain. */
const GRACE_MS = 5_000;
const STATES = { success: "RUN_SUCCESS", failed: "RUN_FAILED", canceled: "RUN_CANCELED" };

const ROOM_EVERY_MS = 500;
const GO_ON = "the same command goes on where it was";

/** `wfotel backfill`: the runs that were created in a range of time, collected and delivered. */
export async function backfill(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parse(argv);
  const args = argsOf(values, Date.now());
  const { config, serviceName } = commandConfig(values, io, { source: true, destination: !args.dryRun });
  const { path } = config.state;
  for (const warning of ageWarnings(config.destinations, args, Date.now())) io.stderr.write(`warning: ${warning}\n`);
  const asked = existsSync(path) && isHeld(path) ? await askBridge(values, path, args, io) : undefined;
  const done = asked ?? (args.dryRun ? await lookOnly(config, serviceName, args, io) : await backfillAlone(values, args, io));
  io.stdout.write(backfillText(done, args));
  return done.sources.every(isBackfilled) && done.left === 0 && done.quarantined === 0 ? EXIT.done : EXIT.incomplete;
}

/** @throws CommandError (exit 2) */
function argsOf(values: Values, now: number): BackfillArgs {
  if (values.from === undefined) throw new CommandError("--from: since when, such as 7d or 2026-01-31T12:00:00Z");
  const from = parseWhen("--from", values.from, now);
  const to = values.to === undefined ? now : parseWhen("--to", values.to, now);
  if (from > to) throw new CommandError("--from: later than --to");
  const { config: _, state: __, "log-level": ___, "drain-timeout": ____, concurrency: _____, ...words } = values;
  return {
    from,
    to,
    workflowUrls: wordsOf("--workflow-url", values["workflow-url"]),
    labels: wordsOf("--label", values.label),
    states: (values["run-state"] ?? []).map(stateOf),
    force: values.force ?? false,
    dryRun: values["dry-run"] ?? false,
    concurrency: concurrencyOf(values.concurrency),
    words: JSON.stringify(words, Object.keys(words).sort()),
  };
}

/** An empty one would be no filter at all, or one that nothing passes. */
function wordsOf(option: string, words: readonly string[] = []): string[] {
  if (words.some((word) => word.trim() === "")) throw new CommandError(`${option}: it is empty`);
  return [...words];
}

function stateOf(word: string): string {
  const state = Object.entries(STATES).find(([short, long]) => short === word.toLowerCase() || long === word.toUpperCase());
  if (state === undefined) throw new CommandError(`--run-state ${JSON.stringify(word)}: one of ${Object.keys(STATES).join(", ")}`);
  return state[1];
}

function concurrencyOf(text: string | undefined): number {
  const value = text === undefined ? CONCURRENCY : /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > MOST_AT_ONCE) throw new CommandError(`--concurrency: a number from 1 to ${MOST_AT_ONCE}`);
  return value;
}

/** Who says the same again goes on with it. */
const goesOn =
  ({ words, dryRun }: BackfillArgs) =>
  (job: Job): boolean =>
    !dryRun && job.args.words === words;

/** As a job of the running bridge; undefined where that was stopped before it was done. */
async function askBridge(values: Values, path: string, args: BackfillArgs, io: CommandIo): Promise<Backfilled | undefined> {
  const progress = createProgress(io);
  const after = await withState(path, { readOnly: true }, lastEntry);
  const job = await leaveJob(
    path,
    "backfill",
    { ...args, after },
    io,
    ({ sources }) => progress.line(sources as readonly SourceBackfill[]),
    goesOn(args),
  );
  progress.end(job?.progress?.sources as readonly SourceBackfill[] | undefined);
  if (job === undefined) return undefined;
  const { sources, error } = (job.progress ?? {}) as { sources?: readonly SourceBackfill[]; error?: string };
  if (sources === undefined) throw new CommandError(error ?? "the running bridge gave no result", EXIT.incomplete);
  if (args.dryRun) return looked(sources);
  return withState(path, { readOnly: true }, async (store) => ({
    sources,
    left: await waitDelivered(store, job.finishedAt ?? Date.now(), drainTimeoutOf(values), io),
    queuedBefore: 0,
    ...(await refusedIn(store, args, sources, job)),
  }));
}

/** With no running bridge, this command is one for as long as it takes: it delivers while it lists. */
function backfillAlone(values: Values, args: BackfillArgs, io: CommandIo): Promise<Backfilled> {
  const work = async (bridge: Bridge): Promise<Backfilled> => {
    const { store, deliverers } = bridge;
    const queuedBefore = await queuedIn(store);
    const stop = new AbortController();
    const full = new AbortController();
    const delivering = Promise.all(deliverers.map((deliverer) => deliverer.run(stop.signal, GRACE_MS)));
    delivering.catch(() => undefined); // told below
    const watching = watchRoom(bridge, drainTimeoutOf(values), full, stop.signal);
    const { sources, begun } = await collectAlone(bridge, args, io, AbortSignal.any([io.signal, full.signal]));
    stop.abort();
    await Promise.all([delivering, watching]);
    if (full.signal.aborted)
      throw new CommandError(`the state is full (state.max_size) and no destination takes anything; ${GO_ON}`, EXIT.incomplete);
    if (io.signal.aborted) throw new CommandError(`stopped; ${GO_ON}`, EXIT.incomplete);
    await Promise.all(deliverers.map((deliverer) => deliverer.drain(drainTimeoutOf(values), io.signal)));
    return { sources, left: await queuedIn(store), queuedBefore, ...(await refusedIn(store, args, sources, begun)) };
  };
  return withBridge(values, io, work, { create: true });
}

/** Deliveries that are to be made. */
async function queuedIn(store: Store): Promise<number> {
  const { destinations } = await store.status(Date.now());
  return destinations.reduce((sum, { queued, removedAt }) => sum + (removedAt === undefined ? queued : 0), 0);
}

/** Aborts `full` where there was no room and no delivery for so long, in ms: nobody else will make some. */
async function watchRoom({ contexts, deliverers }: Bridge, patience: number, full: AbortController, signal: AbortSignal): Promise<void> {
  let settled = -1;
  let since = performance.now();
  while (!signal.aborted && !full.signal.aborted) {
    const rooms = await Promise.all(contexts.map(({ hasRoom }) => hasRoom().catch(() => true)));
    const now = deliverers.map((one) => one.snapshot()).reduce((sum, { delivered, quarantined }) => sum + delivered + quarantined, 0);
    if (now !== settled || !rooms.includes(false)) since = performance.now();
    settled = now;
    if (performance.now() - since > patience) full.abort();
    await systemClock.sleep(ROOM_EVERY_MS, signal);
  }
}

async function collectAlone(
  { store, log, sources, contexts }: Bridge,
  args: BackfillArgs,
  io: CommandIo,
  signal: AbortSignal,
): Promise<{ readonly sources: readonly SourceBackfill[]; readonly begun: Job }> {
  const id =
    (await unfinished(store, "backfill", goesOn(args)))?.id ??
    (await store.addJob("backfill", { ...args, after: await lastEntry(store) }, Date.now()));
  const job = async () => (await store.jobs(Date.now())).find((one) => one.id === id);
  const begun = await job();
  if (begun === undefined) throw new CommandError("the state lost the job", EXIT.incomplete);
  const handlers = createHandlers({ store, clock: systemClock, sources: contexts, loops: sources, wakeUp: () => undefined });
  const progress = createProgress(io);
  const { backfill: work } = handlers;
  // the range counts from now, as the user said it again
  const shown: JobHandler | undefined =
    work &&
    ((_, report, ...rest) => {
      const show = (now: Parameters<typeof report>[0]) => {
        progress.show(now.sources as readonly SourceBackfill[]);
        return report(now);
      };
      return work(args, show, ...rest);
    });
  await runJob({ store, clock: systemClock, log }, shown, begun, signal);
  const { finishedAt, progress: last } = (await job()) ?? {};
  const found = (last?.sources ?? []) as readonly SourceBackfill[];
  progress.end(found);
  if (finishedAt === undefined && !signal.aborted) throw new CommandError(`the state could not be written; ${GO_ON}`, EXIT.incomplete);
  return { sources: found, begun };
}

/** `--dry-run` without a bridge: nothing is written, so nobody has to be kept away. */
async function lookOnly(config: Config, serviceName: string | undefined, args: BackfillArgs, io: CommandIo): Promise<Backfilled> {
  const log = await createLog({ ...config.telemetry.log, level: "warn" }, io.stderr);
  return withSomeState(config.state.path, async (found) => {
    const store: Store = { ...found, commit: async () => undefined };
    const parts = { config, serviceName, store, log, destinations: [], hasRoom: () => Promise.resolve(true), onQueued: () => undefined };
    const contexts = config.sources.map((source) => sourceContext(source, parts));
    const progress = createProgress(io);
    let sources: readonly SourceBackfill[] = [];
    try {
      sources = await backfillAll(contexts.map(createSourceLoop), args, undefined, async (now) => progress.show(now), io.signal);
      if (io.signal.aborted) throw new CommandError("stopped; nothing was written", EXIT.incomplete);
      return looked(sources);
    } finally {
      progress.end(sources);
      for (const { source } of contexts) await source.close();
    }
  });
}

/** The state, to be looked at; where there is none, an empty one that goes away again. */
async function withSomeState<T>(path: string, work: (store: Store) => Promise<T>): Promise<T> {
  if (existsSync(path)) return withState(path, { readOnly: true }, work);
  const folder = await mkdtemp(join(tmpdir(), "wfotel-dry-run-"));
  const store = await openStore(join(folder, "wfotel.db"), {});
  try {
    return await work(store);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const looked = (sources: readonly SourceBackfill[]): Backfilled => ({
  sources,
  left: 0,
  queuedBefore: 0,
  quarantined: 0,
  refused: new Map(),
});

/** The quarantine's last entry, which a job remembers as `after`: what is refused since has a higher id. Times are of other clocks. */
async function lastEntry(store: Store): Promise<number> {
  return (await store.quarantined({})).at(-1)?.id ?? 0;
}

/** Runs of the range that are quarantined, and those of them that were refused since the job was begun. */
async function refusedIn(
  store: Store,
  { from, to }: BackfillArgs,
  sources: readonly SourceBackfill[],
  { args: { after } }: Job,
): Promise<Pick<Backfilled, "quarantined" | "refused">> {
  const entries = (await store.quarantined({})).filter(({ key }) => key.createdAt >= from && key.createdAt <= to);
  const runsOf = (some: typeof entries) => new Set(some.map(({ key }) => `${key.createdAt}@${key.id}`)).size;
  const fresh = entries.filter(({ destination, id }) => destination !== undefined && typeof after === "number" && id > after);
  const refused = sources.map(({ source, counts }): [string, number] => {
    const own = runsOf(fresh.filter((entry) => entry.source === source));
    return [source, Math.min(counts.queued, own)]; // the bridge may have sent others of the range meanwhile
  });
  return { quarantined: runsOf(entries), refused: new Map(refused) };
}
