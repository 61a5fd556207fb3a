import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/**
 * A sidecar's memory before its speed. V8 doubles the space for young objects during the start, to 32 MiB that are never
 * given back. It optimizes what has run a few hundred times, which reading one page of a log is: its compilers and
 * their working space then stay in memory, 12 MiB, in a process that mostly waits; at twenty times the usual counts work
 * that goes on for a second is optimized all the same. And it lets garbage pile up to several times what is in use,
 * where a tenth more than that costs a hundredth of a core at 17 runs/s, and saves 28 MiB. To be called before anything large is loaded.
 */
export function preferSmallMemory(): void {
  setFlags([
    "--semi-space-growth-factor=1",
    "--invocation-count-for-maglev=10000",
    "--invocation-count-for-turbofan=60000",
    "--heap-growing-percent=5",
  ]);
}

function setFlags(flags: readonly string[]): void {
  for (const flag of flags) setFlagsFromString(flag);
}

/** Eight times the 1 MiB that it begins with. */
const GROWTH = 8;
/** It grows in one go, so half of it is enough to know. */
const GROWN_BYTES = (GROWTH / 2) * 1024 * 1024;
/** Objects, several MiB of them: V8 needs 1 MiB of survivors to let the space grow. */
const MOST_SURVIVORS = 100_000;

/**
 * For what works through a backlog and ends: in the 1 MiB that a sidecar is content with, V8 collects 200 times a second
 * and promotes what a moment later is garbage, which is a sixth of all processor time. The space only grows when enough
 * has survived, so something does. 14 MiB more, and not more at the peak.
 */
export function makeRoomForWork(): void {
  setFlags([`--semi-space-growth-factor=${GROWTH}`, "--heap-growing-percent=100"]);
  const survivors: object[] = [];
  while (survivors.length < MOST_SURVIVORS && youngCapacity() < GROWN_BYTES) {
    survivors.push(...Array.from({ length: 1_000 }, (_, index) => ({ index })));
  }
  setFlags(["--semi-space-growth-factor=1"]);
}

/**
 * @returns bytes that young objects may fill before they are collected. Not `space_size`: that also counts pages that are
 * no longer used and not yet given back, up to several times as much on a busy machine.
 */
function youngCapacity(): number {
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
  return young === undefined ? 0 : young.space_used_size + young.space_available_size;
}
