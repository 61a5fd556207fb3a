import { writeFileSync } from "node:fs";
import { keyOf } from "../model/run.ts";
import type { QuarantineEntry } from "../state/report.ts";
import type { Store } from "../state/store.ts";
import { withBridge, withLockedState } from "./alone.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { leaveJob } from "./job.ts";
import { entryJson, entryText, listText, requestJson } from "./quarantine-text.ts";
import { deliverAlone, type QueuedRun, waitSettled } from "./settled.ts";
import { isHeld, withState } from "./state-file.ts";
import { terminalOf } from "./terminal.ts";
import { drainTimeoutOf } from "./when.ts";

const OPTIONS = {
  destination: { type: "string" },
  run: { type: "string" },
  all: { type: "boolean" },
  json: { type: "boolean" },
  out: { type: "string" },
  "drain-timeout": { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

const parse = (argv: readonly string[]) => parseCommand(argv, OPTIONS, { min: 1, max: Number.POSITIVE_INFINITY });

/** `wfotel quarantine list|show|retry|drop`: what was refused, and what the user decides about it. */
export async function quarantine(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parse(argv);
  const [action = "", ...words] = positionals;
  const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action as keyof typeof ACTIONS] : undefined;
  if (run === undefined) throw new CommandError(`quarantine ${JSON.stringify(action)}: one of ${Object.keys(ACTIONS).join(", ")}`);
  const ids = words.map(parseId);
  if (action === "show" ? ids.length !== 1 : action !== "list" && ids.length > 0 === (values.all ?? false))
    throw new CommandError(`quarantine ${action}: ${action === "show" ? "one id" : "ids, or --all"}; wfotel quarantine list shows them`);
  const { config } = commandConfig(values, io, { source: false, destination: false });
  return run({ values, ids, path: config.state.path, io });
}

interface Call {
  readonly values: Values;
  readonly ids: readonly number[];
  readonly path: string;
  readonly io: CommandIo;
}

const ACTIONS = { list, show, retry, drop };

function parseId(word: string): number {
  const id = /^\d{1,15}$/.test(word) ? Number(word) : 0;
  if (id < 1) throw new CommandError(`${JSON.stringify(word)} is no id; wfotel quarantine list shows them`);
  return id;
}

async function list({ values, ids, path, io }: Call): Promise<number> {
  const entries = await withState(path, { readOnly: true }, (store) => find(store, values, ids));
  if (values.json) io.stdout.write(`${JSON.stringify(entries.map(entryJson), null, 2)}\n`);
  else if (entries.length > 0) io.stdout.write(listText(entries, Date.now(), terminalOf(io)));
  const chosen = ids.length > 0 || values.destination !== undefined || values.run !== undefined;
  if (entries.length === 0 && chosen) throw nothing();
  if (entries.length === 0 && !values.json) io.stderr.write("nothing is quarantined\n");
  return EXIT.done;
}

async function show({ values, ids, path, io }: Call): Promise<number> {
  const { entry, bytes } = await withState(path, { readOnly: true }, async (store) => {
    const [found] = await matching(store, values, ids);
    return { entry: found, bytes: found && (await store.quarantinedBytes(found.id)) };
  });
  if (entry === undefined) throw nothing();
  if (values.out !== undefined) {
    if (bytes === undefined) throw new CommandError("its bytes are not kept any more: retry fetches the run again", EXIT.notFound);
    writeFileSync(values.out, bytes, { mode: 0o600 });
    io.stderr.write(`${bytes.length} bytes of OTLP (${entry.encoding}) written to ${values.out}\n`);
  }
  if (values.json) io.stdout.write(`${JSON.stringify({ ...entryJson(entry), request: requestJson(entry, bytes) }, null, 2)}\n`);
  else io.stdout.write(entryText(entry, bytes, terminalOf(io)));
  return EXIT.done;
}

async function drop({ values, ids, path, io }: Call): Promise<number> {
  const entries = await withState(path, { readOnly: true }, (store) => matching(store, values, ids));
  const args = { ids: entries.map((entry) => entry.id) };
  const job = isHeld(path) ? await leaveJob(path, "drop", args, io) : undefined;
  if (job === undefined) await withLockedState(path, (store) => store.dropQuarantined(args.ids));
  io.stdout.write(`${entries.length} dropped\n`);
  return unknownIds(ids, entries, io);
}

async function retry({ values, ids, path, io }: Call): Promise<number> {
  const [entries, others] = await withState(path, { readOnly: true }, async (store) => {
    const matched = await matching(store, values, ids);
    const chosen = new Set(matched.map((entry) => entry.id));
    return [matched, (await store.quarantined({})).filter((entry) => !chosen.has(entry.id))];
  });
  const runs = entries.map(
    ({ source, key, destination }): QueuedRun => ({ source, key, ...(destination !== undefined && { destination }) }),
  );
  const args = { ids: entries.map((entry) => entry.id) };
  const job = isHeld(path) ? await leaveJob(path, "requeue", args, io) : undefined;
  const left =
    job === undefined
      ? await retryAlone(values, args.ids, runs, io)
      : await withState(path, { readOnly: true }, (store) => waitSettled(store, runs, drainTimeoutOf(values), io));
  const refused = await withState(path, { readOnly: true }, (store) => refusedAgain(store, entries, others));
  const delivered = Math.max(0, entries.length - left - refused.length);
  io.stdout.write(`${entries.length} retried: ${delivered} settled, ${refused.length} refused again, ${left} still queued\n`);
  return left + refused.length > 0 ? EXIT.incomplete : unknownIds(ids, entries, io);
}

/** With no running bridge, this command is one for as long as it takes. */
function retryAlone(values: Values, ids: readonly number[], runs: readonly QueuedRun[], io: CommandIo): Promise<number> {
  return withBridge(values, io, async (bridge) => {
    const { refetch } = await bridge.store.requeue(ids, Date.now());
    return deliverAlone(bridge, runs, { fetch: refetch > 0, patience: drainTimeoutOf(values) }, io.signal);
  });
}

/** Entries for what was retried: new ones, and those whose run could not be fetched or read. */
async function refusedAgain(store: Store, retried: readonly QuarantineEntry[], others: readonly QuarantineEntry[]) {
  const place = ({ source, key, part, destination }: QuarantineEntry) => JSON.stringify([source, keyOf(key), part, destination]);
  const places = new Set(retried.map(place));
  const before = new Set(others.map((entry) => entry.id));
  return (await store.quarantined({})).filter((entry) => places.has(place(entry)) && !before.has(entry.id));
}

function find(store: Store, { destination, run }: Values, ids: readonly number[]): Promise<readonly QuarantineEntry[]> {
  return store.quarantined({
    ...(ids.length > 0 && { ids }),
    ...(destination !== undefined && { destination }),
    ...(run !== undefined && { runId: run }),
  });
}

/** @throws CommandError (exit 4) where nothing matches */
async function matching(store: Store, values: Values, ids: readonly number[]): Promise<readonly QuarantineEntry[]> {
  const entries = await find(store, values, ids);
  if (entries.length === 0) throw nothing();
  return entries;
}

const nothing = () => new CommandError("nothing in the quarantine matches; wfotel quarantine list shows what is there", EXIT.notFound);

/** Some of the ids were there: the rest is named. */
function unknownIds(ids: readonly number[], entries: readonly QuarantineEntry[], io: CommandIo): number {
  const unknown = ids.filter((id) => !entries.some((entry) => entry.id === id));
  if (unknown.length === 0) return EXIT.done;
  io.stderr.write(`not in the quarantine: ${unknown.join(", ")}\n`);
  return EXIT.incomplete;
}
