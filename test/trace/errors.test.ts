import { expect, test } from "vitest";
import { errorEvents, errorType, failedStatus, isHttpStatus } from "../../src/trace/errors.ts";
import { mappingOf } from "../../src/trace/mapping.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, at, error, settingsWith } from "../support/run-builder.ts";

test.each([
  [{ message: "", status: 500 }, "500"],
  [{ message: "connection refused", status: 503 }, "503"],
  [{ message: "", status: 489 }, "non_retryable"],
  [{ message: "489 status code 489" }, "non_retryable"],
  [{ message: "500 Internal Server Error", status: 0 }, "500"],
  [{ message: "404" }, "404"],
  [{ message: "5000 things went wrong" }, "_OTHER"],
  [{ message: "request timed out" }, "timeout"],
  [{ message: "Client.Timeout exceeded: context deadline exceeded" }, "timeout"],
  [{ message: "dial tcp 10.0.0.1:443: connect: connection refused" }, "connection"],
  [{ message: "getaddrinfo ENOTFOUND shop.example.com" }, "connection"],
  [{ message: "unexpected EOF" }, "connection"],
  [{ message: "x509: certificate signed by unknown authority" }, "connection"],
  [{ message: "the cart is empty" }, "_OTHER"],
  [undefined, "_OTHER"],
])("%o is of type %s", (one, expected) => {
  expect(errorType(one)).toBe(expected);
});

test("an HTTP status has three digits", () => {
  expect([99, 100, 599, 1_000, 200.5, Number.NaN].map(isHttpStatus)).toEqual([false, true, true, false, false, false]);
  expect(isHttpStatus(undefined)).toBe(false);
});

const run = aRun(1_000, []);
const mapping = mappingOf(run, ownPlacement(run, settingsWith()), settingsWith());

test("attempts that were retried are events at their time; the error that ended the step is its exception", () => {
  const errors = [error(100, 502, "502 Bad Gateway"), error(undefined, undefined, "timeout")];
  const failedAttempt = {
    "upstash.workflow.attempt.number": 1,
    "http.response.status_code": 502,
    "error.type": "502",
    "upstash.workflow.attempt.message": "502 Bad Gateway",
  };
  expect(errorEvents(mapping, errors, true, at(900))).toEqual([
    { name: "upstash.workflow.attempt.failed", time: at(100), attributes: failedAttempt },
    { name: "exception", time: at(900), attributes: { "exception.type": "timeout", "exception.message": "timeout" } },
  ]);
  expect(errorEvents(mapping, errors, false, at(900))[1]).toEqual({
    name: "upstash.workflow.attempt.failed",
    time: at(900),
    attributes: { "upstash.workflow.attempt.number": 2, "error.type": "timeout", "upstash.workflow.attempt.message": "timeout" },
  });
});

test("an error's words become the status, without secrets", () => {
  expect(failedStatus(mapping, error(1, 500, "no entry with token=abc123secret"))).toEqual({
    code: "error",
    message: "no entry with token=REDACTED",
  });
  expect(failedStatus(mapping, error(1, 500, ""))).toEqual({ code: "error" });
  expect(failedStatus(mapping, undefined)).toEqual({ code: "error" });
});
