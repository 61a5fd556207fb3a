import { expect, test } from "vitest";
import { probeSource } from "../../src/commands/probe.ts";
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
