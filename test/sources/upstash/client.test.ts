import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { Secret } from "../../../src/config/values.ts";
import { createUpstashSource } from "../../../src/sources/upstash/client.ts";
import { config, json, never, serve, sourceOf, TOKEN } from "./api-server.ts";
import { wireRun } from "./fixture.ts";

const run = (id: string) => wireRun({ workflowRunId: id });
const EMPTY = { cursor: "", runs: [] };

test("a page is asked for with token, agent, count and without bodies, and comes with the server's time", async () => {
  const { url, asked } = await serve((_, response) =>
    json(response, { cursor: "next-1", runs: [run("a"), "junk"] }, 200, { date: "Wed, 08 Jan 2025 12:47:43 GMT" }),
  );
  const { source, seen } = sourceOf(url);
  expect(source.name).toBe("test");
  const reply = await source.list({}, "newest", never);
  expect(reply).toMatchObject({
    kind: "ok",
    serverTime: Date.UTC(2025, 0, 8, 12, 47, 43),
    value: { cursor: "next-1", runs: [{ id: "a" }], unreadable: [{ position: 1 }] },
  });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({
    path: "/v2/workflows/logs",
    headers: { authorization: `Bearer ${TOKEN}`, "user-agent": "wfotel/test", "accept-encoding": "gzip" },
  });
  expect(Object.fromEntries(asked[0]!.query)).toEqual({ count: "10", trimBody: "0" });
  expect(seen).toEqual(["newest ok 200"]);
});

test("every filter of a query is passed on, labels one by one", async () => {
  const { url, asked } = await serve((_, response) => json(response, EMPTY));
  const { source } = sourceOf(url, { bodies: true });
  await source.list(
    {
      cursor: "c&1",
      count: 5,
      workflowRunId: "wfr ü",
      workflowCreatedAt: 7,
      workflowUrl: "https://a.example.com/?x=1&y",
      state: "RUN_STARTED",
      fromDate: 1,
      toDate: 2,
      labels: ["a", "b,c"],
      flowControlKey: "k",
      callerIp: "203.0.113.1",
    },
    "sweep",
    never,
  );
  const { query } = asked[0]!;
  expect(query.getAll("label")).toEqual(["a", "b,c"]);
  query.delete("label");
  expect(Object.fromEntries(query)).toEqual({
    cursor: "c&1",
    count: "5",
    workflowRunId: "wfr ü",
    workflowCreatedAt: "7",
    workflowUrl: "https://a.example.com/?x=1&y",
    state: "RUN_STARTED",
    fromDate: "1",
    toDate: "2",
    flowControlKey: "k",
    callerIp: "203.0.113.1",
  });
});

test("on the real clock, with nothing injected, a failed request is repeated", async () => {
  const { url, asked } = await serve((_, response, index) => json(response, EMPTY, index === 0 ? 503 : 200));
  const source = createUpstashSource(config(url), { bodies: false, userAgent: "wfotel/test" });
  onTestFinished(() => source.close());
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked).toHaveLength(2);
  expect(source.budget()).toMatchObject({ ceiling: 10, used: { newest: 2 }, pausedUntil: undefined });
});

test("on the real clock, a signal ends the wait for the next try", async () => {
  const stop = new AbortController();
  const { url } = await serve((_, response) => {
    json(response, EMPTY, 429, { "retry-after": "50" });
    setTimeout(() => stop.abort(), 50);
  });
  const source = createUpstashSource(config(url), { bodies: false, userAgent: "wfotel/test" });
  onTestFinished(() => source.close());
  expect(await source.list({}, "newest", stop.signal)).toEqual({ kind: "aborted" });
});

test("a base URL with a path and a trailing slash keeps its path", async () => {
  const { url, asked } = await serve((_, response) => json(response, EMPTY));
  await sourceOf(`${url}/proxy/`).source.list({}, "newest", never);
  expect(asked[0]?.path).toBe("/proxy/v2/workflows/logs");
});

