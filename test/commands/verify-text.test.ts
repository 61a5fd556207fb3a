import { expect, test } from "vitest";
import { verifyJson, verifyText } from "../../src/commands/verify-text.ts";
import type { SourceVerification } from "../../src/pipeline/verify.ts";

const WINDOW = { from: 0, to: 86_400_000 };
const source: SourceVerification = {
  source: "eu",
  listed: 6,
  ended: 6,
  open: 0,
  unreadable: 0,
  destinations: { jaeger: { delivered: 3, quarantined: 1, dropped: 2 } },
  missing: { runs: 0, first: [] },
  repaired: { runs: 0, first: [] },
};

test("runs that were dropped from the quarantine have a word of their own: they are neither delivered nor missing", () => {
  const text = verifyText({ sources: [source], unsettled: 0 }, WINDOW);
  expect(text).toContain("jaeger  3 delivered · 1 quarantined · 2 dropped");
  expect(text).toContain("nothing is missing; 1 quarantined, as wfotel quarantine list shows");
  expect(verifyJson({ sources: [source], unsettled: 0 }, WINDOW)).toMatchObject({
    complete: true,
    sources: [{ destinations: { jaeger: { delivered: 3, quarantined: 1, dropped: 2 } }, missing_runs: 0 }],
  });
});
