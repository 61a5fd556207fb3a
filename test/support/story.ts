import type { Headers, WorkflowRun } from "../../src/model/run.ts";
import { addMarks, eventLinks, factsOf, marksOf } from "../../src/pipeline/marks.ts";
import type { Mark } from "../../src/state/store.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { type Telling, told } from "./told-trace.ts";

/** What a trace says beyond a single run, told in words and held against trace-model.md by hand; never written in CI. */
export const golden = (name: string) => `../golden/stories/${name.replaceAll(" ", "-")}.txt`;

export type Sections = readonly (readonly [title: string, text: string])[];
export const page = (sections: Sections) => sections.map(([title, text]) => `== ${title} ==\n\n${text}\n`).join("\n");

/** As the daemon exports them, one after the other. */
export function exported(runs: readonly WorkflowRun[], settings: MappingSettings): MappedRun[] {
  const placementOf = placeAll(runs, settings);
  const marks = new Map<string, readonly Mark[]>();
  return runs.map((run) => {
    const mapped = withEventLinks(mapRun(run, placementOf(run), settings, factsOf(run, marks)), eventLinks(marks, run));
    addMarks(marks, marksOf(run, mapped));
    return mapped;
  });
}

export const story = (runs: readonly WorkflowRun[], settings: MappingSettings, telling: Partial<Telling> = {}) =>
  told(exported(runs, settings), { runs, ...telling });

export const CALLER_TRACE = "0af7651916cd43dd8448eb211c80319c";
export const CALLER_SPAN = "b7ad6b7169203331";
export const traceparent = (flags: string) => `00-${CALLER_TRACE}-${CALLER_SPAN}-${flags}`;
export const caller: Headers = { Traceparent: [traceparent("01")], Tracestate: ["vendor=1"] };