test("the three marks of the last page give no cursor", async () => {
  const bodies = [{ runs: [] }, { runs: [], cursor: "" }, { runs: [], cursor: null }];
  const { url } = await serve((_, response, index) => json(response, bodies[index]));
  const { source } = sourceOf(url);
  for (const _ of bodies) expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok", value: { cursor: undefined } });
});

test("where the documented path answers 404 the JS client's form is asked, and remembered", async () => {
  const { url, asked } = await serve(({ path }, response) =>
    path === "/v2/workflows/logs" ? json(response, { error: "no" }, 404) : json(response, { runs: [run("a")] }),
  );
  const { source } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok", value: { runs: [{ id: "a" }] } });
  expect(await source.list({ cursor: "x" }, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked.map(({ path, query }) => `${path} ${query.get("groupBy")} ${query.get("count")}`)).toEqual([
    "/v2/workflows/logs null 10",
    "/v2/workflows/events workflowRunId 10",
    "/v2/workflows/events workflowRunId 10",
  ]);
});

test("404 on both paths is refused with a hint at the URL", async () => {
  const { url } = await serve((_, response) => response.writeHead(404).end("<html>canary"));
  const reply = await sourceOf(url).source.list({}, "newest", never);
  expect(reply).toMatchObject({ kind: "refused", reason: "not_found", status: 404 });
  expect(JSON.stringify(reply)).toContain("base URL");
  expect(JSON.stringify(reply)).not.toContain("canary");
});

test.each([302, 400, 401, 404, 418, 429])(
  "the path of the source's own URL comes out of no refusal: it may be a reference's (%i)",
  async (status) => {
    const { url } = await serve(({ url: asked }, response) => json(response, { error: `no ${asked} here` }, status));
    const text = JSON.stringify(await sourceOf(`${url}/canary-path`).source.list({}, "newest", never));
    expect(text).toContain(`${status} (no [REDACTED]/v2/`);
    expect(text).not.toContain("canary-path");
  },
);

test("400 is refused with the API's own words, without the token, on one line of at most 300 characters", async () => {
  const error = `bad cursor ${TOKEN}\n\u001b[31m Bearer abc.def ${"x".repeat(400)}`;
  const { url, asked } = await serve((_, response) => json(response, { error }, 400));
  const reply = await sourceOf(url).source.list({ cursor: "old" }, "newest", never);
  expect(reply).toMatchObject({ kind: "refused", reason: "bad_request", status: 400 });
  const { message } = reply as { message: string };
  expect(message).toContain("bad cursor [REDACTED]");
  expect(message).not.toMatch(/canary|abc\.def|\p{Cc}/u);
  expect(message.length).toBeLessThan(450);
  expect(asked).toHaveLength(1);
});

test.each([401, 403])("%i is refused at once with what to do about it, never with the token", async (status) => {
  const { url, asked } = await serve((_, response) => json(response, { error: `token ${TOKEN} unknown` }, status));
  const { source, seen } = sourceOf(url);
  const reply = await source.list({}, "probe", never);
  expect(reply).toMatchObject({ kind: "refused", reason: "unauthorized", status });
  expect((reply as { message: string }).message).toMatch(/one region.*read-only token is enough/);
  expect(JSON.stringify(reply)).not.toContain(TOKEN);
  expect(asked).toHaveLength(1);
  expect(seen).toEqual([`probe unauthorized ${status}`]);
});

test("a token that was rotated is read again on 401, and the request repeated once", async () => {
  let current = "old-token";
  const { url, asked } = await serve(({ headers }, response) =>
    headers.authorization === "Bearer new-token" ? json(response, EMPTY) : json(response, { error: "no" }, 401),
  );
  const token = new Secret("old-token", () => current);
  const { source } = sourceOf(url, {}, { token });
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "refused", reason: "unauthorized" });
  current = "new-token";
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer old-token", "Bearer old-token", "Bearer new-token"]);
  current = "third-token";
  expect(source.refreshSecrets()).toBe(true);
  expect(source.refreshSecrets()).toBe(false);
});

