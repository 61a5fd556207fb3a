import type { MessageEvent } from "../model/event.ts";
import type { RunKey } from "../model/run.ts";

/** How an event of the message log is kept until its run is collected: as text, without what its run's key says. */

/** Of one run, compact (trace/compact-event.ts). */
export interface RunEvents {
  readonly key: RunKey;
  readonly events: readonly MessageEvent[];
}

/** A run with more events than this is mapped without: they are read into memory at once. */
export const MAX_EVENTS_PER_RUN = 50_000;

/** What a row costs besides its text: its key's numbers, the check sum, and its share of a page. */
export const EVENT_ROW_BYTES = 32;

/** Two events are the same if their text is. */
export function eventText({ id: _, createdAt: __, ...rest }: MessageEvent): string {
  return JSON.stringify(rest);
}

/** In bytes, as `PageCommit.events.maxBytes` counts. */
export function eventBytes(text: string): number {
  return Buffer.byteLength(text) + EVENT_ROW_BYTES;
}

/** @param text as `eventText` made it */
export function storedEvent({ id, createdAt }: RunKey, text: string): MessageEvent {
  return { id, createdAt, ...(JSON.parse(text) as Omit<MessageEvent, keyof RunKey>) };
}
