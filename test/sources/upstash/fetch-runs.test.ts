import { expect, test } from "vitest";
import type { RunKey } from "../../../src/model/run.ts";
import { json, never, serve, sourceOf } from "./api-server.ts";
import { wireRun } from "./fixture.ts";

const key = (id: string, createdAt = 5): RunKey => ({ id, createdAt });
const wire = ({ id, createdAt }: RunKey) => wireRun({ workflowRunId: id, workflowRunCreatedAt: createdAt });

/** Keys of a request, in either form. */
function keysOf(query: URLSearchParams): RunKey[] {
  const list = query.get("workflowRuns");
  if (list === null) return [key(query.get("workflowRunId") ?? "", Number(query.get("workflowCreatedAt")))];
  return list.split(",").map((text) => key(text.slice(0, text.lastIndexOf("@")), Number(text.slice(text.lastIndexOf("@") + 1))));
}

test("ten keys go in one request, more in more, each once", async () => {
  const { url, asked } = await serve(({ query }, response) => json(response, { runs: keysOf(query).map(wire) }));
  const { source } = sourceOf(url);
  const keys = Array.from({ length: 23 }, (_, index) => key(`wfr_${index}`));
  const reply = await source.fetch([...keys, ...keys.slice(0, 3)], "open", never);
  expect(reply).toMatchObject({ kind: "ok", value: { unreadable: [], refused: [] } });
  if (reply.kind === "ok") expect(reply.value.runs.map(({ id }) => id)).toEqual(keys.map(({ id }) => id));
  expect(asked.map(({ query }) => keysOf(query).length)).toEqual([10, 10, 3]);
  expect(asked[0]?.query.get("count")).toBe("10");
  expect(asked[0]?.query.get("trimBody")).toBe("0");
});

test("long ids make smaller batches, no URL over 4,000 bytes", async () => {
  const { url, asked } = await serve(({ query }, response) => json(response, { runs: keysOf(query).map(wire) }));
  const { source } = sourceOf(url);
  const keys = Array.from({ length: 12 }, (_, index) => key(`${index}-${"ü".repeat(150)}`));
  expect(await source.fetch(keys, "open", never)).toMatchObject({ kind: "ok", value: { runs: { length: 12 } } });
  expect(asked.length).toBeGreaterThan(2);
  for (const { url: path } of asked) expect(path.length).toBeLessThanOrEqual(4_000);
});

test("nothing is asked for no keys", async () => {
  const { url, asked } = await serve((_, response) => json(response, {}));
  expect(await sourceOf(url).source.fetch([], "open", never)).toEqual({ kind: "ok", value: { runs: [], unreadable: [], refused: [] } });
  expect(asked).toEqual([]);
});

test("ids that hold a comma, an at sign or a control character go alone, by filters", async () => {
  const { url, asked } = await serve(({ query }, response) => json(response, { runs: keysOf(query).map(wire) }));
  const odd = ["a,b", "a@5", "tab\t", "nul\u0000", "\u0085"];
  const reply = await sourceOf(url).source.fetch([key("plain"), ...odd.map((id) => key(id)), key("other")], "open", never);
  expect(reply).toMatchObject({ kind: "ok", value: { runs: { length: 7 } } });
  expect(asked.map(({ query }) => query.get("workflowRuns") ?? query.get("workflowRunId"))).toEqual(["plain@5,other@5", ...odd]);
  expect(asked[1]?.query.get("workflowCreatedAt")).toBe("5");
});

test("only the keys that were asked for are returned, and one that is absent is in none of the lists", async () => {
  const { url } = await serve((_, response) => json(response, { runs: [wire(key("a")), wire(key("stranger")), wire(key("a", 6)), 7] }));
  const reply = await sourceOf(url).source.fetch([key("a"), key("gone")], "open", never);
  expect(reply).toMatchObject({ kind: "ok", value: { runs: [{ id: "a", createdAt: 5 }], unreadable: [{ position: 0 }], refused: [] } });
});

