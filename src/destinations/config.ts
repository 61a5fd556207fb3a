import { z } from "zod";
import { duration, secret, size } from "../config/values.ts";

/** Entries of `destinations:`, as the user writes them, told apart by `type`. */

const samplingSchema = z
  .strictObject({
    ratio: z.number().min(0).max(1).default(1).meta({ description: "share of traces that is sent" }),
    keep: z
      .array(z.union([z.enum(["failed", "canceled", "retried"]), z.strictObject({ slower_than: duration() })]))
      .default([])
      .meta({ description: "sent whatever the ratio says, each with its whole tree" }),
  })
  .prefault({});

const common = {
  name: z.string().min(1).max(64).meta({ description: "in state, metrics and logs; changing it starts a new destination" }),
  sampling: samplingSchema,
  trace_url: z.string().optional().meta({ description: "link template; {trace_id} is filled in" }),
};

const otlpHttpSchema = z.strictObject({
  ...common,
  type: z.literal("otlp-http"),
  endpoint: z
    .url({ protocol: /^https?$/, error: "an http:// or https:// URL" })
    .optional()
    .meta({ description: "v1/traces is appended" }),
  traces_endpoint: z
    .url({ protocol: /^https?$/, error: "an http:// or https:// URL" })
    .optional()
    .meta({ description: "taken as it is" }),
  encoding: z.enum(["protobuf", "json"]).default("protobuf"),
  compression: z.enum(["gzip", "none"]).default("gzip"),
  headers: z.record(z.string(), secret()).default({}),
  tls: z
    .strictObject({
      ca_file: z.string().optional(),
      cert_file: z.string().optional(),
      key_file: z.string().optional(),
      insecure: z.boolean().default(false).meta({ description: "allow plaintext with headers, and any certificate" }),
    })
    .prefault({}),
  timeout: duration().default(10_000),
  concurrency: z.int().min(1).max(64).default(4),
  max_request_bytes: size().default(1024 * 1024),
  max_span_age: duration().optional().meta({ description: "how old a span's end may be for the backend, e.g. 60m" }),
  too_old: z.enum(["send", "skip_spans", "skip_run"]).default("send").meta({ description: "what happens past max_span_age" }),
});

const fileSchema = z.strictObject({
  ...common,
  type: z.literal("file"),
  path: z.string().min(1).meta({ description: "one OTLP/JSON request a line" }),
});

const consoleSchema = z.strictObject({ ...common, type: z.literal("console") });

export const destinationSchema = z.discriminatedUnion("type", [otlpHttpSchema, fileSchema, consoleSchema]).check((context) => {
  const value = context.value;
  if (value.type !== "otlp-http" || (value.endpoint === undefined) !== (value.traces_endpoint === undefined)) return;
  context.issues.push({ code: "custom", path: ["endpoint"], message: "one of endpoint and traces_endpoint", input: value.endpoint });
});

export type DestinationConfig = z.infer<typeof destinationSchema>;
export type OtlpHttpConfig = Extract<DestinationConfig, { type: "otlp-http" }>;
export type FileConfig = Extract<DestinationConfig, { type: "file" }>;
export type ConsoleConfig = Extract<DestinationConfig, { type: "console" }>;
export type SamplingConfig = z.infer<typeof samplingSchema>;
