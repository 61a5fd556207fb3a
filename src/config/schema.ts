import * as z from "zod";
import { destinationSchema } from "../destinations/config.ts";
import { upstashSourceSchema } from "../sources/upstash/config.ts";
import { stateSchema } from "../state/config.ts";
import { serverSchema, telemetrySchema } from "../telemetry/config.ts";
import { attributesSchema, tracesSchema, workflowRuleSchema } from "../trace/config.ts";

/** The whole file, composed of each component's own schema. Keys are the user's: snake_case, as in YAML. */
export const configSchema = z.strictObject({
  extends: z.string().optional().meta({ description: "another file that this one builds on" }),
  environment: z.string().min(1).optional().meta({ description: "deployment.environment.name" }),
  sources: z.array(upstashSourceSchema).default([]).meta({ description: "where runs come from" }),
  destinations: z.array(destinationSchema).default([]).meta({ description: "where traces go" }),
  traces: tracesSchema,
  workflows: z.array(workflowRuleSchema).default([]).meta({ description: "rules by URL and label; first match wins" }),
  resource: attributesSchema.default({}).meta({ description: "attributes of every resource" }),
  state: stateSchema,
  server: serverSchema,
  telemetry: telemetrySchema,
});

export type Config = z.infer<typeof configSchema>;
