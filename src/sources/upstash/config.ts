import * as z from "zod";
import { duration, entryName, httpUrl, interval, secret } from "../../config/values.ts";
import type { WorkflowRun } from "../../model/run.ts";

/** Default of `url`: the EU region, as the official SDK has it. */
const DEFAULT_URL = "https://qstash.upstash.io";
/** What a source without a name is called; the environment's own too, so moving it into a file changes nothing. */
export const DEFAULT_NAME = "upstash";

/** One entry of `sources:`, as the user writes it. */
export const upstashSourceSchema = z
  .strictObject({
    name: entryName().default(DEFAULT_NAME).meta({ description: "in state, metrics and logs; changing it starts anew" }),
    type: z.literal("upstash").default("upstash").meta({ description: "where runs are read from" }),
    url: httpUrl().default(DEFAULT_URL).meta({ description: "the region's base URL" }),
    token: secret(),
    poll_interval: interval().prefault("5s").meta({ description: "while runs come in" }),
    poll_interval_idle: interval().prefault("60s").meta({ description: "while nothing happens" }),
    lookback: duration().prefault("15m").meta({ description: "listed again and again, for runs that appear late" }),
    open_run_max_interval: interval().prefault("5m").meta({ description: "an open run is asked for at least this often" }),
    sweep_interval: duration().prefault("24h").meta({ description: "full comparison with the API; 0 = never" }),
    retention: duration().optional().meta({ description: "how long the API keeps runs; learnt where not given" }),
    start_from: duration().prefault("1h").meta({ description: "first start: runs that ended since then" }),
    completion_feed: z.enum(["auto", "off"]).default("auto").meta({ description: "let the message log name what ended" }),
    max_requests_per_second: z
      .number()
      .positive()
      .max(1000)
      .default(10)
      .meta({ description: "an upper bound; the API's own headers may lower it" }),
    filters: z
      .strictObject({
        workflow_urls: z.array(z.string()).default([]).meta({ description: "whole URLs, as the runs have them" }),
        labels: z.array(z.string()).default([]).meta({ description: "one of the run's labels" }),
        flow_control_keys: z.array(z.string()).default([]).meta({ description: "whole keys" }),
      })
      .prefault({})
      .meta({ description: "only runs that match one entry of every list that is not empty" }),
    detail: z
      .enum(["auto", "runs", "messages"])
      .default("auto")
      .meta({ description: "messages: exact timelines from the message log; runs: the grouped log alone" }),
  })
  .superRefine(
    (written, context) => {
      if (written?.detail !== "messages" || written.completion_feed !== "off") return;
      context.issues.push({ code: "custom", path: ["detail"], message: "auto or runs, since completion_feed is off", input: written });
    },
    { when: () => true }, // beside the keys' own errors, not after them
  );

export type UpstashSourceConfig = z.infer<typeof upstashSourceSchema>;

/** Whether a run is one of those that the user's `filters` let in: one entry of every list that is not empty. */
export function matchesFilters(
  run: Pick<WorkflowRun, "url" | "labels" | "flowControlKey">,
  filters: UpstashSourceConfig["filters"],
): boolean {
  const { workflow_urls: urls, labels, flow_control_keys: keys } = filters;
  if (urls.length > 0 && !urls.includes(run.url)) return false;
  if (labels.length > 0 && !run.labels.some((label) => labels.includes(label))) return false;
  return keys.length === 0 || (run.flowControlKey !== undefined && keys.includes(run.flowControlKey));
}
