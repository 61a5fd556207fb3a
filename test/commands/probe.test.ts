import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { probeFile, probeSource } from "../../src/commands/probe.ts";
import type { RunSource } from "../../src/sources/source.ts";

const withoutLog: Pick<RunSource, "list" | "events"> = {
  list: async () => ({ kind: "ok", value: { runs: [], unreadable: [] } }),
  events: async () => ({ kind: "refused", reason: "not_found", status: 404, message: "not found" }),
};

test.each([
  ["auto", true, ""],
  ["runs", true, ""],
  ["messages", false, "; detail: messages needs it"],
] as const)("a source without a message log under detail: %s: well is %s", async (detail, ok, more) => {
  const seen = await probeSource(withoutLog as RunSource, detail, new AbortController().signal);
  expect(seen).toEqual({ ok, text: `reachable, no runs yet; message log: refused (not_found): not found${more}`, runs: [] });
});

test("a file is looked at, and neither made nor mended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "traces.jsonl");
  expect(await probeFile(file)).toEqual({ ok: true, text: "its file can be created" });
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(file, '{"resourceSpans":[');
  expect(await probeFile(file)).toEqual({ ok: true, text: "its file can be written" });
  expect(readFileSync(file, "utf8")).toBe('{"resourceSpans":[');
  expect(await probeFile(folder)).toEqual({ ok: false, text: "its path is a folder, not a file" });
  expect(await probeFile(join(folder, "no", "traces.jsonl"))).toEqual({ ok: false, text: "its folder is not there (ENOENT): create it" });
  expect(await probeFile(join(file, "traces.jsonl"))).toEqual({ ok: false, text: "its file cannot be written (ENOTDIR)" });
});
