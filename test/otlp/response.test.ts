import { describe, expect, it } from "vitest";
import { classify, type Reply } from "../../src/otlp/response.ts";

const NOW = Date.UTC(2026, 0, 1);
const CANARY = "canary-secret-7d1f";
const context = { now: NOW, scrub: (text: string) => text.replaceAll(CANARY, "[REDACTED]") };

const reply = (status: number, body: Uint8Array | string = "", headers: Reply["headers"] = {}): Reply => ({
  status,
  headers,
  body: Buffer.from(body),
});
const outcome = (...of: Parameters<typeof reply>) => classify(reply(...of), context);

const PROTOBUF = { "content-type": "application/x-protobuf" };
const JSON_TYPE = { "content-type": "application/json" };
const HTML = { "content-type": "text/html" };
/** ExportTraceServiceResponse{partial_success{rejected_spans: 3, error_message: "no"}} */
const PARTIAL = Buffer.from([0x0a, 0x06, 0x08, 0x03, 0x12, 0x02, 0x6e, 0x6f]);
/** google.rpc.Status{code: 3, message: "no"} */
const STATUS = Buffer.from([0x08, 0x03, 0x12, 0x02, 0x6e, 0x6f]);

describe("2xx", () => {
  it.each([
    ["an empty body", 200, "", {}],
    ["204", 204, "", {}],
    ["202 without a body", 202, "", HTML],
    ["a body of white space", 200, " \r\n", { "content-type": "text/plain" }],
    ["an empty JSON answer", 200, "{}", JSON_TYPE],
    ["a JSON answer to protobuf, labelled as nothing", 200, " \n{} ", {}],
    ["an empty partial success as JSON", 200, '{"partialSuccess":{}}', JSON_TYPE],
    ["no partial success as JSON", 200, '{"partialSuccess":null}', JSON_TYPE],
    ["nothing rejected, as a string", 200, '{"partialSuccess":{"rejectedSpans":"0"}}', JSON_TYPE],
    ["an empty partial success as protobuf", 200, Buffer.from([0x0a, 0x00]), PROTOBUF],
    ["an empty partial success as protobuf, labelled as nothing", 200, Buffer.from([0x0a, 0x00]), {}],
    ["a protobuf answer labelled as JSON", 200, Buffer.from([0x0a, 0x02, 0x08, 0x00]), JSON_TYPE],
    ["fields of a later version as protobuf", 200, Buffer.from([0x0a, 0x02, 0x18, 0x01, 0x10, 0x07]), PROTOBUF],
    ["fields of a later version as JSON", 200, '{"later":1}', JSON_TYPE],
  ])("with %s is delivered", (_, status, body, headers) => {
    expect(outcome(status, body, headers)).toEqual({ kind: "delivered" });
  });

  it.each([
    ["as JSON", '{"partialSuccess":{"errorMessage":"slow\\u001b[31m down"}}', JSON_TYPE],
    ["as protobuf", Buffer.concat([Buffer.from([0x0a, 0x10, 0x12, 0x0e]), Buffer.from("slow\u001b[31m down")]), PROTOBUF],
  ])("with a message and nothing rejected is delivered with a warning, %s", (_, body, headers) => {
    expect(outcome(200, body, headers)).toEqual({ kind: "delivered", warning: "slow[31m down" });
  });

  it.each([
    ["a number", '{"partialSuccess":{"rejectedSpans":3,"errorMessage":"no"}}', JSON_TYPE],
    ["a string", '{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}', JSON_TYPE],
    ["under its original names", '{"partial_success":{"rejected_spans":3,"error_message":"no"}}', {}],
    ["protobuf", PARTIAL, PROTOBUF],
    ["protobuf labelled as nothing", PARTIAL, {}],
  ])("with rejected spans as %s is partial", (_, body, headers) => {
    expect(outcome(200, body, headers)).toEqual({ kind: "partial", rejectedSpans: 3, message: "no" });
  });

  it.each([
    ["HTML", "<!doctype html><title>Sign in</title>", HTML],
    ["HTML labelled as protobuf", "<html>", PROTOBUF],
    ["HTML labelled as JSON", "<html>", JSON_TYPE],
    ["text", "OK", {}],
    ["a problem by its type", "{}", { "content-type": "application/problem+json" }],
    ["text that is protobuf by accident", "hi", { "content-type": "text/plain" }],
    ["JSON that is no object", "[]", JSON_TYPE],
    ["a gateway's error", '{"error":"quota"}', JSON_TYPE],
    ["torn JSON", '{"partialSuccess":', JSON_TYPE],
    ["torn protobuf", PARTIAL.subarray(0, 5), PROTOBUF],
    ["a count that is none", '{"partialSuccess":{"rejectedSpans":"many"}}', JSON_TYPE],
    ["a negative count", '{"partialSuccess":{"rejectedSpans":-1}}', JSON_TYPE],
    ["a message that is no text", '{"partialSuccess":{"errorMessage":{}}}', JSON_TYPE],
    ["a partial success that is none", '{"partialSuccess":"yes"}', JSON_TYPE],
    ["a negative count as protobuf", Buffer.from([0x0a, 0x0b, 0x08, ...Array(9).fill(0xff), 0x01]), PROTOBUF],
    ["a partial success of the wrong type", Buffer.from([0x08, 0x01]), {}],
    ["a field of a later version that nothing labels", Buffer.from([0x0a, 0x02, 0x18, 0x01]), {}],
    ["a field number that cannot be", Buffer.from([0x00, 0x00]), PROTOBUF],
  ])("with %s is misconfigured", (_, body, headers) => {
    expect(outcome(200, body, headers)).toMatchObject({
      kind: "misconfigured",
      status: 200,
      reason: expect.stringContaining("no OTLP answer"),
    });
  });

  it.each([
    { status: "ok" },
    { status: "OK", message: "" },
    { status: "success", data: { resultType: "matrix" } },
    { status: "202 Accepted" },
    { status: 200 },
    { status: 1 },
    { status: true },
    { message: "accepted" },
    { Message: "Request was successfully received." },
    { message: "no errors" },
    { msg: "success", code: 0 },
    { code: 200, status: [{ name: "default", successful: 1, failed: 0 }] },
    { code: "0", result: "SUCCESS_QUEUED" },
    { code: "OK" },
    { success: true, errors: [], messages: [], result: null },
    { took: 3, errors: false, items: [] },
    { ingested: 0, failed: 0, failures: [], processedBytes: 12 },
    { ok: true, detail: null },
    { accepted: 0, rejected: 0 },
    { error: null, err: "", errorCode: 0 },
    { rate_by_service: { "service:,env:": 1 } },
    { requestId: "7f", time: "2026-01-01T00:00:00Z", host: "ingest-1", code: null },
    { statusCode: 202, body: "" },
    { partialSuccess: {}, status: { code: 0, message: "" } },
  ])("with %j beside or instead of an OTLP answer is delivered", (body) => {
    expect(outcome(200, JSON.stringify(body), JSON_TYPE)).toEqual({ kind: "delivered" });
  });

  it.each([
    { code: 16, message: "unauthenticated" },
    { code: 16 },
    { code: "3" },
    { code: "AccessDenied" },
    { code: 401, message: "ok" },
    { success: false, message: "invalid api key" },
    { Success: "false" },
    { ok: false },
    { isOk: false },
    { authenticated: false },
    { accepted: false },
    { status: "error" },
    { status: "fail", data: { title: "x" } },
    { status: "unauthorized" },
    { status: "unsuccessful" },
    { status: "not ok" },
    { status: 16 },
    { status: 403, title: "Forbidden" },
    { status: "401" },
    { status: false },
    { status: { code: 7, message: "permission denied" } },
    { statusCode: 401, body: "{}" },
    { http_status: 503 },
    { message: "invalid api key" },
    { message: "Please sign in" },
    { message: ["accepted", "quota exceeded"] },
    { detail: "Not authenticated" },
    { msg: "accepted, but dropped" },
    { reason: "trial over" },
    { result: "failure" },
    { result: { success: false } },
    { response: { error: "x" } },
    { error: "quota" },
    { error: {}, errors: ["x"] },
    { error: true },
    { error_description: "expired" },
    { errorCode: "Unauthorized", errorMessage: "x" },
    { errmsg: "x", errcode: 40001 },
    { ingested: 0, failed: 1 },
    { failures: [{ error: "x" }] },
    { rejected: 5 },
    { fault: { faultstring: "Invalid ApiKey" } },
    { partialSuccess: {}, code: 13 },
  ])("with %j says an error, and is misconfigured", (body) => {
    expect(outcome(200, JSON.stringify(body), JSON_TYPE)).toMatchObject({
      kind: "misconfigured",
      status: 200,
      reason: expect.stringContaining("no OTLP answer"),
    });
  });

  it("that is nested without end says an error rather than nothing", () => {
    const deep = `${'{"status":'.repeat(50)}0${"}".repeat(50)}`;
    expect(outcome(200, deep, JSON_TYPE)).toMatchObject({ kind: "misconfigured" });
  });

  it("that goes on for more than is read is misconfigured", () => {
    expect(classify({ ...reply(200, "{}"), truncated: true }, context)).toMatchObject({ kind: "misconfigured", status: 200 });
  });
});

