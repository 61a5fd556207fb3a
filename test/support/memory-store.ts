import type { Encoding } from "../../src/destinations/destination.ts";
import type { RunKey } from "../../src/model/run.ts";
import type { Job } from "../../src/state/job.ts";
import { combineParts, DROPPED, excludedOutcome, mergeOutcome, REFETCH, settledCounts } from "../../src/state/outcome.ts";
import { OPEN_AGES_MS, type QuarantineEntry } from "../../src/state/report.ts";
import type { SourceState } from "../../src/state/source-state.ts";
import {
  type CollectedPart,
  type DestinationState,
  MARKS_PER_WORD,
  type Mark,
  type PageCommit,
  QUARANTINE_MAX_AGE_MS,
  QUARANTINE_MAX_BYTES,
  type QueuedDelivery,
  REMOVED_DESTINATION_GRACE_MS,
  type RunChange,
  type RunPhase,
  type RunRecord,
  type Settlement,
  type Store,
  type StoredChunk,
  type TraceSize,
  type Watch,
} from "../../src/state/store.ts";
import { eventBytes, eventText, MAX_EVENTS_PER_RUN, storedEvent } from "../../src/state/stored-event.ts";

/**
 * The store's contract in plain maps: for simulations, and as the model that the SQLite store is compared
 * with. Written from the contract alone; it shares only the words for outcomes and counters.
 */

interface Run {
  readonly source: string;
  readonly key: RunKey;
  phase: RunPhase;
  endedAt?: number | undefined;
  placement?: string | undefined;
  watch?: Watch | undefined;
  /** Order of arrival. */
  readonly seq: number;
  readonly parts: Set<number>;
  readonly failures: string[];
  /** By `part destination`. */
  readonly outcomes: Map<string, string>;
  /** Events of its message log, as text; undefined where they had to go. */
  events: Set<string> | undefined;
}

interface Delivery {
  readonly id: number;
  readonly destination: string;
  readonly run: Run;
  readonly part: number;
  /** A quarantined piece that was put back, not the whole of its part. */
  readonly piece: boolean;
  readonly encoding: Encoding;
  readonly chunks: readonly StoredChunk[];
  readonly firstEnd: number;
  readonly lastEnd: number;
  readonly queuedAt: number;
}

interface Entry {
  readonly shown: Omit<QuarantineEntry, "hasBytes">;
  content: Uint8Array | undefined;
  readonly firstEnd: number;
  readonly lastEnd: number;
  dropped: boolean;
}

interface Destination {
  readonly name: string;
  since: number;
  removedAt?: number | undefined;
  ended: boolean;
  paused: DestinationState["paused"];
}

interface Memory {
  readonly sources: Map<string, SourceState | undefined>;
  readonly runs: Map<string, Run>;
  readonly destinations: Map<string, Destination>;
  readonly counts: Map<string, Record<string, number>>;
  readonly trees: Map<string, TraceSize & { readonly source: string; readonly seen: number }>;
  marks: { readonly source: string; readonly mark: Mark; readonly seen: number }[];
  deliveries: Delivery[];
  quarantine: Entry[];
  jobs: Job[];
  /** Last ids given, by what. */
  readonly ids: { delivery: number; entry: number; job: number; run: number };
  readonly now: () => number;
}

const ENDED: readonly RunPhase[] = ["collected", "done"];
const DAY_MS = 86_400_000;

const runId = (source: string, key: RunKey) => JSON.stringify([source, key.id, key.createdAt]);
const slot = (part: number, destination: string) => `${part} ${destination}`;
const sizeOf = (chunks: readonly StoredChunk[]) => chunks.reduce((total, chunk) => total + chunk.bytes.length, 0);
const spansOf = (chunks: readonly StoredChunk[]) => chunks.reduce((total, chunk) => total + chunk.spans, 0);

export function openMemoryStore(options: { now?: () => number } = {}): Store {
  const memory: Memory = {
    sources: new Map(),
    runs: new Map(),
    destinations: new Map(),
    counts: new Map(),
    trees: new Map(),
    marks: [],
    deliveries: [],
    quarantine: [],
    jobs: [],
    ids: { delivery: 0, entry: 0, job: 0, run: 0 },
    now: options.now ?? Date.now,
  };
  return { ...runMethods(memory), ...deliveryMethods(memory), ...quarantineMethods(memory), ...otherMethods(memory) };
}

