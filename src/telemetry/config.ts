import * as z from "zod";
import { httpUrl } from "../config/values.ts";

/** `server:` and `telemetry:` as the user writes them. */
export const serverSchema = z
  .strictObject({
    listen: z
      .string()
      .regex(/^(?:|(?:\[[0-9A-Fa-f:.]+\]|[^\s:]*):\d{1,5})$/, 'host:port, or "" for off')
      .default("127.0.0.1:9477")
      .meta({ description: 'host:port of /metrics and the health checks; "" = off' }),
  })
  .prefault({})
  .meta({ description: "metrics and health checks over HTTP" });

export const telemetrySchema = z
  .strictObject({
    log: z
      .strictObject({
        level: z
          .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
          .default("info")
          .meta({ description: "the least important line that is written" }),
        format: z.enum(["json", "pretty", "auto"]).default("auto").meta({ description: "auto: pretty on a terminal" }),
      })
      .prefault({})
      .meta({ description: "the bridge's own log, on stderr" }),
    traces: z
      .strictObject({ endpoint: httpUrl().optional().meta({ description: "v1/traces is appended" }) })
      .prefault({})
      .meta({ description: "the bridge's own traces" }),
    run_metrics: z.boolean().default(true).meta({ description: "metrics of the runs themselves, by workflow" }),
  })
  .prefault({})
  .meta({ description: "the bridge's own logs, traces and metrics" });

export type TelemetryConfig = z.infer<typeof telemetrySchema>;
