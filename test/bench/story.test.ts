import { expect, test } from "vitest";
import { decodeEvent, decodeRun } from "../../src/sources/upstash/decode.ts";
import { order, STORIES, storyOf } from "./story.ts";

const CREATED_AT = 1_790_000_000_000;

test("a run of a story is the played one under another id and time, as it stood at the moment", () => {
  const story = storyOf(order(5_000), 1);
  const [running, ended] = [100, story.durationMs].map((elapsed) => decodeRun(JSON.parse(story.run("wfr_x1", CREATED_AT, elapsed))));
  expect(running).toMatchObject({ ok: true, run: { id: "wfr_x1", createdAt: CREATED_AT, state: "RUN_STARTED", oddities: [] } });
  expect(ended).toMatchObject({ ok: true, run: { state: "RUN_SUCCESS", completedAt: CREATED_AT + story.durationMs, oddities: [] } });
  expect(story.durationMs).toBeGreaterThan(4_000);
});

test("its events are of the same run, in order, and no message is that of another run", () => {
  const [story] = STORIES;
  const decoded = (id: string) => story?.events.map(({ text }) => decodeEvent(JSON.parse(text(id, CREATED_AT))));
  const messages = (id: string) => decoded(id)?.flatMap((one) => (one.ok ? (one.event.messageId ?? []) : []));
  expect(decoded("wfr_1")?.every((one) => one.ok && one.event.id === "wfr_1" && one.event.createdAt === CREATED_AT)).toBe(true);
  expect(decoded("wfr_1")?.at(-1)).toMatchObject({ ok: true, event: { state: "RUN_SUCCESS" } });
  expect(messages("wfr_1")?.filter((id) => messages("wfr_2")?.includes(id))).toEqual([]);
});