test("an answer in pages is followed until every key was seen", async () => {
  const { url, asked } = await serve(({ query }, response) => {
    const page = Number(query.get("cursor") ?? 0);
    json(response, {
      cursor: String(page + 1),
      runs: keysOf(query)
        .slice(page, page + 1)
        .map(wire),
    });
  });
  const reply = await sourceOf(url).source.fetch([key("a"), key("b"), key("c")], "open", never);
  expect(reply).toMatchObject({ kind: "ok", value: { runs: [{ id: "a" }, { id: "b" }, { id: "c" }] } });
  expect(asked.map(({ query }) => query.get("cursor"))).toEqual([null, "1", "2"]);
});

test("a cursor that goes in a circle ends", async () => {
  const { url, asked } = await serve((_, response) => json(response, { cursor: "same", runs: [] }));
  expect(await sourceOf(url).source.fetch([key("a"), key("b")], "open", never)).toMatchObject({ kind: "ok", value: { runs: [] } });
  expect(asked).toHaveLength(3);
});

test("a batch that is refused with 400 is halved until the offender is alone, and the others are fetched", async () => {
  const { url, asked } = await serve(({ query }, response) => {
    const keys = keysOf(query);
    if (keys.some(({ id }) => id === "bad")) json(response, { error: "invalid id" }, 400);
    else json(response, { runs: keys.map(wire) });
  });
  const keys = ["a", "b", "c", "bad", "d", "e", "f", "g"].map((id) => key(id));
  const reply = await sourceOf(url).source.fetch(keys, "open", never);
  if (reply.kind !== "ok") throw new Error(reply.kind);
  expect(reply.value.runs.map(({ id }) => id).sort()).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
  expect(reply.value.refused).toEqual([{ key: key("bad"), reason: "bad_request", message: expect.stringContaining("invalid id") }]);
  expect(asked.at(-1)?.query.get("workflowRuns")).toBe("d@5,e@5,f@5,g@5");
});

test("an API that does not know workflowRuns is asked key by key", async () => {
  const { url } = await serve(({ query }, response) =>
    query.has("workflowRuns") ? json(response, {}, 400) : json(response, { runs: keysOf(query).map(wire) }),
  );
  expect(await sourceOf(url).source.fetch([key("a"), key("b"), key("c")], "open", never)).toMatchObject({
    kind: "ok",
    value: { runs: { length: 3 }, refused: [] },
  });
});

test("an id with a lone surrogate cannot be asked for and is refused", async () => {
  const { url, asked } = await serve(({ query }, response) => json(response, { runs: keysOf(query).map(wire) }));
  const reply = await sourceOf(url).source.fetch([key("\ud800"), key("a")], "open", never);
  expect(reply).toMatchObject({ kind: "ok", value: { runs: [{ id: "a" }], refused: [{ key: key("\ud800"), reason: "bad_request" }] } });
  expect(asked).toHaveLength(1);
});

test("a batch over the size limit is asked for without bodies, then halved; a lone run over it is refused as too large", async () => {
  const { url } = await serve(({ query }, response) => {
    const weight = (id: string) => (id === "huge" ? 30_000 : query.get("trimBody") === "0" ? 4_000 : 15_000);
    json(response, { runs: keysOf(query).map((one) => ({ ...wire(one), workflowRunResponse: "x".repeat(weight(one.id)) })) });
  });
  const { source } = sourceOf(url, { bodies: true, limits: { deadlineMs: 5_000, maxBodyBytes: 20_000 } });
  const reply = await source.fetch(
    ["a", "b", "huge", "c"].map((id) => key(id)),
    "open",
    never,
  );
  if (reply.kind !== "ok") throw new Error(reply.kind);
  expect(reply.value.runs.map(({ id, response }) => `${id} ${response?.length}`).sort()).toEqual(["a 4000", "b 4000", "c 15000"]);
  expect(
    reply.value.runs
      .filter(({ oddities }) => oddities.includes("bodies:dropped"))
      .map(({ id }) => id)
      .sort(),
  ).toEqual(["a", "b"]);
  expect(reply.value.refused).toMatchObject([{ key: key("huge"), reason: "too_large" }]);
});

test("what is not the batch's own fault is the reply for all", async () => {
  for (const [status, kind] of [
    [401, "refused"],
    [404, "refused"],
    [500, "unavailable"],
  ] as const) {
    const { url } = await serve((_, response) => json(response, {}, status));
    expect(await sourceOf(url).source.fetch([key("a"), key("b")], "open", never)).toMatchObject({ kind });
  }
});
