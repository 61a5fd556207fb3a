import { gzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import { type OtlpReceiver, type ReceiverOptions, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { run, span } from "../otlp/spans.ts";

let receiver: OtlpReceiver | undefined;
afterEach(async () => {
  await receiver?.close();
});

async function start(options?: ReceiverOptions): Promise<OtlpReceiver> {
  receiver = await startOtlpReceiver(options);
  return receiver;
}

const CONTENT_TYPES = { protobuf: "application/x-protobuf", json: "application/json" } as const;

function post(to: OtlpReceiver, body: Uint8Array | string, headers: Record<string, string>, path = "/v1/traces"): Promise<Response> {
  return fetch(to.url + path, { method: "POST", body: Buffer.from(body), headers });
}

function postRun(to: OtlpReceiver, given: MappedRun, encoding: "protobuf" | "json" = "json"): Promise<Response> {
  return post(to, encodeRun(given, encoding)[0]?.bytes ?? "", { "content-type": CONTENT_TYPES[encoding] });
}

it.each(["protobuf", "json"] as const)("records what it accepted as %s, by trace", async (encoding) => {
  const to = await start();
  const [chunk] = encodeRun(run(span()), encoding);
  const answer = await post(to, gzipSync(chunk?.bytes ?? ""), { "content-type": CONTENT_TYPES[encoding], "content-encoding": "gzip" });
  expect([answer.status, await answer.text()]).toEqual([200, encoding === "json" ? "{}" : ""]);
  expect(to.violations).toEqual([]);
  expect([...to.byTrace()].map(([traceId, spans]) => [traceId, spans.map((one) => one.name)])).toEqual([
    [span().traceId, ["/api/orders/{id}"]],
  ]);
});

it.each([
  ["bad trace id", run(span({ traceId: "0".repeat(32) }))],
  ["bad span id", run(span({ spanId: "0".repeat(16) }))],
  ["is its own parent", run(span({ parentSpanId: span().spanId }))],
  ["ends before it starts", run(span({ end: 1 }))],
  ["no start", run(span({ start: 0 }))],
  ["no name", run(span({ name: "" }))],
  ["an attribute key is empty or comes twice", run(span({ attributes: { "": 1 } }))],
  ["no service.name", { resource: {}, spans: [span()] }],
])("refuses a span with: %s", async (what, given) => {
  const to = await start();
  expect((await postRun(to, given)).status).toBe(400);
  expect(to.violations).toEqual([expect.stringContaining(what)]);
  expect(to.spans).toEqual([]);
});

it.each([
  ["an unknown field", '{"resourceSpans":[],"x":1}'],
  ["a snake_case field", '{"resource_spans":[]}'],
  ["an id that is no hex", '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}'],
  ["an id of the wrong length", '{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"ab"}]}]}]}'],
  ["a time that is no exact integer", '{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":1736340463061000001}]}]}]}'],
  ["two values", '{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"intValue":1,"boolValue":true}}]}}]}'],
  ["no JSON", "<html>"],
])("refuses JSON with %s", async (_, body) => {
  const to = await start();
  expect((await post(to, body, { "content-type": "application/json" })).status).toBe(400);
  expect(to.violations).toHaveLength(1);
});

it.each([
  ["an unknown field", [0x12, 0x00]],
  ["a wrong wire type", [0x08, 0x01]],
  ["a length past the end", [0x0a, 0x05, 0x00]],
  ["a varint without an end", [0x0a, 0xff]],
  ["an id of the wrong length", [0x0a, 0x07, 0x12, 0x05, 0x12, 0x03, 0x0a, 0x01, 0x01]],
  ["text that is not UTF-8", [0x0a, 0x03, 0x1a, 0x01, 0xff]],
])("refuses protobuf with %s", async (_, bytes) => {
  const to = await start();
  expect((await post(to, Uint8Array.from(bytes), { "content-type": "application/x-protobuf" })).status).toBe(400);
  expect(to.violations).toHaveLength(1);
});

it("refuses other paths, content types, encodings and sizes, each with its status", async () => {
  const to = await start({ maxBodyBytes: 1_000 });
  const json = { "content-type": "application/json" };
  const statuses = [
    await post(to, "{}", json, "/v1/metrics"),
    await post(to, "{}", { "content-type": "text/plain" }),
    await post(to, "{}", { ...json, "content-encoding": "br" }),
    await post(to, "{}", { ...json, "content-encoding": "gzip" }),
    await post(to, "x".repeat(1_001), json),
    await post(to, gzipSync("x".repeat(1_001)), { ...json, "content-encoding": "gzip" }),
    await fetch(`${to.url}/v1/traces`),
  ].map((answer) => answer.status);
  expect(statuses).toEqual([404, 415, 415, 400, 413, 413, 405]);
  expect(to.violations).toHaveLength(7);
});

it("asks for the headers it was told to", async () => {
  const to = await start({ auth: { authorization: "Bearer a" } });
  expect((await postRun(to, run(span()))).status).toBe(401);
  expect(to.spans).toEqual([]);
});

it("records but accepts what breaks a rule where it is not strict", async () => {
  const to = await start({ strict: false });
  expect((await postRun(to, run(span({ end: 1 })))).status).toBe(200);
  expect([to.spans.length, to.violations.length]).toEqual([1, 1]);
});

it("answers as it is told, and counts as accepted what it says", async () => {
  const replies = [
    { status: 503 },
    { status: 200, reset: true },
    { status: 200, reset: true, accept: true },
    { status: 200, body: "abc", drip: 1 },
  ];
  const to = await start({ respond: (_, n) => replies[n - 1] });
  expect((await postRun(to, run(span()))).status).toBe(503);
  await expect(postRun(to, run(span()))).rejects.toThrow();
  expect(to.spans).toHaveLength(0);
  await expect(postRun(to, run(span()))).rejects.toThrow();
  expect(to.spans).toHaveLength(1);
  expect(await (await postRun(to, run(span()))).text()).toBe("abc");
  expect((await postRun(to, run(span()))).status).toBe(200);
  expect([to.spans.length, to.requests.length]).toEqual([3, 5]);
});
