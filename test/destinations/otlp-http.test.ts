import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { Secret } from "../../src/config/values.ts";
import { destinationSchema } from "../../src/destinations/config.ts";
import { createDestination } from "../../src/destinations/create.ts";
import { type ReceiverOptions, type Reply, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { destination, never, oneSpan } from "./destinations.ts";

const CANARY = "canary-secret-7d1f";

async function receiver(options: ReceiverOptions = {}) {
  const started = await startOtlpReceiver(options);
  onTestFinished(() => started.close());
  return started;
}

/** A receiver that answers everything with `reply`. */
const answering = (reply: Reply) => receiver({ respond: () => reply });

const send = (given: object) => destination(given).send(oneSpan("protobuf"), never);

describe("a request", () => {
  it("carries the user's headers, our user agent, gzip and the encoding's content type, and each name once", async () => {
    const to = await receiver();
    const headers = { "X-Tenant": "a", "Content-Type": "text/plain", "USER-AGENT": "mine" };
    expect(await send({ endpoint: to.url, headers })).toEqual({ kind: "delivered" });
    expect(to.requests[0]?.headers).toMatchObject({
      "x-tenant": "a",
      "user-agent": "mine",
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip",
    });
    expect(to.violations).toEqual([]);
  });

  it("is not compressed where the user does not want it", async () => {
    const to = await receiver();
    await destination({ endpoint: to.url, compression: "none", encoding: "json" }).send(oneSpan("json"), never);
    expect(to.requests[0]?.headers).toMatchObject({ "content-type": "application/json", "user-agent": "wfotel/0" });
    expect(to.requests[0]?.headers).not.toHaveProperty("content-encoding");
    expect(to.spans.length).toBe(1);
  });

  it.each([
    ["endpoint", "", "/v1/traces"],
    ["endpoint", "/", "/v1/traces"],
    ["endpoint", "/otlp", "/otlp/v1/traces"],
    ["endpoint", "/otlp//?dataset=a%20b#x", "/otlp/v1/traces?dataset=a%20b"],
    ["traces_endpoint", "", "/"],
    ["traces_endpoint", "/api/in/?dataset=a", "/api/in/?dataset=a"],
  ])("to %s with %j goes to %s", async (key, path, expected) => {
    const to = await receiver();
    await send({ [key]: to.url + path });
    expect(to.requests[0]?.path).toBe(expected);
  });

  it("never follows a redirect", async () => {
    const elsewhere = await receiver();
    const to = await answering({ status: 307, headers: { location: `${elsewhere.url}/v1/traces` } });
    expect(await send({ endpoint: to.url })).toMatchObject({
      kind: "misconfigured",
      status: 307,
      reason: expect.stringContaining(elsewhere.url),
    });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe("an answer", () => {
  it.each<[string, Reply, object]>([
    ["no content", { status: 204 }, { kind: "delivered" }],
    ["HTML", { status: 200, headers: { "content-type": "text/html" }, body: "<html>Sign in" }, { kind: "misconfigured", status: 200 }],
    [
      "a partial success",
      {
        status: 200,
        headers: { "content-type": "application/json" },
        body: '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}',
      },
      { kind: "partial", rejectedSpans: 1, message: "no" },
    ],
    [
      "too many requests",
      { status: 429, headers: { "retry-after": "30" } },
      { kind: "retry", scope: "destination", status: 429, retryAfterMs: 30_000 },
    ],
    ["unavailable", { status: 503 }, { kind: "retry", scope: "destination", suspect: false }],
    ["a server's error", { status: 500 }, { kind: "retry", scope: "batch", suspect: true }],
    ["a bad request", { status: 400, body: "no" }, { kind: "refused", status: 400, message: "no" }],
    ["too large", { status: 413 }, { kind: "refused", status: 413 }],
    ["not found", { status: 404 }, { kind: "misconfigured", status: 404 }],
    ["unauthorized", { status: 401 }, { kind: "misconfigured", status: 401 }],
  ])("that says %s", async (_, reply, outcome) => {
    const to = await answering(reply);
    expect(await send({ endpoint: to.url })).toMatchObject(outcome);
  });

  it("of more than 4 MiB is read no further: its status counts", async () => {
    const body = `{"message":"${"x".repeat(6 * 1024 * 1024)}"}`;
    const [ok, bad] = [await answering({ status: 200, body }), await answering({ status: 400, body })];
    expect(await send({ endpoint: ok.url })).toMatchObject({ kind: "misconfigured", status: 200 });
    expect(await send({ endpoint: bad.url })).toMatchObject({ kind: "refused", status: 400, message: expect.stringMatching(/^.{2048}$/) });
  });

  it("that never ends is read to 4 MiB and left", async () => {
    const endless = createHttpServer((_, response) => {
      response.writeHead(400);
      Readable.from(Array(80).fill("x".repeat(64 * 1024))).pipe(response, { end: false });
    }).listen(0, "127.0.0.1");
    onTestFinished(() => endless.closeAllConnections());
    onTestFinished(() => void endless.close());
    await once(endless, "listening");
    const { port } = endless.address() as AddressInfo;
    expect(await send({ endpoint: `http://127.0.0.1:${port}` })).toMatchObject({ kind: "refused", status: 400 });
  });
});

describe("no answer", () => {
  it.each<[string, Reply]>([
    ["never", { status: 200, hang: true }],
    ["byte by byte", { status: 200, body: "x".repeat(10_000), drip: 10 }],
    ["late", { status: 200, delayMs: 60_000 }],
  ])("in time, because it comes %s, is retried, and its batch is suspect", async (_, reply) => {
    const to = await answering(reply);
    expect(await send({ endpoint: to.url, timeout: "200ms" })).toEqual({
      kind: "retry",
      scope: "batch",
      reason: "no whole answer within 200 ms",
      suspect: true,
    });
  });

  it("because nobody listens is retried, and holds up the destination", async () => {
    const gone = await startOtlpReceiver();
    await gone.close();
    expect(await send({ endpoint: gone.url })).toMatchObject({
      kind: "retry",
      scope: "destination",
      reason: expect.stringContaining("ECONNREFUSED"),
      suspect: false,
    });
  });

  it("because the name is not known is retried", async () => {
    expect(await send({ endpoint: "http://name.invalid:4318" })).toMatchObject({ kind: "retry", scope: "destination", suspect: false });
  });

  it("because the connection was cut is retried; it may have been this request", async () => {
    const to = await answering({ status: 200, reset: true });
    expect(await send({ endpoint: to.url })).toMatchObject({ kind: "retry", scope: "destination", suspect: true });
  });

  it("because we are told to stop is a retry, before and while it is sent", async () => {
    const to = await answering({ status: 200, hang: true });
    const stop = new AbortController();
    const sending = destination({ endpoint: to.url }).send(oneSpan("protobuf"), stop.signal);
    while (to.requests.length === 0) await sleep(5);
    stop.abort();
    const aborted = { kind: "retry", scope: "destination", reason: "aborted", suspect: false };
    expect(await sending).toEqual(aborted);
    expect(await destination({ endpoint: to.url }).send(oneSpan("protobuf"), stop.signal)).toEqual(aborted);
    expect(to.requests.length).toBe(1);
  });

  it("in HTTP is misconfigured, and names the port of gRPC", async () => {
    const server = createServer((socket) => socket.end("\u0000\u0000\u0012\u0004")).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(await send({ endpoint: `http://127.0.0.1:${port}` })).toMatchObject({
      kind: "misconfigured",
      reason: expect.stringContaining("4317"),
    });
  });

  it("because a header cannot be sent is misconfigured, without showing it", async () => {
    const to = await receiver();
    const outcome = await send({ endpoint: to.url, headers: { authorization: `${CANARY}\n` } });
    expect(outcome).toMatchObject({ kind: "misconfigured", reason: expect.stringContaining("endpoint and headers") });
    expect(JSON.stringify(outcome)).not.toContain(CANARY);
  });
});

describe("secrets", () => {
  it("that the backend echoes come out of no outcome, in whatever form", async () => {
    const headers = { authorization: `Basic ${Buffer.from(`me:${CANARY}`).toString("base64")}`, "x-api-key": `${CANARY}"/+` };
    for (const status of [200, 301, 400, 401, 404, 429, 500]) {
      const to = await receiver({
        respond: (request) => ({
          status,
          headers: { location: `https://a.example/${CANARY}` },
          body: `${JSON.stringify(request.headers)} ${encodeURIComponent(String(request.headers["x-api-key"]))} ${CANARY} ${request.path}`,
        }),
      });
      const text = JSON.stringify(await send({ endpoint: `${to.url}?key=query-${CANARY}`, headers }));
      expect(text).not.toContain("canary");
      expect(text).not.toContain(String(headers.authorization.split(" ")[1]));
    }
  });

  it("that stand in the path are taken for such by their look; its plain words are not", async () => {
    const to = await receiver({ respond: ({ path }) => ({ status: 404, body: `Cannot POST ${path}` }) });
    const secret = "d41D8cd98f";
    const at = { endpoint: `${to.url}/e/canary-env-12345/${secret}/otlp` };
    expect(await send(at)).toMatchObject({
      reason: expect.stringContaining("Cannot POST /e/[REDACTED]/[REDACTED]/otlp/v1/traces"),
    });
  });

  it("are read again on 401, and the request is tried again with the new one", async () => {
    const to = await receiver({ auth: { authorization: "new" } });
    const config = destinationSchema.parse({ name: "it", type: "otlp-http", endpoint: to.url, headers: { authorization: "old" } });
    let current = "old";
    if (config.type === "otlp-http") config.headers = { authorization: new Secret("old", () => current) };
    const it = createDestination(config, { userAgent: "wfotel/0" });
    onTestFinished(() => it.close());
    expect(await it.send(oneSpan("protobuf"), never)).toMatchObject({ kind: "misconfigured", status: 401 });
    current = "new";
    expect(await it.send(oneSpan("protobuf"), never)).toMatchObject({ kind: "retry", scope: "destination", status: 401, retryAfterMs: 0 });
    expect(await it.send(oneSpan("protobuf"), never)).toEqual({ kind: "delivered" });
    expect(it.refreshSecrets()).toBe(false);
  });
});
