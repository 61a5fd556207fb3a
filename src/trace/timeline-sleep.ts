import type { Millis, SleepLength } from "../model/run.ts";

/** A sequential sleep and the room it had: from its start to the next boundary. */
export interface Sleep {
  readonly length: SleepLength;
  readonly room: Millis;
  /** The run was canceled in it, perhaps: its room says nothing about its length. */
  readonly cut: boolean;
}

/** The SDK sleeps whole seconds, so a length in ms is a multiple of this. */
const SECOND = 1_000;
/** By how much a sleep may seem to end after what follows it. */
const JITTER = 500;

/**
 * How long each sleep of a run was, in ms. The log writes a bare number in seconds or in milliseconds; it is
 * seconds if so many fit the gap that follows. Where both would fit and the number is a multiple of 1,000,
 * the gap may just be a thousand times longer than the sleep: then the run's other sleeps decide.
 */
export function sleepLengths(sleeps: readonly Sleep[]): Millis[] {
  const sure = sleeps.map(surely);
  const likely = sure.includes("ms") ? "ms" : "s";
  return sleeps.map((sleep, index) => {
    const unit = sleep.length.unit === "ms" ? "ms" : (sure[index] ?? (inRoom(sleep) || sure.includes("s") ? likely : "ms"));
    return unit === "s" ? inSeconds(sleep) : sleep.length.value;
  });
}

function surely(sleep: Sleep): "s" | "ms" | undefined {
  const { length, room, cut } = sleep;
  if (length.unit === "ms") return undefined;
  if (length.value % SECOND !== 0 && (cut || inRoom(sleep))) return "s";
  return !cut && !inRoom(sleep) && length.value <= room + JITTER ? "ms" : undefined;
}

function inRoom({ length, room }: Sleep): boolean {
  return Math.floor(length.value) * SECOND <= room + JITTER;
}

/** The engine is asked for whole seconds only; a fraction counts where there is room for it. */
function inSeconds({ length, room }: Sleep): Millis {
  const exact = Math.round(length.value * SECOND);
  return exact <= room + JITTER ? exact : Math.floor(length.value) * SECOND;
}
