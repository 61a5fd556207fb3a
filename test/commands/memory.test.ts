import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MEMORY = join(import.meta.dirname, "../../src/commands/memory.ts");

/** In a process of its own, since V8's flags are for all of one. @returns MiB of the space for young objects, after plenty of them */
function youngMiB(calls: string): number {
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { makeRoomForWork, preferSmallMemory } from ${JSON.stringify(MEMORY)};
    ${calls}
    const kept = [];
    for (let n = 0; n < 2_000_000; n += 1) kept[n % 50_000] = { n };
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 2 ** 20);`;
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }));
}

test("a sidecar's space for young objects stays as small as it begins", () => {
  expect(youngMiB("preferSmallMemory();")).toBeLessThanOrEqual(4); // V8 rounds; it would be 32
});

test("what works through a backlog has eight times that, and no more", () => {
  expect(youngMiB("preferSmallMemory(); makeRoomForWork();")).toBe(16);
});
