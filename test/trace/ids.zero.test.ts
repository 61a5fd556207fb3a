import { expect, test, vi } from "vitest";
import { runSpanId, traceId } from "../../src/trace/ids.ts";

/** A hash that is all zeros until the parts end with a 1: no real input is known to reach this rule. */
vi.mock("node:crypto", () => ({
  hash: (_: string, text: string) => (text.endsWith(",1]") ? "ab".repeat(32) : "0".repeat(64)),
}));

test("an all-zero id is not valid: it is hashed again with a trailing 1", () => {
  expect(traceId("wfr_x", 5)).toBe("ab".repeat(16));
  expect(runSpanId("wfr_x", 5)).toBe("ab".repeat(8));
});
