import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { json, never, serve, sourceOf } from "./api-server.ts";
import { wireRun } from "./fixture.ts";

const MEBIBYTE = 1024 * 1024;
const LIMITS = { deadlineMs: 5_000, maxBodyBytes: 20_000 };

/** Ten runs newest first; cursors say where the next page starts; bodies weigh `weight(id)` bytes unless trimmed away. */
function pagedApi(weight: (id: number, trimmed: boolean) => number) {
  return serve(({ query }, response) => {
    const from = Number(query.get("cursor") ?? 0);
    const count = Number(query.get("count"));
    const trimmed = query.get("trimBody") === "0";
    const runs = Array.from({ length: 10 }, (_, id) =>
      wireRun({ workflowRunId: `r${id}`, workflowRunCreatedAt: 1_000 - id, workflowRunResponse: "x".repeat(weight(id, trimmed)) }),
    ).slice(from, from + count);
    json(response, { cursor: from + count < 10 ? String(from + count) : "", runs });
  });
}

async function listAll(url: string, deps: Parameters<typeof sourceOf>[1]) {
  const { source } = sourceOf(url, { limits: LIMITS, ...deps });
  const ids: string[] = [];
  const tooLarge: unknown[] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const reply = await source.list({ cursor }, "newest", never);
    if (reply.kind !== "ok") throw new Error(reply.kind);
    ids.push(...reply.value.runs.map(({ id }) => id));
    tooLarge.push(...reply.value.unreadable);
    cursor = reply.value.cursor;
  }
  return { ids, tooLarge };
}

const ALL = Array.from({ length: 10 }, (_, id) => `r${id}`);

test("a page over the limit is asked for again without bodies", async () => {
  const { url, asked } = await pagedApi((_, trimmed) => (trimmed ? 10 : 5_000));
  expect(await listAll(url, { bodies: true })).toEqual({ ids: ALL, tooLarge: [] });
  expect(asked.map(({ query }) => `${query.get("count")} ${query.get("trimBody")}`)).toEqual(["10 null", "10 0"]);
});

test("then with fewer runs, and the listing goes on behind them without a gap", async () => {
  const { url, asked } = await pagedApi(() => 3_000);
  expect(await listAll(url, { bodies: true })).toEqual({ ids: ALL, tooLarge: [] });
  expect(asked.map(({ query }) => `${query.get("cursor")} ${query.get("count")} ${query.get("trimBody")}`)).toEqual([
    "null 10 null",
    "null 10 0",
    "null 5 0",
    "5 10 null",
  ]);
});

test("a lone run over the limit is reported by its key, and its neighbours are read", async () => {
  const { url } = await pagedApi((id) => (id === 3 ? 50_000 : 100));
  const { ids, tooLarge } = await listAll(url, {});
  expect(ids).toEqual(ALL.filter((id) => id !== "r3"));
  expect(tooLarge).toEqual([{ position: 0, reason: expect.stringContaining("too_large"), key: { id: "r3", createdAt: 997 } }]);
});

