import { keyOf, type RunKey } from "../model/run.ts";
import type { FetchedRuns, Reply, UnreadableEntry } from "../sources/source.ts";
import type { PageCommit, RunChange, WatchedRun } from "../state/store.ts";
import { decodePlacement } from "./place.ts";
import { type Reader, storePage } from "./reader.ts";
import { waitRetention } from "./retention.ts";
import { isLate, isTreeUnfinished } from "./sampling.ts";
import { type Trouble, troubleOf } from "./trouble.ts";
import { type WatchRules, watchAbsent, watchAgain } from "./watch.ts";

/** Asks for watched runs by their ids: the open set, and whatever else waits for something. */

/** One request of the source; so many of them at once, their answers stored one after the other. */
const PER_REQUEST = 10;
const REQUESTS_AT_ONCE = 5;
const ROWS_AT_ONCE = 1_000;
/** Of the runs that wait for room on the disk so many are called back at a time, when nothing else is due. */
const CALLED_BACK = 200;

export interface Asked {
  readonly asked: number;
  readonly collected: number;
  readonly trouble?: Trouble;
  /** There was no time for all of them. */
  readonly cut?: boolean;
}

/**
 * Asks once for every watched run that is due, the longest due first, for one poll interval: then the feed and
 * the newest page have their turn again.
 * @param everything whatever is watched, due or not, to the end. @throws StoreError
 */
export async function askDueRuns(reader: Reader, signal: AbortSignal, everything = false): Promise<Asked> {
  const { store, source, server, clock, config } = reader.context;
  const deadline = everything ? Number.MAX_SAFE_INTEGER : server.now();
  const end = clock.monotonic() + (everything ? Number.POSITIVE_INFINITY : config.poll_interval);
  const done = new Set<string>();
  let collected = 0;
  let limit = ROWS_AT_ONCE;
  let calledBack = false;
  while (!signal.aborted) {
    const rows = await store.dueRuns(source.name, deadline, limit);
    const due = rows.filter((run) => !done.has(keyOf(run.key)));
    const more = rows.length === limit;
    limit = ROWS_AT_ONCE + rows.length - due.length; // what is due again already must not hide what is behind it
    if (due.length === 0 && more) continue;
    if (calledBack && rows.every((run) => run.watch.reason !== "room")) reader.memory.callBackAt = Number.POSITIVE_INFINITY;
    if (due.length === 0 && (calledBack || !(await callBack(reader, deadline)))) break;
    calledBack = due.length === 0;
    for (const wave of slices(due, PER_REQUEST * REQUESTS_AT_ONCE)) {
      if (signal.aborted || clock.monotonic() >= end) return { asked: done.size, collected, cut: true };
      for (const run of wave) done.add(keyOf(run.key));
      const asked = await askWave(reader, await worthAsking(reader, wave), signal);
      collected += asked.collected;
      if (asked.trouble !== undefined) return { asked: done.size, ...asked, collected };
    }
  }
  return { asked: done.size, collected };
}

/** There is room: some of those that wait for it are due now. False where there is none, or nobody waits. */
async function callBack({ context: { store, source, clock, hasRoom }, memory }: Reader, now: number): Promise<boolean> {
  if (clock.monotonic() < memory.callBackAt || !(await hasRoom())) return false;
  await store.hasten(source.name, "room", now, CALLED_BACK);
  return true;
}

interface Answer {
  readonly due: readonly WatchedRun[];
  readonly reply: Reply<FetchedRuns>;
}

async function askWave(
  reader: Reader,
  wave: readonly WatchedRun[],
  signal: AbortSignal,
): Promise<{ collected: number; trouble?: Trouble }> {
  const answers = await Promise.all(slices(wave, PER_REQUEST).map((due) => fetchDue(reader, due, signal)));
  let collected = 0;
  let trouble: Trouble | undefined;
  const failed: WatchedRun[] = [];
  for (const { due, reply } of answers.flat()) {
    if (reply.kind === "ok") collected += await storeAnswer(reader, due, reply, signal);
    else if (due.length === 1 && isSuspect(reply) && reader.memory.healthy) failed.push(...due);
    else trouble = troubleOf(reply);
  }
  if (failed.length > 0) await postpone(reader, failed);
  return { collected, ...(trouble && { trouble }) };
}

/** A run that makes the API fail must not keep the others from being read: as long as the API answers at all, they are told apart. */
async function fetchDue(reader: Reader, due: readonly WatchedRun[], signal: AbortSignal): Promise<Answer[]> {
  const keys = due.map((run) => run.key);
  const reply = await reader.context.source.fetch(keys, "open", signal);
  if (reply.kind === "ok") reader.memory.healthy = true;
  if (due.length === 1 || !isSuspect(reply) || !reader.memory.healthy) return [{ due, reply }];
  const halves = slices(due, Math.ceil(due.length / 2));
  return (await Promise.all(halves.map((half) => fetchDue(reader, half, signal)))).flat();
}

function isSuspect(reply: Reply<unknown>): boolean {
  return reply.kind === "unavailable" && (reply.reason === "server_error" || reply.reason === "timeout" || reply.reason === "unreadable");
}

