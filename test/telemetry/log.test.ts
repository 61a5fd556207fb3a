import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLog } from "../../src/telemetry/log.ts";

type Level = Parameters<typeof createLog>[0]["level"];

async function setUp(level: Level = "info", format: "json" | "pretty" | "auto" = "json") {
  let text = "";
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const log = await createLog({ level, format }, stderr);
  return {
    log,
    text: () => text,
    lines: () =>
      text
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

test("a line is JSON with level, time and message; nothing of the process", async () => {
  const { log, lines } = await setUp("info", "auto");
  log.info({ source: "eu", runs: 3 }, "collected");
  expect(lines()).toEqual([{ level: "info", time: expect.stringMatching(/^\d{4}-.*Z$/), source: "eu", runs: 3, msg: "collected" }]);
});

test("pretty lines are for people", async () => {
  const { log, text } = await setUp("info", "pretty");
  log.info({ source: "eu" }, "collected");
  await expect.poll(text).toMatch(/INFO.*: collected \{"source":"eu"\}/);
});

test("a warning that repeats is written five times a minute for each source", async () => {
  const { log, lines } = await setUp();
  for (let n = 0; n < 20; n += 1) log.warn({ source: "eu", reason: `try ${n}` }, "held up");
  log.warn({ source: "us" }, "held up");
  log.error({ source: "eu" }, "held up");
  log.warn("held up");
  expect(lines().map(({ level, source }) => `${level} ${source}`)).toEqual([
    ...Array.from({ length: 5 }, () => "warn eu"),
    "warn us",
    "error eu",
    "warn undefined",
  ]);
});

test("who asks for debug gets every line of it", async () => {
  const { log, lines } = await setUp("debug");
  for (let n = 0; n < 200; n += 1) log.debug({ run: `wfr_${n}` }, "run collected");
  expect(lines()).toHaveLength(200);
});

test("a level below the configured one is not written", async () => {
  const { log, lines } = await setUp("warn");
  log.info("quiet");
  log.warn("loud");
  expect(lines().map(({ msg }) => msg)).toEqual(["loud"]);
});