test("wherever runs over the limit lie, every run is read or reported exactly once", async () => {
  for (const heavy of [[0], [9], [0, 1, 2], [4, 5], [1, 3, 5, 7, 9], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
    const { url } = await pagedApi((id) => (heavy.includes(id) ? 30_000 : 3_000));
    const { ids, tooLarge } = await listAll(url, {});
    expect(ids).toEqual(ALL.filter((_, id) => !heavy.includes(id)));
    expect(tooLarge).toMatchObject(heavy.map((id) => ({ key: { id: `r${id}` } })));
  }
});

test("a run that lost its bodies to the limit says so, and only where they were wanted", async () => {
  const { url } = await pagedApi((_, trimmed) => (trimmed ? 10 : 5_000));
  for (const [bodies, oddities] of [
    [true, ["bodies:dropped"]],
    [false, []],
  ] as const) {
    const reply = await sourceOf(url, { limits: LIMITS, bodies }).source.list({}, "newest", never);
    expect(reply).toMatchObject({ kind: "ok", value: { runs: ALL.map((id) => ({ id, oddities })) } });
  }
});

test("a caller's smaller count is never raised", async () => {
  const { url, asked } = await pagedApi(() => 15_000);
  const { source } = sourceOf(url, { limits: LIMITS });
  expect(await source.list({ count: 2 }, "sweep", never)).toMatchObject({ kind: "ok", value: { runs: [{ id: "r0" }], cursor: "1" } });
  expect(asked.map(({ query }) => query.get("count"))).toEqual(["2", "1"]);
});

test("the limit of 32 MiB is of decompressed bytes, and is reached without holding them", async () => {
  const big = JSON.stringify({ runs: [wireRun({ workflowRunResponse: "x".repeat(34 * MEBIBYTE) })], cursor: "on" });
  const { url } = await serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(big)));
  const { source, seen } = sourceOf(url, { limits: undefined });
  expect(await source.list({}, "newest", never)).toMatchObject({
    kind: "ok",
    value: { runs: [], unreadable: [{ key: { id: "wfr_1", createdAt: 1_736_340_463_061 } }], cursor: "on" },
  });
  expect(seen).toEqual(["newest too_large 200", "newest too_large 200", "newest too_large 200", "newest too_large 200", "newest ok 200"]);
});

test("a page of 34 MiB in one piece is over the default limit, one of 31 MiB is not", async () => {
  const pages = [31, 34].map((size) => JSON.stringify({ runs: [wireRun({ workflowRunResponse: "x".repeat(size * MEBIBYTE) })] }));
  const { url } = await serve(({ query }, response) => response.end(pages[Number(query.get("cursor"))]));
  const { source } = sourceOf(url, { limits: undefined });
  expect(await source.list({ cursor: "0" }, "newest", never)).toMatchObject({ kind: "ok", value: { runs: { length: 1 } } });
  expect(await source.list({ cursor: "1" }, "newest", never)).toMatchObject({ kind: "ok", value: { runs: [], unreadable: { length: 1 } } });
});

test("a body over the limit that is no log is unavailable, not an empty page", async () => {
  for (const body of [
    "<p>".repeat(20_000),
    `{"runs":[{"workflowRunId":"${"x".repeat(30_000)}`,
    `{"runs":[],"x":"${"y".repeat(30_000)}"}`,
  ]) {
    const { url } = await serve((_, response) => response.end(body));
    expect(await sourceOf(url, { limits: LIMITS }).source.list({}, "newest", never)).toMatchObject({
      kind: "unavailable",
      reason: "unreadable",
    });
  }
});

test("an error's body of any size is no trouble", async () => {
  const { url } = await serve((_, response) => response.writeHead(400).end(`{"error":"${"x".repeat(5 * MEBIBYTE)}`));
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ kind: "refused", reason: "bad_request" });
});

test("a page of events over the limit is asked for with fewer", async () => {
  const event = { time: 5, state: "RUN_SUCCESS", workflowRunId: "e", workflowCreatedAt: 4, padding: "x".repeat(100) };
  const { url, asked } = await serve(({ query }, response) =>
    json(response, { cursor: "on", events: Array.from({ length: Number(query.get("count")) }, () => event) }),
  );
  const { source } = sourceOf(url, { limits: LIMITS });
  expect(await source.events({}, "feed", never)).toMatchObject({ kind: "ok", value: { events: { length: 100 }, cursor: "on" } });
  expect(asked.map(({ query }) => query.get("count"))).toEqual(["1000", "100"]);
});

test("one event over the limit is refused", async () => {
  const { url } = await serve((_, response) => json(response, { events: ["x".repeat(30_000)] }));
  expect(await sourceOf(url, { limits: LIMITS }).source.events({}, "feed", never)).toMatchObject({ kind: "refused", reason: "too_large" });
});
