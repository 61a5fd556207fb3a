import { afterEach, expect, test } from "vitest";
import { historyOf, type LogApi, startLogApi, TOKEN } from "./log-api.ts";
import { STORIES } from "./story.ts";

const NEWEST = Date.now() - 3_600_000;
const history = historyOf(25, 1_000, NEWEST, STORIES);
let api: LogApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

async function ask(query: string): Promise<{ cursor?: string; runs: { workflowRunId: string }[]; events: { time: number }[] }> {
  api ??= await startLogApi({ history, messageLog: true });
  const answer = await fetch(`${api.url}/v2/workflows/${query}`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return (await answer.json()) as Awaited<ReturnType<typeof ask>>;
}

const numbers = (runs: readonly { workflowRunId: string }[]) => runs.map(({ workflowRunId }) => Number(workflowRunId.slice(4)));

test("its pages lead from the newest run to the oldest, each once", async () => {
  const seen: number[] = [];
  let cursor: string | undefined = "";
  while (cursor !== undefined) {
    const page: Awaited<ReturnType<typeof ask>> = await ask(`logs?count=10&cursor=${cursor}`);
    seen.push(...numbers(page.runs));
    cursor = page.cursor;
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => 24 - index));
});

test("a window holds the runs created in it, both ends included, and says when it is over", async () => {
  const page = await ask(`logs?fromDate=${NEWEST - 3_000}&toDate=${NEWEST - 1_000}`);
  expect(numbers(page.runs)).toEqual([23, 22, 21]);
  expect(page.cursor).toBeUndefined();
});

test("runs are found by their ids, and none of those that ended is running", async () => {
  expect(numbers((await ask(`logs?workflowRuns=${history.runs[3]?.id}@1,${history.runs[5]?.id}@2`)).runs)).toEqual([3, 5]);
  expect((await ask("logs?state=RUN_STARTED")).runs).toEqual([]);
});

test("the message log has every event once, newest first", async () => {
  const times: number[] = [];
  let cursor: string | undefined = "";
  while (cursor !== undefined) {
    const page: Awaited<ReturnType<typeof ask>> = await ask(`messageLogs?count=100&cursor=${cursor}`);
    times.push(...page.events.map(({ time }) => time));
    cursor = page.cursor;
  }
  expect(times).toHaveLength(history.runs.reduce((sum, { story }) => sum + story.events.length, 0));
  expect(times).toEqual(times.toSorted((a, b) => b - a));
});
