import type { Span } from "../trace/span.ts";

/**
 * The version of the mapping, not of the package: it changes only when the bytes of a run that was
 * mapped before would change, because a backend takes a changed span for another one.
 */
const MAPPING_VERSION = "1";

/** The semantic conventions whose names the mapping uses. */
const SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";

/** The GenAI conventions live in a registry of their own, with no release yet: this is what it declares. */
const GEN_AI_SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev";

/** The instrumentation scopes. */
export const SCOPES = {
  workflow: { name: "upstash-workflow-otel", version: MAPPING_VERSION, schemaUrl: SCHEMA_URL },
  gen_ai: { name: "upstash-workflow-otel.gen_ai", version: MAPPING_VERSION, schemaUrl: GEN_AI_SCHEMA_URL },
} as const satisfies Readonly<Record<Span["scope"], { name: string; version: string; schemaUrl: string }>>;
