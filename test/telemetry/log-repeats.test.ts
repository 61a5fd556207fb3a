import { expect, test } from "vitest";
import { createRepeatLimit } from "../../src/telemetry/log-repeats.ts";

function setUp() {
  let now = 0;
  const judge = createRepeatLimit(1_000, () => now);
  return {
    judge,
    pass(ms: number) {
      now += ms;
    },
  };
}

const WRITE = { write: true, suppressed: 0 };
const LEAVE_OUT = { write: false };

test("so many of a kind are written in a window, the others are left out", () => {
  const { judge, pass } = setUp();
  expect([judge("a", 2), judge("a", 2), judge("a", 2)]).toEqual([WRITE, WRITE, LEAVE_OUT]);
  pass(999);
  expect(judge("a", 2)).toEqual(LEAVE_OUT);
});

test("the first line of the next window says how many were left out, once", () => {
  const { judge, pass } = setUp();
  for (let n = 0; n < 5; n += 1) judge("a", 1);
  pass(1_000);
  expect(judge("a", 2)).toEqual({ write: true, suppressed: 4 });
  expect(judge("a", 2)).toEqual(WRITE);
});

test("one kind does not silence another", () => {
  const { judge } = setUp();
  expect([judge("a", 1), judge("a", 1), judge("b", 1)]).toEqual([WRITE, LEAVE_OUT, WRITE]);
});

test("endlessly many kinds are not all remembered", () => {
  const { judge } = setUp();
  judge("first", 1);
  for (let n = 0; n < 1_000; n += 1) judge(`${n}`, 1);
  expect(judge("first", 1)).toEqual(WRITE);
});
