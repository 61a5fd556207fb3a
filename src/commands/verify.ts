import { isComplete, verifyAll } from "../pipeline/job-handlers.ts";
import type { SourceVerification, VerifyWindow } from "../pipeline/verify.ts";
import { createLog } from "../telemetry/log.ts";
import { withBridge } from "./alone.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { leaveJob } from "./job.ts";
import { deliverAlone, type QueuedRun, waitSettled } from "./settled.ts";
import { isHeld, requireState, withState } from "./state-file.ts";
import { verifyJson, verifyText } from "./verify-text.ts";
import { drainTimeoutOf, parseWhen } from "./when.ts";
import { sourceContext } from "./wire.ts";

const OPTIONS = {
  from: { type: "string" },
  to: { type: "string" },
  repair: { type: "boolean" },
  json: { type: "boolean" },
  "drain-timeout": { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

const parse = (argv: readonly string[]) => parseCommand(argv, OPTIONS, { min: 0, max: 0 });

/** What was found, and how many of the repaired runs are not settled yet. */
export interface Verified {
  readonly sources: readonly SourceVerification[];
  readonly unsettled: number;
}

/** `wfotel verify`: what the API shows against what was delivered; `--repair` collects and delivers what is missing. */
export async function verify(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parse(argv);
  const now = Date.now();
  const from = parseWhen("--from", values.from ?? "24h", now);
  const to = values.to === undefined ? now : parseWhen("--to", values.to, now);
  if (from > to) throw new CommandError("--from: later than --to");
  const window = { from, to, repair: values.repair ?? false };
  const { path } = commandConfig(values, io, { source: false, destination: false }).config.state;
  requireState(path);
  const asked = isHeld(path) ? await askBridge(values, path, window, io) : undefined;
  const verified = asked ?? (await verifyAlone(values, path, { ...window, unreadSince: Number.POSITIVE_INFINITY }, io));
  if (values.json) io.stdout.write(`${JSON.stringify(verifyJson(verified, window), null, 2)}\n`);
  else io.stdout.write(verifyText(verified, window));
  return isComplete(verified.sources) && verified.unsettled === 0 ? EXIT.done : EXIT.incomplete;
}

/** As a job of the running bridge; undefined where that was stopped before it was done. */
async function askBridge(
  values: Values,
  path: string,
  window: Omit<VerifyWindow, "unreadSince">,
  io: CommandIo,
): Promise<Verified | undefined> {
  const job = await leaveJob(path, "verify", { ...window }, io, ({ listed }) => listedText(Number(listed)));
  if (job === undefined) return undefined;
  const { sources, error } = (job.progress ?? {}) as { sources?: readonly SourceVerification[]; error?: string };
  if (sources === undefined) throw new CommandError(error ?? "the running bridge gave no result", EXIT.incomplete);
  const runs = queuedRuns(sources);
  if (runs.length === 0) return { sources, unsettled: 0 };
  return { sources, unsettled: await withState(path, { readOnly: true }, (store) => waitSettled(store, runs, drainTimeoutOf(values), io)) };
}

async function verifyAlone(values: Values, path: string, window: VerifyWindow, io: CommandIo): Promise<Verified> {
  const report = progressOn(io);
  if (!window.repair) return { sources: await lookOnly(values, path, window, io), unsettled: 0 };
  return withBridge(values, io, async (bridge) => {
    const sources = await verifyAll(bridge.contexts, window, report, io.signal);
    const runs = queuedRuns(sources);
    return {
      sources,
      unsettled: runs.length === 0 ? 0 : await deliverAlone(bridge, runs, { fetch: false, patience: drainTimeoutOf(values) }, io.signal),
    };
  });
}

/** Nothing is changed, so nobody has to be kept away. */
async function lookOnly(values: Values, path: string, window: VerifyWindow, io: CommandIo): Promise<readonly SourceVerification[]> {
  const { config, serviceName } = commandConfig(values, io, { source: true, destination: false });
  const log = await createLog(config.telemetry.log, io.stderr);
  return withState(path, { readOnly: true }, async (store) => {
    const parts = { config, serviceName, store, log, destinations: [], hasRoom: () => Promise.resolve(true), onQueued: () => undefined };
    const contexts = config.sources.map((source) => sourceContext(source, parts));
    try {
      return await verifyAll(contexts, window, progressOn(io), io.signal);
    } finally {
      for (const { source } of contexts) await source.close();
    }
  });
}

const queuedRuns = (sources: readonly SourceVerification[]): QueuedRun[] =>
  sources.flatMap(({ source, repaired }) => repaired.first.map((key) => ({ source, key })));

const listedText = (listed: number): string => `${listed} runs listed`;

/** A page takes a tenth of a second: one line for a hundred of them. */
function progressOn(io: CommandIo): (listed: number) => Promise<void> {
  let said = 0;
  return async (listed) => {
    if (listed - said < 1_000) return;
    said = listed;
    io.stderr.write(`${listedText(listed)}\n`);
  };
}
