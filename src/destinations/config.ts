import * as z from "zod";
import { duration, entryName, httpUrl, inputPath, interval, isLoopback, outputPath, secret, size } from "../config/values.ts";

/** Entries of `destinations:`, as the user writes them, told apart by `type`. */

const samplingSchema = z
  .strictObject({
    ratio: z.number().min(0).max(1).default(1).meta({ description: "share of traces that is sent" }),
    keep: z
      .array(z.union([z.enum(["failed", "canceled", "retried"]), z.strictObject({ slower_than: duration() })]))
      .default([])
      .meta({ description: "sent whatever the ratio says, each with its whole tree" }),
  })
  .prefault({})
  .meta({ description: "which traces are sent here; whole trees, by trace id" });

/** What a destination without a name is called; the environment's own too, so moving it into a file changes nothing. */
export const DEFAULT_NAMES = { "otlp-http": "otlp", file: "file", console: "console" } as const;

const name = (type: keyof typeof DEFAULT_NAMES) =>
  entryName().default(DEFAULT_NAMES[type]).meta({ description: "in state, metrics and logs; changing it starts a new destination" });

const common = {
  sampling: samplingSchema,
  trace_url: z
    .string()
    .refine((text) => text.includes("{trace_id}") && !/\{(?!trace_id\})\w+\}/.test(text), "a link with {trace_id} and no other placeholder")
    .optional()
    .meta({ description: "link template; {trace_id} is filled in" }),
};

const otlpHttpOptions = {
  endpoint: httpUrl().optional().meta({ description: "v1/traces is appended" }),
  traces_endpoint: httpUrl().optional().meta({ description: "taken as it is" }),
  encoding: z.enum(["protobuf", "json"]).default("protobuf").meta({ description: "of the OTLP request" }),
  compression: z.enum(["gzip", "none"]).default("gzip").meta({ description: "of the request's body" }),
  headers: z
    .record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, "a header's name"), secret())
    .default({})
    .meta({ description: "sent with every request; quotes around references" }),
  tls: z
    .strictObject({
      ca_file: inputPath().optional().meta({ description: "PEM; trusted instead of the usual authorities" }),
      cert_file: inputPath().optional().meta({ description: "PEM; client certificate" }),
      key_file: inputPath().optional().meta({ description: "PEM; its key" }),
      insecure: z.boolean().default(false).meta({ description: "allow plaintext with headers, and any certificate" }),
    })
    .prefault({})
    .meta({ description: "files are relative to this one" }),
  timeout: interval().prefault("10s").meta({ description: "of one whole request" }),
  concurrency: z.int().min(1).max(64).default(4).meta({ description: "requests in flight" }),
  max_request_bytes: size().prefault("1MiB").meta({ description: "of one request, before compression" }),
  max_span_age: duration().optional().meta({ description: "how old a span's end may be for the backend, e.g. 60m" }),
  too_old: z.enum(["send", "skip_spans", "skip_run"]).default("send").meta({ description: "what happens past max_span_age" }),
};

const fileOptions = { path: outputPath().meta({ description: "one OTLP/JSON request a line" }) };

/**
 * What each key allows and all of them together do not is judged beside the keys' own errors, not after them: so
 * nothing here is of its type until it was looked at.
 */
type Written = Readonly<Record<string, unknown>>;
type Contradiction = { readonly path: string[]; readonly message: string };

function isMap(value: unknown): value is Written {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const always = { when: ({ value }: { readonly value: unknown }) => isMap(value) };

function report(found: readonly Contradiction[], { issues, value }: { readonly issues: z.core.$ZodRawIssue[]; readonly value: unknown }) {
  for (const { path, message } of found) issues.push({ code: "custom", path, message, input: value });
}

function endpoints({ endpoint, traces_endpoint }: Written): Contradiction[] {
  if ((endpoint === undefined) !== (traces_endpoint === undefined)) return [];
  return [{ path: ["endpoint"], message: "one of endpoint and traces_endpoint" }];
}

function contradictions(written: Written): Contradiction[] {
  const found: Contradiction[] = [];
  const { cert_file, key_file, insecure } = isMap(written.tls) ? written.tls : {};
  if (cert_file !== undefined && key_file === undefined) found.push({ path: ["tls", "key_file"], message: "the key of cert_file" });
  if (key_file !== undefined && cert_file === undefined) found.push({ path: ["tls", "cert_file"], message: "the certificate of key_file" });
  const key = written.traces_endpoint === undefined ? "endpoint" : "traces_endpoint";
  const url = URL.parse(String(written[key]));
  const plaintext = url?.protocol === "http:" && !isLoopback(url.hostname);
  if (plaintext && isMap(written.headers) && Object.keys(written.headers).length > 0 && insecure === false)
    found.push({ path: [key], message: "https:// for an endpoint that gets headers (or tls.insecure: true)" });
  if ((written.too_old === "skip_spans" || written.too_old === "skip_run") && written.max_span_age === undefined)
    found.push({ path: ["max_span_age"], message: `an age, since too_old is ${written.too_old}` });
  return found;
}

const otlpHttpSchema = z
  .strictObject({
    name: name("otlp-http"),
    ...common,
    type: z.literal("otlp-http").default("otlp-http").meta({ description: "OTLP over HTTP: a collector, Jaeger, Tempo or a vendor" }),
    ...otlpHttpOptions,
  })
  .superRefine((written, context) => report([...endpoints(written), ...contradictions(written)], context), always);

const fileSchema = z.strictObject({
  name: name("file"),
  ...common,
  type: z.literal("file").meta({ description: "OTLP/JSON into a file" }),
  ...fileOptions,
});

const consoleSchema = z.strictObject({
  name: name("console"),
  ...common,
  type: z.literal("console").meta({ description: "waterfalls on stdout" }),
});

export const destinationSchema = z.discriminatedUnion("type", [otlpHttpSchema, fileSchema, consoleSchema]);

/** For errors alone: what can be said of a destination whose type is none. Keys are unknown where no type has them. */
export const untypedDestinationSchema = z
  .strictObject({
    ...z.strictObject({ ...otlpHttpOptions, ...fileOptions }).partial().shape,
    ...common,
    name: entryName().optional(),
    type: z.unknown().optional(),
  })
  .superRefine((written, context) => report(contradictions(written), context), always);

export type DestinationConfig = z.infer<typeof destinationSchema>;
export type OtlpHttpConfig = Extract<DestinationConfig, { type: "otlp-http" }>;
export type FileConfig = Extract<DestinationConfig, { type: "file" }>;
export type ConsoleConfig = Extract<DestinationConfig, { type: "console" }>;
export type SamplingConfig = z.infer<typeof samplingSchema>;
