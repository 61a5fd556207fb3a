import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MEMORY = join(import.meta.dirname, "../../src/commands/memory.ts");

/**
 * In a process of its own, since V8's flags are for all of one.
 * @returns MiB that young objects may fill, while plenty of them are made: the median of many looks, since a collection
 * that is just going on may have taken more for its time
 */
function youngMiB(calls: string): number {
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { makeRoomForWork, preferSmallMemory } from ${JSON.stringify(MEMORY)};
    ${calls}
    const [kept, seen] = [[], []];
    for (let n = 0; n < 2_000_000; n += 1) {
      kept[n % 50_000] = { n };
      if (n % 2_000 !== 0) continue;
      const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
      seen.push((young.space_used_size + young.space_available_size) / 2 ** 20);
    }
    console.log(seen.toSorted((a, b) => a - b)[seen.length / 2]);`;
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }));
}

test("left alone, V8 takes more and more for young objects", () => {
  expect(youngMiB("")).toBeGreaterThan(4);
});

test("a sidecar's space for young objects stays as small as it begins", () => {
  expect(youngMiB("preferSmallMemory();")).toBeCloseTo(1, 1); // V8 keeps some words of it for itself
});

test("what works through a backlog has eight times that, and no more", () => {
  expect(youngMiB("preferSmallMemory(); makeRoomForWork();")).toBeCloseTo(8, 1);
});