it.each([408, 429, 502, 503, 504])("%i is retried, and holds up the destination", (status) => {
  expect(outcome(status, "busy")).toEqual({ kind: "retry", scope: "destination", reason: `HTTP ${status}: busy`, status, suspect: false });
});

it.each([500, 501, 505, 507, 520, 599])("%i is retried, and only the batch waits and is suspect", (status) => {
  expect(outcome(status)).toEqual({ kind: "retry", scope: "batch", reason: `HTTP ${status}`, status, suspect: true });
});

it.each([400, 413, 422])("%i is refused, in the backend's words", (status) => {
  expect(outcome(status, STATUS, PROTOBUF)).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status, '{"code":3,"message":"no"}', JSON_TYPE)).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status, '{"error":{"message":"no"}}', JSON_TYPE)).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status, '{"error":"no"}')).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status, '"no"')).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status, '["no"]')).toEqual({ kind: "refused", status, message: '["no"]' });
  expect(outcome(status, "no", PROTOBUF)).toEqual({ kind: "refused", status, message: "no" });
  expect(outcome(status)).toEqual({ kind: "refused", status, message: "" });
});

it.each([
  [100, ""],
  [300, "redirects are not followed"],
  [301, "redirects are not followed"],
  [307, "redirects are not followed"],
  [401, "check the destination's headers"],
  [402, ""],
  [403, "check the destination's headers"],
  [404, "check the path"],
  [405, "check the path"],
  [415, "the other encoding"],
  [418, ""],
])("%i is misconfigured", (status, advice) => {
  expect(outcome(status, "no")).toEqual({ kind: "misconfigured", status, reason: expect.stringContaining(advice) });
});

