import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import type { Fault } from "../../src/fake-upstash/fault.ts";
import { type FakeUpstash, startFakeUpstash } from "../../src/fake-upstash/server.ts";

let fake: FakeUpstash;
afterEach(() => fake.close());

/** A server whose n-th answer (from 1) is spoilt by the n-th fault; it holds one run. */
async function spoilt(...faults: Fault[]): Promise<void> {
  fake = await startFakeUpstash({ onRequest: (_, n) => faults[n - 1] });
  fake.store.putRun({
    workflowRunId: "wfr_1",
    workflowUrl: "https://a.example",
    workflowState: "RUN_STARTED",
    workflowRunCreatedAt: 1,
    steps: [],
  });
}

const ask = (signal?: AbortSignal) =>
  fetch(`${fake.url}/v2/workflows/logs`, { headers: { authorization: `Bearer ${fake.token}` }, signal: signal ?? null });

test("a status with headers and body of its own, once, and then the true answer again", async () => {
  await spoilt({ status: 503, headers: { "Retry-After": "30", "Content-Type": "text/html" }, body: "<html>gateway</html>" });
  const first = await ask();
  expect([first.status, first.headers.get("retry-after"), await first.text()]).toEqual([503, "30", "<html>gateway</html>"]);
  expect(first.headers.get("content-type")).toBe("text/html");
  const second = await ask();
  expect((await second.json()) as object).toMatchObject({ runs: [{ workflowRunId: "wfr_1" }] });
  expect(fake.requests.map((request) => request.status)).toEqual([503, 200]);
});

test("a rewritten body: the same run twice", async () => {
  await spoilt({ rewrite: (body) => ({ runs: (body as { runs: object[] }).runs.flatMap((run) => [run, run]) }) });
  expect(((await (await ask()).json()) as { runs: object[] }).runs).toHaveLength(2);
});

test("a truncated body ends before its announced length", async () => {
  await spoilt({ truncate: 10 });
  const { port } = new URL(fake.url);
  const socket = connect(Number(port), "127.0.0.1");
  await once(socket, "connect");
  socket.write(`GET /v2/workflows/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${fake.token}\r\n\r\n`);
  const [head, body] = (await text(socket)).split("\r\n\r\n");
  expect(body).toHaveLength(10);
  expect(Number(/content-length: (\d+)/i.exec(head ?? "")?.[1])).toBeGreaterThan(10);
});

test("a reset connection gives no answer", async () => {
  await spoilt({ reset: true });
  await expect(ask()).rejects.toThrow("fetch failed");
  expect(fake.requests[0]?.status).toBeUndefined();
});

test("a dripping answer arrives whole", async () => {
  await spoilt({ dripMs: 1 });
  expect((await (await ask()).json()) as object).toMatchObject({ runs: [{ workflowRunId: "wfr_1" }] });
});

test("a delayed answer comes after one that was asked for later", async () => {
  await spoilt({ delayMs: 300 });
  const order: string[] = [];
  await Promise.all([ask().then(() => order.push("first")), ask().then(() => order.push("second"))]);
  expect(order).toEqual(["second", "first"]);
});

test("a hung answer never comes, and close() does not wait for it", async () => {
  await spoilt({ hang: true });
  const hung = ask();
  const outcome = expect(hung).rejects.toThrow("fetch failed");
  while (fake.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await fake.close();
  await outcome;
});
