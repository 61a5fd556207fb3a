import type { OtlpHttpConfig } from "./config.ts";

/**
 * Where requests go: `traces_endpoint` as it is; `endpoint` with `v1/traces` after its path, its query kept.
 * Source: the OTLP exporter specification, "Endpoint URLs for OTLP/HTTP".
 */
export function targetOf(config: Pick<OtlpHttpConfig, "endpoint" | "traces_endpoint">): URL {
  const url = new URL(config.traces_endpoint ?? config.endpoint ?? "");
  if (config.traces_endpoint === undefined) url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/traces`;
  return url;
}
