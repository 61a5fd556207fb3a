import { readFileSync } from "node:fs";

/** The text of a published or recorded sample. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), "utf8");
}

/** The smallest run that says something, with `fields` over it. */
export function wireRun(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    workflowRunId: "wfr_1",
    workflowUrl: "https://app.example.com/api/order",
    workflowState: "RUN_SUCCESS",
    workflowRunCreatedAt: 1_736_340_463_061,
    workflowRunCompletedAt: 1_736_340_464_684,
    ...fields,
  };
}

/** A run whose only step has these fields. */
export function wireRunOfStep(step: unknown): Record<string, unknown> {
  return wireRun({ steps: [{ type: "sequential", steps: [step] }] });
}
