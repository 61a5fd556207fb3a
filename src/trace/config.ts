import * as z from "zod";
import { duration, size } from "../config/values.ts";
import { checkPattern } from "./redact-patterns.ts";

/** `traces:`, `workflows:` and `resource:` as the user writes them: everything that shapes a trace. */

export const attributesSchema = z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()]));

/** A regular expression that cannot hang: `checkPattern` says what is refused. */
const pattern = () =>
  z.string().check((context) => {
    const message = checkPattern(context.value);
    if (message !== undefined) context.issues.push({ code: "custom", message, input: context.value });
  });

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
    max_spans_per_trace: z.int().min(10).default(5_000).meta({ description: "past it the run goes on in a linked trace" }),
    max_trace_bytes: size().prefault("4MB").meta({ description: "encoded as protobuf; past it the run goes on in a linked trace" }),
    max_value_bytes: z
      .int()
      .min(16)
      .max(1_000_000)
      .default(2_048)
      .meta({ description: "UTF-8 bytes; longer values are cut, with their size beside them" }),
    gen_ai: z
      .union([
        z.boolean(),
        z.strictObject({
          hosts: z
            .record(z.string(), z.enum(["openai", "anthropic"]))
            .default({})
            .meta({ description: "host of a call → whose API it speaks" }),
        }),
      ])
      .default(false)
      .meta({ description: "model, tokens and finish reasons of LLM calls" }),
    min_queue: duration().prefault("1s").meta({ description: "longer in the queue: shown as a child span (message log)" }),
    capture: z
      .strictObject({
        outputs: z.boolean().default(false).meta({ description: "results of steps" }),
        call_bodies: z.boolean().default(false).meta({ description: "of context.call, both directions" }),
        run_request: z.boolean().default(false).meta({ description: "what the run was triggered with" }),
        run_response: z.boolean().default(false).meta({ description: "what the run returned" }),
        request_headers: z.array(z.string()).default([]).meta({ description: "of context.call, by name" }),
        response_headers: z.array(z.string()).default([]).meta({ description: "of context.call, by name" }),
        max_bytes: z.int().min(16).max(1_000_000).default(2_048).meta({ description: "UTF-8 bytes of one payload" }),
      })
      .prefault({})
      .meta({ description: "payloads are off by default, and then not even fetched" }),
    redact: z
      .strictObject({
        keys: z.array(z.string().min(1)).default([]).meta({ description: "of JSON bodies, headers and queries" }),
        patterns: z.array(pattern()).default([]).meta({ description: "regular expressions, without slashes; what they match is removed" }),
      })
      .prefault({})
      .meta({ description: "further keys and regular expressions whose values are removed" }),
  })
  .prefault({})
  .meta({ description: "what a trace looks like" });

const matchSchema = z
  .strictObject({
    url: z.string().min(1).optional().meta({ description: "the whole URL, with or without its query; * matches anything" }),
    label: z.string().min(1).optional().meta({ description: "one of the labels, exactly" }),
  })
  .refine((match) => match.url !== undefined || match.label !== undefined, {
    error: 'url, label or both (url: "*" for every run)',
    when: ({ issues }) => issues.length === 0, // one that is misspelt is not missing too
  });

export const workflowRuleSchema = z.strictObject({
  match: matchSchema.meta({ description: "url, label or both; the first rule that matches wins" }),
  set: z
    .strictObject({
      name: z.string().min(1).optional().meta({ description: "of the workflow" }),
      service_name: z.string().min(1).optional().meta({ description: "service.name" }),
      service_namespace: z.string().min(1).optional().meta({ description: "service.namespace" }),
      environment: z.string().min(1).optional().meta({ description: "deployment.environment.name" }),
      attributes: attributesSchema.default({}).meta({ description: "of the run span" }),
      trace_context: traceContext().optional().meta({ description: "as in traces" }),
      step_names: z
        .array(
          z.strictObject({
            match: z.string().min(1).meta({ description: "* matches anything" }),
            name: z.string().min(1).meta({ description: "what such steps are called" }),
          }),
        )
        .default([])
        .meta({ description: "first match wins" }),
    })
    .prefault({})
    .meta({ description: "what such runs are called" }),
  drop: z.boolean().default(false).meta({ description: "such runs are not exported" }),
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
