import type { Config } from "../config/schema.ts";

/** The links to a trace, one for each destination that has a `trace_url`. */
export function traceLinks(config: Pick<Config, "destinations">, traceId: string): string[] {
  return config.destinations.flatMap(({ trace_url }) => (trace_url === undefined ? [] : [traceLink(trace_url, traceId)]));
}

export function traceLink(template: string, traceId: string): string {
  return template.replaceAll("{trace_id}", traceId);
}
