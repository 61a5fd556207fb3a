import type { MessageEvent } from "../../src/model/event.ts";
import type { Step } from "../../src/model/run.ts";
import { at, step, T0 } from "./run-builder.ts";

/** An event of the run that `aRun` makes, `time` ms after its creation. */
export function event(time: number, state: string, over: Partial<MessageEvent> = {}): MessageEvent {
  return { id: "wfr_order", createdAt: T0, time: at(time), state, url: "https://shop.example.com/api/orders", ...over };
}

/** What a message carries; it is made when its CREATED says so. */
export function info(type: string, name: string, over: Partial<Step> = {}): Step {
  return step(type, name, undefined, { concurrent: 1, ...over });
}

/** A message's events: `[time, state, more?]` each, times in ms after the run's creation. */
export function message(
  messageId: string,
  about: Step,
  ...events: (readonly [time: number, state: string, more?: Partial<MessageEvent>])[]
): MessageEvent[] {
  return events.map(([time, state, more]) => event(time, state, { messageId, step: { ...about, messageId }, ...more }));
}

/** The first message, delivered at once. */
export function init(...events: (readonly [time: number, state: string, more?: Partial<MessageEvent>])[]): MessageEvent[] {
  const own =
    events.length > 0
      ? events
      : ([
          [1, "CREATED"],
          [2, "ACTIVE"],
          [900, "DELIVERED"],
        ] as const);
  return message("msg_initial", info("Initial", "init"), ...own);
}