function runMethods(memory: Memory) {
  const watchedBy = (source: string) =>
    [...memory.runs.values()].filter((run) => run.source === source && run.watch !== undefined) as (Run & { watch: Watch })[];
  return {
    readSource: async (source) => memory.sources.get(source),
    findRuns: async (source, keys) => keys.map((key) => recordOf(memory.runs.get(runId(source, key)))),
    findRunsById: async (id) =>
      [...memory.runs.values()]
        .filter((run) => run.key.id === id)
        .sort((a, b) => b.key.createdAt - a.key.createdAt || a.seq - b.seq)
        .flatMap((run) => recordOf(run) ?? []),
    async dueRuns(source, now, limit) {
      const due = watchedBy(source).filter((run) => run.watch.dueAt <= now);
      due.sort((a, b) => a.watch.dueAt - b.watch.dueAt || a.seq - b.seq);
      return due.slice(0, limit).map((run) => ({ key: run.key, phase: phaseOf(run), watch: run.watch }));
    },
    nextDue: async (source) =>
      watchedBy(source).reduce<number | undefined>((first, { watch }) => Math.min(first ?? watch.dueAt, watch.dueAt), undefined),
    async hasten(source, reason, dueAt, limit) {
      const later = watchedBy(source).filter(({ watch }) => watch.reason === reason && watch.dueAt > dueAt);
      later.sort((a, b) => a.watch.dueAt - b.watch.dueAt || a.seq - b.seq);
      for (const run of later.slice(0, limit)) run.watch = { ...run.watch, dueAt };
    },
    watched: async (source) => summarize(watchedBy(source)),
    findMarks: async (source, words) => words.flatMap((word) => marksUnder(memory, source, word)),
    async traceSize(traceId) {
      const { spans, bytes, keptBy } = memory.trees.get(traceId) ?? { spans: 0, bytes: 0, keptBy: [] };
      return { spans, bytes, keptBy };
    },
    readEvents: async (source, keys) =>
      keys.map((key) => {
        const run = memory.runs.get(runId(source, key));
        if (run !== undefined && (run.events === undefined || run.events.size > MAX_EVENTS_PER_RUN)) return undefined;
        return [...(run?.events ?? [])].map((text) => storedEvent(key, text));
      }),
    commit: async (page) => commit(memory, page),
    outcomes: async (source, keys) =>
      keys.map((key) => {
        const run = memory.runs.get(runId(source, key));
        return run && { phase: phaseOf(run), destinations: outcomesOf(memory, run) };
      }),
  } satisfies Partial<Store>;
}

/** What is done is not watched: it was damaged. */
const phaseOf = ({ phase, watch }: Run): RunPhase => (phase === "done" && watch !== undefined ? "waiting" : phase);

function recordOf(run: Run | undefined): RunRecord | undefined {
  if (run === undefined) return undefined;
  const { source, key, endedAt, placement, parts, failures, watch } = run;
  return {
    source,
    key,
    phase: phaseOf(run),
    ...(endedAt !== undefined && { endedAt }),
    ...(placement !== undefined && { placement }),
    parts: [...parts].sort((a, b) => a - b),
    ...(failures.length > 0 && { failures: [...failures] }),
    ...(watch && { watch }),
  };
}

function summarize(runs: readonly (Run & { watch: Watch })[]) {
  return [...new Set(runs.map((run) => run.watch.reason))].sort().map((reason) => {
    const same = runs.filter((run) => run.watch.reason === reason);
    const oldestEndedAt = Math.min(...same.map((run) => run.endedAt ?? run.key.createdAt));
    return { reason, count: same.length, oldestCreatedAt: Math.min(...same.map((run) => run.key.createdAt)), oldestEndedAt };
  });
}

