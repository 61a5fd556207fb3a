import type { Step } from "../../src/model/run.ts";
import type { RunEvent } from "../../src/sources/source.ts";
import type { Program } from "../support/log-api.ts";

/**
 * An endless steady stream of runs, each computed from its number when it is asked for: a day of 200 runs/s is
 * 17 million runs, and none of them is kept. Run `i` is created in the i-th slot of 1 / rate seconds.
 */
export interface Stream {
  readonly rate: number;
  /** First moment of the simulation, in ms since the epoch; there were runs for `RETENTION_MS` before it. */
  readonly start: number;
  /** Number of the first run that is created after `start`. */
  readonly first: number;
  /** Runs there will ever be. */
  readonly count: number;
  program(index: number): Program & { readonly endsAt: number };
  /** As the program says it, without making one. */
  endsAt(index: number): number;
  /** Numbers of the runs created before `time` are lower. */
  indexAt(time: number): number;
  /** Events with `from` < time <= `to`, in no order. */
  events(from: number, to: number): NumberedEvent[];
  /** All of one run, by their positions. */
  eventsOf(index: number): NumberedEvent[];
  /** Of the run's event at that time. */
  positionAt(index: number, time: number): number;
  /** Runs that go on at `start`. */
  openAtStart(): number[];
}

export interface NumberedEvent extends RunEvent {
  /** With its time they give its place in the log: latest, then highest first. */
  readonly index: number;
  readonly position: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;

/** How long the API shows a run. */
export const RETENTION_MS = 3 * DAY;

/** What runs there are: their length, and the share of all. */
export const MIX = [
  { length: SECOND, share: 0.8 },
  { length: 10 * MINUTE, share: 0.199 },
  { length: 2 * DAY, share: 0.001 },
] as const;

/** A run of three steps: four messages of CREATED, ACTIVE, DELIVERED, between its start and its end. */
export const EVENTS_PER_RUN = 14;
const MESSAGE_STATES = ["CREATED", "ACTIVE", "DELIVERED"] as const;
/** Events lie so close to the start of the run, or to its end. */
const EVENT_DISTANCE_MS = 50;
/** One run in so many fails. */
const FAILS_ONE_IN = 100;
const URL = "https://shop.example.com/api/orders";

/** @param seconds for so long after `start` runs are created */
export function stream(options: { rate: number; start: number; seconds: number; seed: number }): Stream {
  const { rate, start, seconds, seed } = options;
  const slot = SECOND / rate;
  const origin = start - RETENTION_MS;
  const first = Math.ceil(RETENTION_MS / slot);
  const count = first + Math.floor((seconds * SECOND) / slot);
  const createdAt = (index: number) => Math.floor(origin + (index + chanceOf(index, seed)) * slot);

  function lengthOf(index: number): number {
    let left = chanceOf(index, seed + 1);
    for (const { length, share } of MIX) {
      if (left < share) return length;
      left -= share;
    }
    return MIX[0].length;
  }

  function indexAt(time: number): number {
    let index = Math.max(0, Math.floor((time - origin) / slot) - 1);
    while (createdAt(index) < time) index += 1;
    return index;
  }

  const endsAt = (index: number): number => createdAt(index) + lengthOf(index);

  function eventOf(index: number, length: number, position: number): NumberedEvent {
    const created = createdAt(index);
    const time = created + offsetOf(position, length);
    const state = stateAt(position, fails(index));
    return { id: idOf(index), createdAt: created, url: URL, time, state, index, position, ...messageAt(position) };
  }

  function eventsAt(length: number, position: number, from: number, to: number): NumberedEvent[] {
    const offset = offsetOf(position, length);
    const found: NumberedEvent[] = [];
    const end = Math.min(count, indexAt(to - offset + 1));
    for (let index = indexAt(from - offset + 1); index < end; index += 1) {
      if (lengthOf(index) !== length) continue;
      found.push(eventOf(index, length, position));
    }
    return found;
  }

  function openAtStart(): number[] {
    const found: number[] = [];
    const longest = Math.max(...MIX.map(({ length }) => length));
    for (let index = indexAt(start - longest); index < first; index += 1)
      if (createdAt(index) < start && endsAt(index) > start) found.push(index);
    return found;
  }

  const fails = (index: number) => chanceOf(index, seed + 2) < 1 / FAILS_ONE_IN;
  return {
    rate,
    start,
    first,
    count,
    indexAt,
    openAtStart,
    positionAt: (index, time) => positionOf(time - createdAt(index), lengthOf(index)),
    eventsOf: (index) => Array.from({ length: EVENTS_PER_RUN }, (_, position) => eventOf(index, lengthOf(index), position)),
    endsAt,
    program: (index) => ({
      id: idOf(index),
      createdAt: createdAt(index),
      endsAt: endsAt(index),
      state: fails(index) ? "RUN_FAILED" : "RUN_SUCCESS",
    }),
    events: (from, to) =>
      MIX.flatMap(({ length }) => Array.from({ length: EVENTS_PER_RUN }, (_, position) => eventsAt(length, position, from, to)).flat()),
  };
}

/** The first half of a run's events follow its start, the others lead to its end. */
function offsetOf(position: number, length: number): number {
  if (position < EVENTS_PER_RUN / 2) return position * EVENT_DISTANCE_MS;
  return length - (EVENTS_PER_RUN - 1 - position) * EVENT_DISTANCE_MS;
}

function positionOf(offset: number, length: number): number {
  const first = offset / EVENT_DISTANCE_MS;
  return first < EVENTS_PER_RUN / 2 ? first : EVENTS_PER_RUN - 1 - (length - offset) / EVENT_DISTANCE_MS;
}

function stateAt(position: number, fails: boolean): string {
  if (position === 0) return "RUN_STARTED";
  if (position === EVENTS_PER_RUN - 1) return fails ? "RUN_FAILED" : "RUN_SUCCESS";
  return MESSAGE_STATES[(position - 1) % MESSAGE_STATES.length] ?? "CREATED";
}

const INITIAL: Step = { id: 0, name: "init", type: "Initial", callType: "step", state: "", errors: [] };
const WORK: Step = { ...INITIAL, id: 1, name: "work", type: "Run" };

/** The first message begins the run, the second one carries the result of its step; a log with gaps would be waited for. */
function messageAt(position: number): Pick<RunEvent, "messageId" | "step"> {
  if (position === 0 || position === EVENTS_PER_RUN - 1) return {};
  const message = Math.floor((position - 1) / MESSAGE_STATES.length);
  return { messageId: `msg_${message}`, ...(message < 2 && { step: message === 0 ? INITIAL : WORK }) };
}

/** Ids are as long as the API's own. */
const idOf = (index: number) => `wfr_${String(index).padStart(21, "0")}`;

export const indexOf = (id: string): number => Number(id.slice(4));

/** In [0, 1), from the number alone: a few rounds of multiply and shift. */
function chanceOf(index: number, seed: number): number {
  let mixed = (index ^ Math.imul(seed + 1, 0x9e3779b1)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
