import { expect, test } from "vitest";
import { roomIn } from "../../src/pipeline/room.ts";

function rig(liveBytes: number, payloadBytes: number) {
  const size = { liveBytes, payloadBytes, quarantineBytes: 0, eventBytes: 0 };
  const clock = { now: 0, asked: 0 };
  const store = {
    size: async () => {
      clock.asked += 1;
      return { ...size };
    },
  };
  return { size, clock, hasRoom: roomIn(store, 1_000, { monotonic: () => clock.now }) };
}

test.each([
  [999, 999, true],
  [1_000, 900, false],
  [5_000, 1, false],
  [5_000, 0, true],
])("of 1,000 bytes %i are taken, %i of them by payloads: room %j", async (live, payloads, expected) => {
  expect(await rig(live, payloads).hasRoom()).toBe(expected);
});

test("the state is asked once a second, not at every page", async () => {
  const { size, clock, hasRoom } = rig(1_000, 900);
  expect(await hasRoom()).toBe(false);
  size.liveBytes = 100;
  clock.now = 999;
  expect([await hasRoom(), clock.asked]).toEqual([false, 1]);
  clock.now = 1_000;
  expect([await hasRoom(), clock.asked]).toEqual([true, 2]);
});
