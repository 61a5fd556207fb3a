import { afterAll, beforeAll, expect, test, vi } from "vitest";
import recorded from "../../src/fake-upstash/recording/demo.recorded.json" with { type: "json" };
import { type Logs, type Recording, unpack } from "../../src/fake-upstash/recording/recording.ts";
import { demoPrograms } from "../programs/demo/demo-programs.ts";
import { recordProgram } from "./recorder.ts";

beforeAll(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
});
afterAll(() => {
  vi.restoreAllMocks();
});

/** What a run is about, whatever its ids and milliseconds: its workflow, its end, its steps. */
function storyOf({ versions }: Logs): string[] {
  const last = new Map(versions.map(({ run }) => [run.workflowRunId, run]));
  return [...last.values()]
    .map(({ workflowUrl, workflowState, steps }) => {
      const names = steps.flatMap((group) =>
        group.steps.map(({ stepName, stepType, state }) => `${group.type} ${stepType} ${stepName} ${state}`),
      );
      return [workflowState, workflowUrl, ...names].join("\n");
    })
    .toSorted();
}

test.concurrent.each(demoPrograms.map((program) => [program.name, program] as const))(
  "the recording of %s is what its program does; npm run record makes it anew",
  async (name, program) => {
    const recordings = recorded as unknown as Readonly<Record<string, Recording>>;
    const { logs, done } = await recordProgram(program);
    expect(storyOf(unpack(recordings[name]!, 0))).toEqual(storyOf(logs));
    const last = logs.versions.findLast(({ run }) => run.workflowRunId === done.runId)!.run;
    expect([last.workflowUrl, last.workflowState]).toEqual([`${program.publicUrl}/${name}`, program.ends]);
    expect(done.deliveries).toBe(program.deliveries);
  },
  30_000,
);
