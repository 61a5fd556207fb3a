import { z } from "zod";
import { duration, size } from "../config/values.ts";

/** `traces:`, `workflows:` and `resource:` as the user writes them: everything that shapes a trace. */

export const attributesSchema = z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()]));

/** The text of a regular expression that matches something, but not everything. */
const _patternSchema = z.string().refine((text) => {
  try {
    return !new RegExp(text, "u").test("");
  } catch {
    return false;
  }
}, "a regular expression (with the flag u) that does not match the empty string");

const traceContext = () => z.enum(["link", "join", "ignore"]);

export const tracesSchema = z
  .strictObject({
    trace_context: traceContext().default("link").meta({ description: "what a caller's traceparent does" }),
    run_kind: z
      .enum(["consumer", "server"])
      .default("consumer")
      .meta({ description: "span kind of triggered runs; server for Jaeger's monitor tab" }),
    invoked_runs: z
      .enum(["nest", "link"])
      .default("nest")
      .meta({ description: "invoked runs lie in their ancestor's trace, or link to it" }),
    attributes: z.enum(["full", "lean"]).default("full").meta({ description: "lean: at most 32 a span, identity first" }),
    max_spans_per_trace: z.int().min(10).default(5_000),
    max_trace_bytes: size().default(4_000_000),
    max_value_bytes: z.int().min(16).max(1_000_000).default(2_048),
    gen_ai: z
      .union([z.boolean(), z.strictObject({ hosts: z.record(z.string(), z.enum(["openai", "anthropic"])).default({}) })])
      .default(false)
      .meta({ description: "model, tokens and finish reasons of LLM calls" }),
    min_queue: duration().default(1_000).meta({ description: "longer in the queue: shown as a child span (message log)" }),
    capture: z
      .strictObject({
        outputs: z.boolean().default(false),
        call_bodies: z.boolean().default(false),
        run_request: z.boolean().default(false),
        run_response: z.boolean().default(false),
        request_headers: z.array(z.string()).default([]),
        response_headers: z.array(z.string()).default([]),
        max_bytes: z.int().min(16).max(1_000_000).default(2_048),
      })
      .prefault({})
      .meta({ description: "payloads are off by default, and then not even fetched" }),
    redact: z
      .strictObject({ keys: z.array(z.string()).default([]), patterns: z.array(z.string()).default([]) })
      .prefault({})
      .meta({ description: "further keys and regular expressions whose values are removed" }),
  })
  .prefault({});

const matchSchema = z.strictObject({ url: z.string().optional(), label: z.string().optional() });

export const workflowRuleSchema = z.strictObject({
  match: matchSchema.prefault({}).meta({ description: "url: * matches anything; label: exact" }),
  set: z
    .strictObject({
      name: z.string().min(1).optional(),
      service_name: z.string().min(1).optional(),
      service_namespace: z.string().min(1).optional(),
      environment: z.string().min(1).optional(),
      attributes: attributesSchema.default({}),
      trace_context: traceContext().optional(),
      step_names: z.array(z.strictObject({ match: z.string().min(1), name: z.string().min(1) })).default([]),
    })
    .prefault({}),
  drop: z.boolean().default(false),
});

export type TracesConfig = z.infer<typeof tracesSchema>;
export type WorkflowRule = z.infer<typeof workflowRuleSchema>;

/** Everything the mapper may depend on besides the run and its placement. */
export interface MappingSettings {
  readonly environment?: string | undefined;
  /** Set only where there is no configuration file (`OTEL_SERVICE_NAME`). */
  readonly serviceName?: string | undefined;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
  readonly traces: TracesConfig;
  readonly workflows: readonly WorkflowRule[];
}
