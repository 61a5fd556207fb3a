import { expect, test } from "vitest";
import { readAttempts } from "../../src/trace/message-attempts.ts";
import { readMessages } from "../../src/trace/messages.ts";
import { info, message } from "../support/message-log.ts";
import { at } from "../support/run-builder.ts";

type Line = Parameters<typeof message>[2];

/** Attempts as `start–end`, `!` where it failed, `→time` where its retry was due; `incomplete` behind them if so. */
function attempts(...lines: Line[]): string {
  const [read] = readMessages(message("msg_1", info("Run", "a", { id: 1 }), ...lines)).messages;
  const offset = (time: number | undefined) => (time === undefined ? "?" : String(time - at(0)));
  const words = read!.attempts.map(
    ({ start, end, error, retryAt }) =>
      `${offset(start)}–${offset(end)}${error === undefined ? "" : `!${error.status ?? ""}`}${retryAt === undefined ? "" : `→${offset(retryAt)}`}`,
  );
  return [...words, ...(read!.complete ? [] : ["incomplete"])].join(" ");
}
const error: Line[2] = { error: "500 Internal Server Error", responseStatus: 500 };

test("an attempt is ACTIVE and what came of it", () => {
  expect(attempts([0, "CREATED"], [1, "ACTIVE"], [5, "DELIVERED"])).toBe("1–5");
  expect(attempts([0, "CREATED"], [1, "ACTIVE"])).toBe("1–?");
  expect(attempts([0, "CREATED"], [1, "ACTIVE"], [5, "CANCELED"])).toBe("1–5");
  expect(attempts([0, "CREATED"], [5, "CANCELED"])).toBe("");
  expect(attempts([0, "CREATED"], [1, "ACTIVE"], [3, "THROTTLED"], [5, "DELIVERED"])).toBe("1–5");
});

test("a failed attempt shows as ERROR and RETRY, as either of them alone, or as DELIVERED before another ACTIVE", () => {
  const retried: Line[] = [
    [20, "ACTIVE"],
    [25, "DELIVERED"],
  ];
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [5, "RETRY", { nextDeliveryTime: at(19) }], ...retried)).toBe("1–5!500→19 20–25");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", { ...error, nextDeliveryTime: at(19) }], ...retried)).toBe("1–5!500→19 20–25");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], ...retried)).toBe("1–5!500 20–25");
  expect(attempts([1, "ACTIVE"], [5, "RETRY", { ...error, nextDeliveryTime: at(19) }], ...retried)).toBe("1–5!500→19 20–25");
  expect(attempts([1, "ACTIVE"], [5, "DELIVERED"], ...retried)).toBe("1–5! 20–25");
  expect(attempts([1, "ACTIVE"], [5, "DELIVERED", { responseStatus: 503 }], ...retried)).toBe("1–5!503 20–25");
  expect(attempts([1, "ACTIVE"], [5, "DELIVERED"], [6, "RETRY", error], ...retried)).toBe("1–5!500 20–25");
});

test("what was given up ends with its error, with or without one", () => {
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [5, "FAILED"])).toBe("1–5!500");
  expect(attempts([1, "ACTIVE"], [5, "FAILED", error])).toBe("1–5!500");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [7, "FAILED"])).toBe("1–5!500");
});

test("states of one millisecond are read in the order in which they can have come", () => {
  expect(attempts([1, "CREATED"], [1, "ACTIVE"], [1, "DELIVERED"])).toBe("1–1");
  expect(attempts([1, "ACTIVE"], [5, "RETRY", { nextDeliveryTime: at(5) }], [5, "ERROR", error], [5, "ACTIVE"], [9, "DELIVERED"])).toBe(
    "1–5!500→5 5–9",
  );
  expect(attempts([1, "ACTIVE"], [1, "ERROR", error], [1, "RETRY"], [5, "ACTIVE"], [5, "DELIVERED"])).toBe("1–1!500 5–5");
  expect(attempts([1, "ACTIVE"], [5, "ACTIVE"], [5, "DELIVERED"], [9, "DELIVERED"])).toBe("1–5! 5–9");
  expect(attempts([1, "ACTIVE"], [5, "FAILED"], [5, "ERROR", error])).toBe("1–5!500");
});

test("holes are seen where the log shows them", () => {
  expect(attempts([1, "ACTIVE"], [20, "ACTIVE"], [25, "DELIVERED"])).toBe("1–?! 20–25 incomplete");
  expect(attempts([5, "ERROR", error], [20, "ACTIVE"], [25, "DELIVERED"])).toBe("?–5!500 20–25 incomplete");
  expect(attempts([5, "DELIVERED"])).toBe("?–5 incomplete");
  expect(attempts([5, "RETRY"], [20, "ACTIVE"])).toBe("?–5! 20–? incomplete");
  expect(attempts([5, "FAILED"])).toBe("?–5! incomplete");
});

test("an attempt of which nothing is left but that it was retried, or the last one, is one of its own", () => {
  const retried: Line[] = [
    [1, "ACTIVE"],
    [5, "ERROR", error],
    [5, "RETRY", { nextDeliveryTime: at(19) }],
  ];
  expect(attempts(...retried, [25, "RETRY", { nextDeliveryTime: at(90) }], [91, "ACTIVE"], [95, "DELIVERED"])).toBe(
    "1–5!500→19 ?–25!→90 91–95 incomplete",
  );
  expect(attempts(...retried, [25, "FAILED"])).toBe("1–5!500→19 ?–25! incomplete");
  const announced = { ...error, nextDeliveryTime: at(19) };
  expect(attempts([1, "ACTIVE"], [5, "ERROR", announced], [25, "FAILED"]), "its ERROR announced it").toBe("1–5!500→19 ?–25! incomplete");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", announced], [6, "RETRY"], [20, "ACTIVE"])).toBe("1–5!500→19 20–?");
});

test("what came of an attempt is said at once: long after its end it is said of another", () => {
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [1_005, "FAILED"])).toBe("1–5!500");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [1_006, "FAILED"])).toBe("1–5!500 ?–1006! incomplete");
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], [2_000, "RETRY", { nextDeliveryTime: at(9_000) }])).toBe(
    "1–5!500 ?–2000!→9000 incomplete",
  );
  const atItsTime: Line = [2_000, "RETRY", { nextDeliveryTime: at(2_000) }];
  expect(attempts([1, "ACTIVE"], [5, "ERROR", error], atItsTime, [2_001, "ACTIVE"]), "said when the next one is due").toBe(
    "1–5!500→2000 2001–?",
  );
});

test("no events, no attempts", () => {
  expect(readAttempts([])).toEqual({ attempts: [], complete: true });
});