test("a rotated token that is refused as well is not repeated for ever", async () => {
  let count = 0;
  const { url, asked } = await serve((_, response) => json(response, {}, 401));
  const token = new Secret("t", () => `t${++count}`);
  expect(await sourceOf(url, {}, { token }).source.list({}, "newest", never)).toMatchObject({ kind: "refused" });
  expect(asked).toHaveLength(2);
});

test("a redirect is not followed", async () => {
  const { url, asked } = await serve((_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "refused", reason: "unexpected", status: 302 });
  expect(asked).toHaveLength(1);
});

test("an unknown 4xx and an empty 204 are refused, not repeated", async () => {
  const { url, asked } = await serve((_, response, index) => response.writeHead(index === 0 ? 418 : 204).end());
  const { source } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "refused", reason: "unexpected", status: 418 });
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "refused", reason: "unexpected", status: 204 });
  expect(asked).toHaveLength(2);
});

test("a server error passes after a few tries, each waiting about twice as long", async () => {
  const { url, asked } = await serve((_, response, index) =>
    index < 4 ? json(response, { error: "oops" }, 500 + index) : json(response, EMPTY),
  );
  const { source, time, seen } = sourceOf(url, { random: () => 0.5 });
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked).toHaveLength(5);
  expect(time.slept).toEqual([375, 750, 1500, 3000]);
  expect(seen).toEqual([500, 501, 502, 503].map((status) => `newest server_error ${status}`).concat("newest ok 200"));
});

test("after five tries a server error is reported as passing", async () => {
  const { url, asked } = await serve((_, response) => json(response, { error: "oops" }, 500));
  expect(await sourceOf(url).source.list({}, "newest", never)).toEqual({
    kind: "unavailable",
    reason: "server_error",
    message: expect.stringContaining("500 (oops)"),
  });
  expect(asked).toHaveLength(5);
});

test("HTML, broken JSON and JSON of another shape are unavailable with words that say so and quote nothing", async () => {
  const bodies = ["<!doctype html><p>canary", '{"canary', "[]", '{"canary":1}', '{"events":[]}', "null", ""];
  for (const body of bodies) {
    const { url, asked } = await serve((_, response) => response.end(body));
    const reply = await sourceOf(url).source.list({}, "newest", never);
    expect(reply).toMatchObject({ kind: "unavailable", reason: "unreadable" });
    expect(JSON.stringify(reply)).toContain(body.startsWith("<") ? "HTML" : "JSON");
    expect(JSON.stringify(reply)).not.toContain("canary");
    expect(asked).toHaveLength(5);
  }
});

test("an empty object is an empty page", async () => {
  const { url } = await serve((_, response) => json(response, {}));
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "ok", value: { runs: [], unreadable: [] } });
});

test("compressed answers are read", async () => {
  const { url } = await serve((_, response) =>
    response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(JSON.stringify({ runs: [run("a")] }))),
  );
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "ok", value: { runs: [{ id: "a" }] } });
});

test("damaged and unasked compression is a failed connection", async () => {
  const whole = gzipSync(JSON.stringify({ runs: [run("a")] }));
  const damaged = [whole.subarray(0, 30), Buffer.from("no gzip"), Buffer.alloc(0)];
  for (const bytes of damaged) {
    const { url } = await serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bytes));
    expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "unavailable" });
  }
  const { url } = await serve((_, response) => response.writeHead(200, { "content-encoding": "br" }).end("x"));
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "unavailable", reason: "connection" });
});

test("a connection that is refused is unavailable", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  expect(await sourceOf(`http://127.0.0.1:${port}`).source.list({}, "newest", never)).toEqual({
    kind: "unavailable",
    reason: "connection",
    message: `127.0.0.1:${port}: the connection failed (ECONNREFUSED)`,
  });
});

