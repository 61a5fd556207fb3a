import { createLogStore, type LogStore } from "../log-store.ts";
import type { Millis } from "../wire.ts";
import recorded from "./demo.recorded.json" with { type: "json" };
import { putLogs, type Recording, unpack } from "./recording.ts";

/** Where the demo's runs come from: the logs that they are in, growing. */
export interface Stage {
  readonly store: LogStore;
  /** One line for people. */
  readonly title: string;
  /** No further run will begin. */
  isOver(): boolean;
  close(): Promise<void>;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** When the last run of each recording ends, from the moment the curtain rises (ms): four are history (after the daemon's epoch), the others end before one's eyes. */
const PROGRAMME: Readonly<Record<keyof typeof recorded, Millis>> = {
  campaign: -4 * MINUTE,
  reminder: -3 * MINUTE,
  import: -2 * MINUTE,
  onboarding: -1 * MINUTE,
  order: 4 * SECOND,
  gallery: 6 * SECOND,
  expense: 8 * SECOND,
  support: 9.5 * SECOND,
  payment: 11 * SECOND,
  "payment-link": 13 * SECOND,
  "sign-up": 14 * SECOND,
  "nightly-report": 15 * SECOND,
};

/** Puts all recorded runs into a store, as if they happened around `now`. */
export function putRecorded(store: LogStore, now: Millis): void {
  const recordings = recorded as unknown as Readonly<Record<string, Recording>>; // as pack() made them
  for (const [name, end] of Object.entries(PROGRAMME)) {
    const recording = recordings[name];
    if (recording !== undefined) putLogs(store, unpack(recording, now + end));
  }
}

/** The recorded programs, around `now`. */
export function recordedStage(now: Millis): Stage {
  const store = createLogStore();
  putRecorded(store, now);
  const ended = store.allRuns().filter((run) => (run.workflowRunCompletedAt ?? now) < now).length;
  const title = `${Object.keys(PROGRAMME).length} recorded programs, ${store.allRuns().length} runs, ${ended} of them over already`;
  return { store, title, isOver: () => true, close: async () => {} };
}