async function storeAnswer(reader: Reader, due: readonly WatchedRun[], reply: Answer["reply"] & { kind: "ok" }, signal: AbortSignal) {
  const { source, store, log } = reader.context;
  const { runs, refused } = reply.value;
  const unreadable = reply.value.unreadable.map((entry) => ({ ...entry, ...keyAskedFor(due, entry) }));
  const stored = await storePage(reader, { ...reply, value: { runs, unreadable } }, false, signal);
  const shown = new Set([...runs, ...unreadable.flatMap((entry) => entry.key ?? []), ...refused.map((entry) => entry.key)].map(keyOf));
  const changes: RunChange[] = due.filter((run) => !shown.has(keyOf(run.key))).map((run) => absentChange(reader, run));
  const lost: NonNullable<PageCommit["unreadable"]>[number][] = [];
  for (const { key, reason, message } of refused) {
    log.warn({ source: source.name, run: key.id, reason: message }, "a run may not be asked for by its id");
    changes.push(unasked(due, key, reason === "too_large"));
    lost.push({ key, reason: reason === "too_large" ? "too_large" : "poll_refused", message });
  }
  for (const entry of unreadable) if (entry.key !== undefined) changes.push(unasked(due, entry.key, true));
  const gone = changes.filter((change) => change.phase === "gone").length;
  if (changes.length > 0) {
    await store.commit({ source: source.name, runs: changes, unreadable: lost, ...(gone > 0 && { counts: { gone } }) });
  }
  return stored.collected;
}

/** It was asked for by its key: an entry that shows no more than the id of one of them is that one. */
function keyAskedFor(due: readonly WatchedRun[], { key, id }: UnreadableEntry): { key?: RunKey } {
  const [run, ...others] = key === undefined ? due.filter((one) => one.key.id === id) : [];
  return run === undefined || others.length > 0 ? {} : { key: run.key };
}

function absentChange(reader: Reader, { key, phase, watch }: WatchedRun): RunChange {
  const { server, log, source } = reader.context;
  const next = watchAbsent(watch, server.now(), rulesOf(reader));
  if (next !== "gone") return { key, phase, watch: next };
  log.warn({ source: source.name, run: key.id, createdAt: key.createdAt }, "the API stopped showing a run that was still followed");
  return { key, phase: phase === "collected" ? "done" : "gone" };
}

/** Not asked for by id any more; a listing may still bring it, unless it can never be read. */
function unasked(due: readonly WatchedRun[], key: RunKey, unreadable: boolean): RunChange {
  const phase = due.find((run) => keyOf(run.key) === keyOf(key))?.phase ?? "open";
  return { key, phase: unreadable ? "done" : phase };
}

async function postpone(reader: Reader, failed: readonly WatchedRun[]): Promise<void> {
  const { store, source, server, log } = reader.context;
  for (const { key } of failed) log.warn({ source: source.name, run: key.id }, "the API fails when it is asked for this run: again later");
  const now = server.now();
  const runs = failed.map(({ key, phase, watch }) => ({ key, phase, watch: watchAgain(watch, now, rulesOf(reader)) }));
  await store.commit({ source: source.name, runs });
}

function rulesOf({ context: { config } }: Reader): WatchRules {
  return { interval: config.poll_interval, maxInterval: config.open_run_max_interval, feed: false };
}

/** Without those of which the state alone says that there is nothing to be had yet: no room, or the tree goes on. */
async function worthAsking(reader: Reader, due: readonly WatchedRun[]): Promise<readonly WatchedRun[]> {
  const { store, source, hasRoom } = reader.context;
  const room = due.every((run) => run.watch.reason !== "room") || (await hasRoom());
  const verdicts = due.filter((run) => run.watch.reason === "verdict");
  if (verdicts.length === 0) return due.filter((run) => room || run.watch.reason !== "room");
  const keys = verdicts.map((run) => run.key);
  const waits = await Promise.all((await store.findRuns(source.name, keys)).map((record) => treeGoesOn(reader, record)));
  const again = verdicts.filter((_, index) => waits[index]);
  const now = reader.context.server.now();
  const runs = again.map(({ key, phase, watch }) => ({ key, phase, watch: watchAgain(watch, now, rulesOf(reader)) }));
  if (runs.length > 0) await store.commit({ source: source.name, runs });
  return due.filter((run) => !again.includes(run) && (room || run.watch.reason !== "room"));
}

async function treeGoesOn(
  { context, state }: Reader,
  record: Awaited<ReturnType<typeof context.store.findRuns>>[number],
): Promise<boolean> {
  const { store, source, settings, server, config } = context;
  if (record?.placement === undefined) return false;
  const located = decodePlacement(record.key, record.placement, settings);
  if (located.kind !== "placed" || located.top === undefined) return false;
  const late = isLate(record.endedAt ?? server.now(), waitRetention(config.retention, state().learnedRetentionMs), server.now());
  const [top] = await store.findRuns(source.name, [located.top]);
  return !late && isTreeUnfinished(top, config, state().readAt);
}

function slices<T>(items: readonly T[], size: number): T[][] {
  const found: T[][] = [];
  for (let i = 0; i < items.length; i += size) found.push(items.slice(i, i + size));
  return found;
}