it("names where a redirect points, without its query", () => {
  expect(outcome(302, "", { location: `https://login.example.com/in?back=${CANARY}` })).toMatchObject({
    reason: "HTTP 302 (redirects are not followed; it points to https://login.example.com/in)",
  });
});

describe("Retry-After", () => {
  it.each([
    ["0", 0],
    ["30", 30_000],
    [" 1.5 ", 1_500],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["86400", 3_600_000],
    ["9".repeat(400), 3_600_000],
    ["Fri, 01 Jan 2286 00:00:00 GMT", 3_600_000],
  ])("%s is heard", (value, retryAfterMs) => {
    expect(outcome(503, "", { "retry-after": value })).toMatchObject({ kind: "retry", retryAfterMs });
    expect(outcome(500, "", { "retry-after": [value] })).toMatchObject({ kind: "retry", retryAfterMs });
  });

  it.each(["", "soon", "-"])("%j is not", (value) => {
    expect(outcome(429, "", { "retry-after": value })).not.toHaveProperty("retryAfterMs");
  });

  it("as a date is measured on the server's own clock where it shows it", () => {
    const headers = { "retry-after": "Thu, 01 Jan 2026 01:00:30 GMT", date: "Thu, 01 Jan 2026 01:00:00 GMT" };
    expect(outcome(503, "", headers)).toMatchObject({ retryAfterMs: 30_000 });
  });
});

describe("the backend's words", () => {
  it("are cut to 2,048 characters on one line without control characters", () => {
    const message = (outcome(400, `a\r\n\u001b[31mb\u0000\u202e\u200b${"x".repeat(5_000)}`) as { message: string }).message;
    expect(message).toBe(`a [31mb${"x".repeat(2_041)}`);
  });

  it("hold no secret, not even half of one at the cut or one put together by what is removed", () => {
    const at = (before: number) => outcome(400, `${"x".repeat(before)}${CANARY}`) as { message: string };
    expect(at(2_040).message).not.toContain("canary");
    const unseen = outcome(400, `${"\u0000".repeat(65_530)}${CANARY}`) as { message: string };
    expect(unseen.message).not.toContain("canary");
    expect(outcome(400, "canary-\u200bsecret-\u00007d1f")).toMatchObject({ message: "[REDACTED]" });
    for (const status of [200, 301, 401, 429, 500]) {
      expect(JSON.stringify(outcome(status, `<p>${CANARY}`, { location: `https://a.example/${CANARY}` }))).not.toContain(CANARY);
    }
  });
});
