import { Client } from "@upstash/workflow";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FakeUpstash, startFakeUpstash } from "../../src/fake-upstash/server.ts";

const T0 = 1_795_319_476_000;
let fake: FakeUpstash;
let client: Client;

beforeEach(async () => {
  fake = await startFakeUpstash({ now: () => T0 });
  client = new Client({ baseUrl: fake.url, token: fake.token, retry: false, enableTelemetry: false });
  for (let n = 1; n <= 23; n++) {
    fake.store.putRun({
      workflowRunId: `wfr_${n}`,
      workflowUrl: `https://shop.example.com/wf/${n % 2 === 0 ? "even" : "odd"}`,
      workflowState: n % 5 === 0 ? "RUN_FAILED" : "RUN_SUCCESS",
      workflowRunCreatedAt: T0 - 60_000 + n,
      workflowRunCompletedAt: T0 - 30_000 + n,
      ...(n === 7 ? { label: "vip", labels: ["vip"] } : {}),
      steps: [
        {
          type: "sequential",
          steps: [{ stepName: "init", stepType: "Initial", callType: "step", messageId: `msg_${n}`, createdAt: T0 - 60_000 + n }],
        },
      ],
    });
  }
});
afterEach(() => fake.close());

const ids = (runs: readonly { workflowRunId: string }[]) => runs.map((run) => Number(run.workflowRunId.slice(4)));

test("the official client pages through every run by its cursor", async () => {
  const seen: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.logs({ count: 10, ...(cursor === undefined ? {} : { cursor }) });
    seen.push(...ids(page.runs));
    cursor = page.cursor;
  } while (cursor);
  expect(seen).toEqual(Array.from({ length: 23 }, (_, index) => 23 - index));
});

test("the official client reads a run's steps", async () => {
  const { runs } = await client.logs({ workflowRunId: "wfr_7" });
  expect(ids(runs)).toEqual([7]);
  expect(runs[0]?.steps[0]?.steps[0]).toMatchObject({ stepName: "init", stepType: "Initial" });
});

test("the official client's filters reach the fake as it sends them", async () => {
  expect(ids((await client.logs({ state: "RUN_FAILED" })).runs)).toEqual([20, 15, 10, 5]);
  expect(ids((await client.logs({ workflowUrl: "https://shop.example.com/wf/even", count: 2 })).runs)).toEqual([22, 20]);
  expect(ids((await client.logs({ filter: { label: "vip" } })).runs)).toEqual([7]);
  expect(ids((await client.logs({ filter: { fromDate: T0 - 60_000 + 22 } })).runs)).toEqual([23, 22]);
});

test("the official client turns an error answer into its own error", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {}); // it reports each failure there as well
  await expect(client.logs({ cursor: "1-1" })).rejects.toThrow("invalid cursor");
  const stranger = new Client({ baseUrl: fake.url, token: "wrong", retry: false, enableTelemetry: false });
  await expect(stranger.logs()).rejects.toThrow("unauthorized");
  said.mockRestore();
});