test("a connection that breaks in mid-body is tried again", async () => {
  const { url, asked } = await serve((_, response, index) => {
    if (index === 2) return json(response, { runs: [run("a")] });
    response.writeHead(200, { "content-type": "application/json", ...(index === 0 ? { "content-length": "1000" } : {}) });
    response.write('{"runs":[');
    setTimeout(() => response.socket?.resetAndDestroy(), 20);
  });
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "ok", value: { runs: [{ id: "a" }] } });
  expect(asked).toHaveLength(3);
});

test("what is no HTTP at all is unavailable", async () => {
  const server = createServer((socket) => socket.end("canary\r\n\r\n").on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const reply = await sourceOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).source.list({}, "newest", never);
  expect(reply).toMatchObject({ kind: "unavailable", reason: "connection" });
  expect(JSON.stringify(reply)).not.toContain("canary");
});

test.each(["hangs before its head", "hangs in its body", "drips", "hangs in an error's body"])(
  "a server that %s meets the deadline",
  async (fault) => {
    const drips: NodeJS.Timeout[] = [];
    onTestFinished(() => drips.forEach(clearInterval));
    const { url, asked } = await serve((_, response) => {
      if (fault === "hangs before its head") return;
      response.writeHead(fault.includes("error") ? 400 : 200).write("{");
      if (fault === "drips") drips.push(setInterval(() => response.write(" "), 5));
    });
    const { source, seen } = sourceOf(url, { limits: { deadlineMs: 60, maxBodyBytes: 1_000_000 } });
    const reply = await source.list({}, "newest", never);
    if (fault.includes("error")) {
      expect(reply).toMatchObject({ kind: "refused", status: 400 });
    } else {
      expect(reply).toMatchObject({ kind: "unavailable", reason: "timeout", message: expect.stringContaining("0.06 s") });
      expect(asked).toHaveLength(5);
      expect(new Set(seen)).toEqual(new Set(["newest timeout"]));
    }
  },
);

test("a signal ends a request in flight, and one that waits for its next try", async () => {
  const stop = new AbortController();
  const { url } = await serve(() => stop.abort());
  const { source } = sourceOf(url);
  expect(await source.list({}, "newest", stop.signal)).toEqual({ kind: "aborted" });
  expect(await source.list({}, "newest", stop.signal)).toEqual({ kind: "aborted" });
  const again = new AbortController();
  const failing = await serve((_, response) => json(response, {}, 500));
  const waiting = sourceOf(failing.url, { sleep: async () => again.abort() });
  expect(await waiting.source.list({}, "newest", again.signal)).toEqual({ kind: "aborted" });
  expect(failing.asked).toHaveLength(1);
});

test("a closed source answers aborted, and its request in flight ends", async () => {
  const { url, asked } = await serve(() => undefined);
  const { source } = sourceOf(url);
  const pending = source.list({}, "newest", never);
  await expect.poll(() => asked.length).toBe(1);
  await source.close();
  expect(await pending).toEqual({ kind: "aborted" });
  expect(await source.fetch([{ id: "a", createdAt: 1 }], "open", never)).toEqual({ kind: "aborted" });
});

test("a token that no header can carry is refused before anything is sent", async () => {
  const { url, asked } = await serve((_, response) => json(response, EMPTY));
  const { source } = sourceOf(url, {}, { token: new Secret("canary\u0000token\nx") });
  const reply = await source.list({}, "newest", never);
  expect(reply).toMatchObject({ kind: "refused", reason: "unauthorized" });
  expect(JSON.stringify(reply)).not.toContain("canary");
  expect(asked).toEqual([]);
  const trailing = sourceOf(url, {}, { token: new Secret("file-token\n") });
  expect(await trailing.source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked[0]?.headers.authorization).toBe("Bearer file-token");
});
