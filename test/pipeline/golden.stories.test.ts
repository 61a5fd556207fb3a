import { expect, test } from "vitest";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { FailureFunction, RunKey } from "../../src/model/run.ts";
import { failureSpanId, runSpanId, stepSpanId, traceId } from "../../src/trace/ids.ts";
import { keepByRatio } from "../../src/trace/sampling.ts";
import { type Program, program, START } from "../support/log-api.ts";
import { HOUR, KEEP_ALL, type ReadRig, readRig } from "../support/pipeline.ts";
import { delivered } from "../support/store-samples.ts";
import { golden, page } from "../support/story.ts";

/** What destinations get while time passes, told in words and held against trace-model.md by hand; never written in CI. */

const MINUTE = 60_000;

/** What is queued for a destination is taken as delivered, and told. */
async function taken({ store, api }: ReadRig, destination: string): Promise<string> {
  const rows = await store.queued(destination, "protobuf", 0, 10_000_000);
  for (const { id } of rows) await store.settle(destination, [delivered(id)], 0);
  const word = words(api.programs);
  const lines = rows.flatMap(({ key, part, chunks }) => [
    `${key.id}, part ${part}`,
    ...chunks.flatMap(({ bytes }) => readSpans(bytes, "protobuf").spans).map((span) => `    ${toldSpan(span, word)}`),
  ]);
  return lines.length === 0 ? "nothing" : lines.join("\n");
}

function words(runs: readonly RunKey[]): (id: string) => string {
  const known = new Map<string, string>();
  for (const { id, createdAt } of runs) {
    known
      .set(traceId(id, createdAt), `own trace of ${id}`)
      .set(runSpanId(id, createdAt), `run ${id}`)
      .set(stepSpanId(id, createdAt, 1), "step 1");
    for (const n of [1, 2, 3]) known.set(failureSpanId(id, createdAt, n), `failure function ${n}`);
  }
  return (id) => known.get(id) ?? id;
}

function toldSpan(
  { name, spanId, traceId: trace, startTimeUnixNano, endTimeUnixNano, attributes }: ReceivedSpan,
  word: (id: string) => string,
) {
  const at = (time: bigint) => `${Number(time / 1_000_000n) - START} ms`;
  const failure = ["state", "message.id"].flatMap((key) => attributes[`upstash.workflow.failure.${key}`] ?? []);
  const times = `${at(startTimeUnixNano)} … ${at(endTimeUnixNano)}`;
  return [`${name}: ${word(spanId)}, in ${word(trace)}`, times, ...failure].join(", ");
}

test("a failure function that the user has run again, twice: the first goes with the run, each repetition alone", async () => {
  const rig = await readRig();
  const called = (messageId: string, state: string, answeredAt?: number): FailureFunction => ({
    messageId,
    state,
    errors: [],
    ...(answeredAt !== undefined && { responseStatus: 200, responseHeaders: { date: [new Date(START + answeredAt).toUTCString()] } }),
  });
  const shown: Record<string, FailureFunction> = {
    "msg_1 has failed": called("msg_1", "CALLBACK_FAIL", 9_000),
    "the user runs it again: msg_2 is in progress": called("msg_2", "CALLBACK_INPROGRESS"),
    "msg_2 has failed": called("msg_2", "CALLBACK_FAIL", HOUR),
    "and again: msg_3 has succeeded": called("msg_3", "CALLBACK_SUCCESS", 2 * HOUR),
    "an old page shows msg_1 once more": called("msg_1", "CALLBACK_FAIL", 9_000),
  };
  const sections: [string, string][] = [];
  for (const [title, failureFunction] of Object.entries(shown)) {
    rig.api.programs.splice(0, 1, program("wfr_order", 1_000, 5_000, { state: "RUN_FAILED", over: { failureFunction } }));
    await rig.runFor(30 * MINUTE);
    sections.push([title, await taken(rig, "jaeger")]);
  }
  await expect(page(sections)).toMatchFileSnapshot(golden("failure function repeated"));
});

/** Ids by which the ratio of a half keeps or drops the trace. */
function named(kept: boolean, createdAt: number, prefix: string): string {
  for (let n = 0; ; n += 1) if (keepByRatio(traceId(`${prefix}_${n}`, createdAt), 0.5) === kept) return `${prefix}_${n}`;
}

/** A run that ends after half an hour, and one that it has invoked and that ends at once. */
function tree(kept: boolean, prefix: string, parent: Partial<Program>, child: Partial<Program>): Program[] {
  const top = named(kept, START, prefix);
  const keys = [
    { id: top, createdAt: START },
    { id: `${top}.child`, createdAt: START + 1_000 },
  ] as const;
  return [
    program(keys[0].id, 0, 30 * MINUTE, { invokes: [keys[1]], ...parent }),
    program(keys[1].id, 1_000, 2_000, { invoker: keys[0], ...child }),
  ];
}

test("sampling: whole trees by the trace id or by one run's outcome; the verdict waits for the tree", async () => {
  const sampling: (typeof KEEP_ALL)[number]["sampling"] = { ratio: 0.5, keep: ["failed", "canceled", { slower_than: HOUR }] };
  const rig = await readRig({ destinations: [...KEEP_ALL, { name: "half", encoding: "protobuf", sampling }] });
  const failed = { state: "RUN_FAILED" } as const;
  rig.api.programs.push(
    ...tree(true, "kept_by_its_id", {}, {}),
    ...tree(false, "dropped_by_its_id", {}, {}),
    ...tree(false, "its_top_fails", failed, {}),
    ...tree(false, "its_child_failed", {}, failed),
    ...tree(false, "its_top_is_canceled", { state: "RUN_CANCELED" }, {}),
    ...tree(false, "its_top_is_slow", { endsAt: START + 2 * HOUR }, {}),
    program(named(false, START, "alone"), 0, 1_000),
    program(named(false, START, "alone_and_failed"), 0, 1_000, failed),
  );
  const verdicts = async () => {
    const outcomes = await rig.store.outcomes("eu", rig.api.programs);
    const records = await rig.store.findRuns("eu", rig.api.programs);
    const lines = rig.api.programs.map(({ id }, index) => {
      const { jaeger = "–", half = "–" } = outcomes[index]?.destinations ?? {};
      const { phase = "", watch } = records[index] ?? {};
      return [id.padEnd(28), phase.padEnd(9), (watch?.reason ?? "").padEnd(8), jaeger.padEnd(8), half].join(" ").trimEnd();
    });
    return [["run".padEnd(28), "phase".padEnd(9), "waits".padEnd(8), "all".padEnd(8), "half"].join(" "), ...lines].join("\n");
  };
  const sections: [string, string][] = [];
  for (const [title, ms] of [
    ["after 10 minutes", 10 * MINUTE],
    ["after an hour", 50 * MINUTE],
    ["after three hours", 2 * HOUR],
  ] as const) {
    await rig.runFor(ms);
    sections.push([title, await verdicts()]);
  }
  const counts = (await rig.store.status(0)).destinations.map(
    ({ name, counts: own, queued }) => `${name}: ${JSON.stringify({ queued, ...own })}`,
  );
  await expect(page([...sections, ["counted", counts.join("\n")]])).toMatchFileSnapshot(golden("sampling"));
});
