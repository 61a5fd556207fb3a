import { invokes, nonRetryable, parallelFails, parallelMixed, retriesExhausted, retryAfter } from "./failing.ts";
import { calls, nested, parallelTwenty, parallelTwo, retryRecovers, sequential } from "./plain.ts";
import type { Program } from "./program.ts";
import {
  cancelInSleep,
  delayedStart,
  flowControlled,
  notifyFromInside,
  parallelSleeps,
  sleeps,
  waitNotified,
  waitTimesOut,
  waitTooLate,
  webhook,
} from "./waiting.ts";

/** Every program, for the tests, the truth report and the demo. */
export const programs: readonly Program[] = [
  sequential,
  parallelTwo,
  parallelTwenty,
  nested,
  calls,
  retryRecovers,
  sleeps,
  parallelSleeps,
  waitNotified,
  waitTimesOut,
  waitTooLate,
  notifyFromInside,
  webhook,
  cancelInSleep,
  delayedStart,
  flowControlled,
  retriesExhausted,
  nonRetryable,
  retryAfter,
  parallelFails,
  invokes,
  parallelMixed,
];