function outcomesOf(memory: Memory, run: Run): Record<string, string> {
  const queued = memory.deliveries.filter((delivery) => delivery.run === run);
  const byPart = [...run.outcomes].sort(([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  const settled = byPart.map(([key, outcome]) => ({ destination: key.slice(key.indexOf(" ") + 1), outcome }));
  const all = [...settled, ...queued.map(({ destination }) => ({ destination, outcome: "queued" }))];
  const names = new Set(all.map(({ destination }) => destination));
  return Object.fromEntries(
    [...names].map((name) => [name, combineParts(all.filter(({ destination }) => destination === name).map(({ outcome }) => outcome))]),
  );
}

function count(memory: Memory, owner: string, counts: Readonly<Record<string, number>>): void {
  const total = memory.counts.get(owner) ?? {};
  for (const [name, value] of Object.entries(counts)) if (value !== 0) total[name] = (total[name] ?? 0) + value;
  memory.counts.set(owner, total);
}

function commit(memory: Memory, page: PageCommit): void {
  const parts = page.runs.flatMap((change) => change.parts ?? []);
  const unsendable = parts.some((part) => part.payloads.length === 0 && part.deliveries.some(({ excluded }) => excluded === undefined));
  if (unsendable) throw new Error("a delivery without a payload");
  if (page.state !== undefined || !memory.sources.has(page.source)) memory.sources.set(page.source, page.state);
  for (const change of page.runs) changeRun(memory, page.source, change);
  if (page.events !== undefined) addEvents(memory, page.source, page.events);
  if (page.counts !== undefined) count(memory, `source ${page.source}`, page.counts);
  for (const { key, reason, message, count: counter } of page.unreadable ?? []) {
    const known = memory.quarantine.some(
      ({ shown }) =>
        shown.destination === undefined &&
        shown.reason === reason &&
        runId(shown.source, shown.key) === runId(page.source, key) &&
        (key.createdAt !== 0 || shown.message === message),
    );
    if (known) continue;
    const shown = { source: page.source, key, part: 0, reason, message, spans: 0, bytes: 0, at: memory.now() };
    memory.ids.entry += 1;
    memory.quarantine.push({ shown: { id: memory.ids.entry, ...shown }, content: undefined, firstEnd: 0, lastEnd: 0, dropped: false });
    if (counter !== undefined) count(memory, `source ${page.source}`, { [counter]: 1 });
  }
}

function addEvents(memory: Memory, source: string, { runs, maxBytes }: NonNullable<PageCommit["events"]>): void {
  for (const { key, events } of runs) {
    const run = memory.runs.get(runId(source, key));
    if (run?.phase === "open") for (const event of events) run.events?.add(eventText(event));
  }
  if (bytesOfEvents(memory) <= maxBytes) return;
  const holding = [...memory.runs.values()].filter((run) => (run.events?.size ?? 0) > 0);
  holding.sort((a, b) => a.key.createdAt - b.key.createdAt || a.seq - b.seq);
  for (const run of holding) {
    if (bytesOfEvents(memory) <= maxBytes) return;
    run.events = undefined;
    count(memory, `source ${run.source}`, { "events.dropped": 1 });
  }
}

function bytesOfEvents(memory: Memory): number {
  return [...memory.runs.values()].flatMap((run) => [...(run.events ?? [])]).reduce((sum, text) => sum + eventBytes(text), 0);
}

function changeRun(memory: Memory, source: string, change: RunChange): void {
  const known = memory.runs.get(runId(source, change.key));
  if (known && ENDED.includes(phaseOf(known)) && (change.phase === "open" || change.phase === "waiting")) return;
  const run = known ?? remember(memory, source, change.key);
  run.phase = change.phase;
  run.endedAt = change.endedAt ?? run.endedAt;
  run.placement ??= change.placement;
  run.watch = change.watch;
  if (change.phase !== "open" && change.phase !== "waiting") run.events?.clear();
  const before = run.parts.size;
  for (const part of change.parts ?? []) {
    if (part.message !== undefined && !run.parts.has(part.part)) run.failures.push(part.message);
    run.parts.add(part.part);
    queuePart(memory, run, part);
  }
  if (run.parts.size === before) return;
  for (const mark of change.marks ?? []) addMark(memory, source, mark, change.endedAt ?? change.key.createdAt);
  if (change.tree !== undefined) addToTree(memory, source, change.tree, change.endedAt ?? change.key.createdAt);
  memory.quarantine = memory.quarantine.filter(
    ({ shown }) => shown.destination !== undefined || runId(shown.source, shown.key) !== runId(source, run.key),
  );
}

function remember(memory: Memory, source: string, key: RunKey): Run {
  memory.ids.run += 1;
  const { id, createdAt } = key;
  const run: Run = {
    source,
    key: { id, createdAt },
    phase: "open",
    seq: memory.ids.run,
    parts: new Set(),
    failures: [],
    outcomes: new Map(),
    events: new Set(),
  };
  memory.runs.set(runId(source, key), run);
  return run;
}

function addMark(memory: Memory, source: string, { word, key, traceId, spanId }: Mark, seen: number): void {
  const mark = { word, key: { id: key.id, createdAt: key.createdAt }, traceId, spanId };
  const name = (one: Mark) => JSON.stringify([one.word, one.key.id, one.key.createdAt, one.spanId]);
  if (memory.marks.some((known) => known.source === source && name(known.mark) === name(mark))) return;
  memory.marks.push({ source, mark, seen });
}

function marksUnder(memory: Memory, source: string, word: string): Mark[] {
  const found = memory.marks.filter((one) => one.source === source && one.mark.word === word).map(({ mark }) => mark);
  const text = (a: string, b: string) => Number(a > b) - Number(a < b);
  found.sort((a, b) => b.key.createdAt - a.key.createdAt || text(a.key.id, b.key.id) || text(a.spanId, b.spanId));
  return found.slice(0, MARKS_PER_WORD);
}

function addToTree(memory: Memory, source: string, tree: TraceSize & { traceId: string }, seen: number): void {
  const before = memory.trees.get(tree.traceId) ?? { source, spans: 0, bytes: 0, keptBy: [], seen };
  memory.trees.set(tree.traceId, {
    source: before.source,
    spans: before.spans + tree.spans,
    bytes: before.bytes + tree.bytes,
    keptBy: [...new Set([...before.keptBy, ...tree.keptBy])],
    seen: Math.max(before.seen, seen),
  });
}

function queuePart(memory: Memory, run: Run, part: CollectedPart): void {
  for (const { destination, encoding, excluded } of part.deliveries) {
    const known = memory.destinations.get(destination);
    const before = run.outcomes.get(slot(part.part, destination));
    const queued = memory.deliveries.some((other) => other.run === run && other.part === part.part && other.destination === destination);
    if (known === undefined || known.removedAt !== undefined || (before !== undefined ? before !== REFETCH : queued)) continue;
    if (before === REFETCH) {
      run.outcomes.delete(slot(part.part, destination));
      memory.quarantine = memory.quarantine.filter((entry) => entry.content !== undefined || !isOf(entry, run, part.part, destination));
    }
    if (excluded !== undefined) {
      run.outcomes.set(slot(part.part, destination), excludedOutcome(excluded));
      if (part.part === 0) count(memory, `destination ${destination}`, { [`excluded.${excluded}`]: 1 });
      continue;
    }
    const payload = part.payloads.find((one) => one.encoding === encoding) ?? part.payloads[0];
    if (payload === undefined) continue;
    const { firstEnd, lastEnd } = part;
    enqueue(memory, {
      destination,
      run,
      part: part.part,
      piece: false,
      encoding: payload.encoding,
      chunks: payload.chunks,
      firstEnd,
      lastEnd,
    });
  }
}

function isOf({ shown }: Entry, run: Run, part: number, destination: string): boolean {
  return shown.part === part && shown.destination === destination && runId(shown.source, shown.key) === runId(run.source, run.key);
}

function collectAgain(memory: Memory, run: Run, everything: boolean, dueAt: number): void {
  for (const [name, outcome] of everything ? run.outcomes : []) {
    const [part = 0, destination = ""] = [Number(name.split(" ", 1)[0]), name.slice(name.indexOf(" ") + 1)];
    const queued = memory.deliveries.some((one) => one.run === run && one.part === part && one.destination === destination);
    if (queued || outcome === REFETCH || memory.destinations.get(destination)?.removedAt !== undefined) continue;
    run.outcomes.set(name, REFETCH);
    for (const entry of memory.quarantine) if (isOf(entry, run, part, destination)) entry.content = undefined;
  }
  run.phase = "waiting";
  run.watch = { reason: "refetch", dueAt, polls: 0 };
}

function enqueue(memory: Memory, delivery: Omit<Delivery, "id" | "queuedAt">, queuedAt = memory.now()): void {
  memory.ids.delivery += 1;
  memory.deliveries.push({ ...delivery, id: memory.ids.delivery, queuedAt });
}

function deliveryMethods(memory: Memory) {
  return {
    async syncDestinations(names, now) {
      for (const name of names) {
        const known = memory.destinations.get(name);
        if (known === undefined) memory.destinations.set(name, { name, since: now, ended: false, paused: undefined });
        else Object.assign(known, { since: known.ended ? now : known.since, removedAt: undefined, ended: false });
      }
      for (const destination of memory.destinations.values()) {
        if (!names.includes(destination.name)) destination.removedAt ??= now;
      }
    },
    destinations: async () => [...memory.destinations.values()].map(destinationState),
    async setPaused(destination, paused) {
      const known = memory.destinations.get(destination);
      if (known !== undefined) known.paused = paused;
    },
    async queued(destination, encoding, after, maxBytes) {
      const found: QueuedDelivery[] = [];
      let total = 0;
      for (const delivery of memory.deliveries) {
        if (delivery.destination !== destination || delivery.id <= after) continue;
        const shown = shownDelivery(memory, delivery, encoding);
        if (found.length > 0 && total + shown.bytes > maxBytes) break;
        total += shown.bytes;
        found.push(shown);
      }
      return found;
    },
    settle: async (destination, settlements, now) => settle(memory, destination, settlements, now),
  } satisfies Partial<Store>;
}

function destinationState({ name, since, removedAt, paused }: Destination): DestinationState {
  return { name, since, ...(removedAt !== undefined && { removedAt }), ...(paused && { paused }) };
}

/** Another destination's copy of the same part, if that is in the encoding asked for. */
function shownDelivery(memory: Memory, delivery: Delivery, encoding: Encoding): QueuedDelivery {
  const { id, run, part, piece, firstEnd, lastEnd, queuedAt } = delivery;
  const sameWhole = (other: Delivery) => !piece && !other.piece && other.run === run && other.part === part && other.encoding === encoding;
  const { encoding: stored, chunks } = delivery.encoding === encoding ? delivery : (memory.deliveries.find(sameWhole) ?? delivery);
  const payload = { encoding: stored, chunks, bytes: sizeOf(chunks), spans: spansOf(chunks) };
  return { id, source: run.source, key: run.key, part, ...payload, firstEnd, lastEnd, queuedAt };
}

function settle(memory: Memory, destination: string, settlements: readonly Settlement[], now: number): void {
  for (const settlement of settlements) {
    const delivery = memory.deliveries.find((other) => other.id === settlement.id && other.destination === destination);
    if (delivery === undefined) continue;
    memory.deliveries = memory.deliveries.filter((other) => other !== delivery);
    const { run, part, firstEnd, lastEnd } = delivery;
    for (const { bytes, ...piece } of settlement.refused ?? []) {
      memory.ids.entry += 1;
      const shown = { id: memory.ids.entry, source: run.source, key: run.key, part, destination, ...piece, bytes: bytes.length, at: now };
      memory.quarantine.push({ shown, content: bytes, firstEnd, lastEnd, dropped: false });
    }
    const outcome = settlement.outcome === "excluded" ? excludedOutcome(settlement.reason ?? "unknown") : settlement.outcome;
    const left = memory.deliveries.filter((other) => other.run === run && other.part === part && other.destination === destination);
    const remaining = left.length + memory.quarantine.filter((entry) => isOf(entry, run, part, destination)).length;
    run.outcomes.set(slot(part, destination), mergeOutcome(run.outcomes.get(slot(part, destination)), outcome, remaining));
    for (const [name, value] of settledCounts(settlement, part)) count(memory, `destination ${destination}`, { [name]: value });
  }
}

function quarantineMethods(memory: Memory) {
  return {
    quarantined: async (filter) =>
      memory.quarantine
        .filter(({ dropped }) => dropped === (filter.dropped ?? false))
        .filter(({ shown }) => filter.destination === undefined || shown.destination === filter.destination)
        .filter(({ shown }) => filter.runId === undefined || shown.key.id === filter.runId)
        .filter(({ shown }) => filter.ids === undefined || filter.ids.includes(shown.id))
        .map(({ shown, content }) => ({ ...shown, hasBytes: content !== undefined })),
    quarantinedBytes: async (id) => memory.quarantine.find(({ shown }) => shown.id === id)?.content,
    async requeue(ids, now) {
      const entries = memory.quarantine.filter(({ shown, dropped }) => ids.includes(shown.id) && !dropped && shown.key.createdAt !== 0);
      const requeued = entries.filter((entry) => requeue(memory, entry, now)).length;
      return { requeued, refetch: entries.length - requeued };
    },
    async refetch(source, keys, everything, dueAt) {
      for (const key of keys) {
        const run = memory.runs.get(runId(source, key));
        if (run !== undefined) collectAgain(memory, run, everything, dueAt);
      }
    },
    async dropQuarantined(ids) {
      const entries = memory.quarantine.filter(({ shown, dropped }) => ids.includes(shown.id) && !dropped);
      for (const entry of entries) drop(memory, entry);
      return entries.length;
    },
  } satisfies Partial<Store>;
}

function drop(memory: Memory, entry: Entry): void {
  Object.assign(entry, { dropped: true, content: undefined });
  const { source, key, part, destination } = entry.shown;
  const run = memory.runs.get(runId(source, key));
  if (run === undefined || destination === undefined || run.outcomes.get(slot(part, destination)) !== "quarantined") return;
  const undecided = memory.quarantine.some((other) => !other.dropped && isOf(other, run, part, destination));
  const queued = memory.deliveries.some((other) => other.run === run && other.part === part && other.destination === destination);
  if (!undecided && !queued) run.outcomes.set(slot(part, destination), DROPPED);
}

function requeue(memory: Memory, entry: Entry, now: number): boolean {
  const { source, key, part, destination, spans, encoding } = entry.shown;
  const run = memory.runs.get(runId(source, key)) ?? rememberRefused(memory, entry);
  if (entry.content !== undefined && destination !== undefined && encoding !== undefined) {
    memory.quarantine = memory.quarantine.filter((other) => other !== entry);
    const { firstEnd, lastEnd } = entry;
    enqueue(memory, { destination, run, part, piece: true, encoding, chunks: [{ bytes: entry.content, spans }], firstEnd, lastEnd }, now);
    return true;
  }
  if (destination !== undefined) run.outcomes.set(slot(part, destination), REFETCH);
  run.phase = "waiting";
  run.watch = { reason: "refetch", dueAt: now, polls: 0 };
  return false;
}

function rememberRefused(memory: Memory, { shown, lastEnd }: Entry): Run {
  const run = remember(memory, shown.source, shown.key);
  run.phase = "done";
  if (shown.destination === undefined) return run;
  run.parts.add(shown.part);
  run.endedAt = lastEnd;
  return run;
}

function otherMethods(memory: Memory) {
  const size = () => {
    const payloads = new Set(memory.deliveries.map((delivery) => delivery.chunks));
    const payloadBytes = [...payloads].reduce((total, chunks) => total + sizeOf(chunks), 0);
    const quarantineBytes = memory.quarantine.reduce((total, { content }) => total + (content?.length ?? 0), 0);
    const ofEvents = bytesOfEvents(memory);
    const liveBytes = payloadBytes + 150 * memory.runs.size;
    return { liveBytes, payloadBytes, quarantineBytes, eventBytes: ofEvents };
  };
  return {
    maintain: async (input) => maintain(memory, input),
    async status(now) {
      const sources = await Promise.all(
        [...memory.sources].flatMap(([name, state]) =>
          state === undefined
            ? []
            : [
                runMethods(memory)
                  .watched(name)
                  .then((watched) => ({
                    name,
                    state,
                    watched,
                    openByAge: openByAge(memory, name, now),
                    counts: { ...memory.counts.get(`source ${name}`) },
                  })),
              ],
        ),
      );
      return { sources, destinations: [...memory.destinations.values()].map((one) => destinationStatus(memory, one)), size: size() };
    },
    async addJob(kind, args, now) {
      memory.ids.job += 1;
      memory.jobs.push({ id: memory.ids.job, kind, args, createdAt: now });
      return memory.ids.job;
    },
    jobs: async (now) => memory.jobs.filter((job) => job.finishedAt === undefined || job.finishedAt >= now - DAY_MS),
    async updateJob(id, change) {
      memory.jobs = memory.jobs.map((job) => (job.id === id ? { ...job, ...change } : job));
    },
    size: async () => size(),
    close: async () => {},
  } satisfies Partial<Store>;
}

function openByAge(memory: Memory, source: string, now: number): number[] {
  const open = [...memory.runs.values()].filter((run) => run.source === source && run.phase === "open" && run.watch !== undefined);
  const ages = open.map((run) => OPEN_AGES_MS.findLast((age) => age <= Math.max(0, now - run.key.createdAt)));
  return OPEN_AGES_MS.map((age) => ages.filter((one) => one === age).length);
}

function destinationStatus(memory: Memory, destination: Destination) {
  const queue = memory.deliveries.filter((delivery) => delivery.destination === destination.name);
  return {
    ...destinationState(destination),
    queued: queue.length,
    queuedBytes: queue.reduce((total, delivery) => total + sizeOf(delivery.chunks), 0),
    ...(queue[0] && { oldestQueuedAt: queue[0].queuedAt }),
    quarantined: memory.quarantine.filter(({ shown, dropped }) => shown.destination === destination.name && !dropped).length,
    counts: { ...memory.counts.get(`destination ${destination.name}`) },
  };
}

function maintain(memory: Memory, { now, forgetBefore }: Parameters<Store["maintain"]>[0]): void {
  for (const destination of memory.destinations.values()) {
    if (destination.removedAt === undefined || destination.removedAt + REMOVED_DESTINATION_GRACE_MS > now) continue;
    const queue = memory.deliveries.filter((delivery) => delivery.destination === destination.name);
    const excluded = { outcome: "excluded", reason: "destination_removed", spans: 0, bytes: 0 } as const;
    settle(
      memory,
      destination.name,
      queue.map(({ id }) => ({ id, ...excluded })),
      now,
    );
    destination.ended = true;
  }
  for (const [source, before] of Object.entries(forgetBefore)) forget(memory, source, before);
  let held = 0;
  for (const entry of [...memory.quarantine].reverse()) {
    if (entry.shown.at < now - QUARANTINE_MAX_AGE_MS) entry.content = undefined;
    held += entry.content?.length ?? 0;
    if (held > QUARANTINE_MAX_BYTES) entry.content = undefined;
  }
  memory.jobs = memory.jobs.filter((job) => job.finishedAt === undefined || job.finishedAt >= now - DAY_MS);
}

function forget(memory: Memory, source: string, before: number): void {
  for (const [id, run] of memory.runs) {
    if (run.source !== source || run.phase === "open" || run.phase === "waiting" || run.watch !== undefined) continue;
    if ((run.endedAt ?? run.key.createdAt) >= before || memory.deliveries.some((delivery) => delivery.run === run)) continue;
    memory.runs.delete(id);
  }
  memory.marks = memory.marks.filter((one) => one.source !== source || one.seen >= before);
  for (const [id, tree] of memory.trees) if (tree.source === source && tree.seen < before) memory.trees.delete(id);
  memory.quarantine = memory.quarantine.filter(
    ({ shown, content }) =>
      shown.source !== source || shown.at >= before || content !== undefined || memory.runs.has(runId(source, shown.key)),
  );
}
