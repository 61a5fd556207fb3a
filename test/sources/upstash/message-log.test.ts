import { expect, test } from "vitest";
import { json, never, serve, sourceOf } from "./api-server.ts";
import { fixture, wireRun } from "./fixture.ts";

const LOG = JSON.parse(fixture("message-logs-documented.json"));
const MESSAGE_LOGS = "/v2/workflows/messageLogs";
const EVENTS = "/v2/workflows/events";

test("the message log is one stream, asked for without bodies and 1,000 at a time", async () => {
  const { url, asked } = await serve((_, response) => json(response, { ...LOG, cursor: "on" }));
  const { source } = sourceOf(url, { bodies: true });
  expect(await source.events({ fromDate: 3, toDate: 4 }, "feed", never)).toMatchObject({
    kind: "ok",
    value: { events: { length: 2 }, cursor: "on" },
  });
  await source.events({ cursor: "on", count: 50 }, "feed", never);
  expect(asked.map(({ path }) => path)).toEqual([MESSAGE_LOGS, MESSAGE_LOGS]);
  expect(Object.fromEntries(asked[0]!.query)).toEqual({ fromDate: "3", toDate: "4", count: "1000", trimBody: "0" });
  expect(Object.fromEntries(asked[1]!.query)).toEqual({ cursor: "on", count: "50", trimBody: "0" });
});

test.each([404, 400])("where messageLogs answers %i, events without groupBy is asked and remembered", async (status) => {
  const { url, asked } = await serve(({ path }, response) => (path === EVENTS ? json(response, LOG) : json(response, {}, status)));
  const { source } = sourceOf(url);
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "ok" });
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "ok" });
  expect(asked.map(({ path, query }) => `${path} ${query.get("groupBy")}`)).toEqual([
    `${MESSAGE_LOGS} null`,
    `${EVENTS} null`,
    `${EVENTS} null`,
  ]);
});

test.each([
  [404, 404],
  [400, 404],
  [400, 400],
])("%i and %i mean that there is no message log", async (first, second) => {
  const { url } = await serve(({ path }, response) => json(response, {}, path === EVENTS ? second : first));
  expect(await sourceOf(url).source.events({}, "feed", never)).toMatchObject({ kind: "refused", reason: "not_found" });
});

test("grouped runs where events were asked for mean that there is no message log", async () => {
  const { url } = await serve(({ path }, response) => (path === EVENTS ? json(response, { runs: [wireRun()] }) : json(response, {}, 404)));
  expect(await sourceOf(url).source.events({}, "feed", never)).toMatchObject({ kind: "refused", reason: "not_found" });
});

test("an expired cursor is a bad request, not a missing log, whether or not the path is known yet", async () => {
  const { url, asked } = await serve(({ path, query }, response) => {
    if (path !== MESSAGE_LOGS) return json(response, {}, 404);
    return query.has("cursor") ? json(response, { error: "cursor expired" }, 400) : json(response, LOG);
  });
  const { source } = sourceOf(url);
  expect(await source.events({ cursor: "old" }, "feed", never)).toMatchObject({ kind: "refused", reason: "bad_request" });
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "ok" });
  const before = asked.length;
  expect(await source.events({ cursor: "old" }, "feed", never)).toMatchObject({ kind: "refused", reason: "bad_request" });
  expect(asked.length - before).toBe(1);
});

test("a log that moves to the other path is found again", async () => {
  let home = MESSAGE_LOGS;
  const { url } = await serve(({ path }, response) => (path === home ? json(response, LOG) : json(response, {}, 404)));
  const { source } = sourceOf(url);
  for (const path of [MESSAGE_LOGS, EVENTS, MESSAGE_LOGS]) {
    home = path;
    expect(await source.events({}, "feed", never)).toMatchObject({ kind: "ok" });
  }
});

test("other failures are the reply, and the second path is not asked", async () => {
  const { url, asked } = await serve((_, response, index) => (index === 0 ? json(response, {}, 401) : response.end("<p>")));
  const { source } = sourceOf(url);
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "refused", reason: "unauthorized" });
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "unavailable", reason: "unreadable" });
  expect(asked.every(({ path }) => path === MESSAGE_LOGS)).toBe(true);
});

test("a page with the same bytes as the last is not decoded again, but its answer counts: another byte, another page", async () => {
  let body: object = LOG;
  let second = 0;
  const { url } = await serve((_, response) => {
    second += 1;
    json(response, body, 200, { date: `Wed, 08 Jan 2025 12:47:0${second} GMT`, "burst-ratelimit-limit": String(10 - second) });
  });
  const { source } = sourceOf(url);
  const ask = async (query: object = {}) => {
    const reply = await source.events(query, "feed", never);
    return reply.kind === "ok" ? reply : expect.fail(reply.kind);
  };
  const first = await ask();
  const again = await ask({ count: 100 });
  expect(again.value).toBe(first.value);
  expect(again.serverTime).toBe(Date.UTC(2025, 0, 8, 12, 47, 2));
  expect(source.budget().ceiling).toBe(8);
  body = { ...LOG, cursor: "on" };
  const changed = await ask();
  expect(changed.value).toEqual({ ...first.value, cursor: "on" });
  const behind = await ask({ cursor: "on" });
  expect(behind.value).toEqual(changed.value); // no newest page: neither compared nor kept
  expect(behind.value).not.toBe(changed.value);
  expect((await ask()).value).toBe(changed.value);
});

test("a page of more than half a mebibyte is not kept to be compared with", async () => {
  const { url } = await serve((_, response) => json(response, { ...LOG, padding: "x".repeat(512 * 1024) }));
  const { source } = sourceOf(url);
  const [first, again] = [await source.events({}, "feed", never), await source.events({}, "feed", never)];
  expect(first).toMatchObject({ kind: "ok", value: { events: { length: 2 } } });
  expect(again.kind === "ok" && first.kind === "ok" && again.value === first.value).toBe(false);
});
