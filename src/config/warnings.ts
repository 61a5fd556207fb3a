import type { Config } from "./schema.ts";
import { isLoopback } from "./values.ts";

/** What is allowed and probably not meant, one line each; no values but names and hosts. */
export function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  for (const source of config.sources) {
    const url = new URL(source.url);
    if (url.protocol === "http:" && !isLoopback(url.hostname))
      warnings.push(`source ${source.name}: its token goes to ${url.host} without encryption`);
  }
  const groupedOnly = config.sources.filter((source) => source.detail === "runs" || source.completion_feed === "off");
  for (const destination of config.destinations) {
    const endpoint = destination.type === "otlp-http" ? URL.parse(destination.traces_endpoint ?? destination.endpoint ?? "") : null;
    if (endpoint?.port === "4317")
      warnings.push(`destination ${destination.name}: port 4317 is gRPC's by convention; OTLP over HTTP listens on 4318`);
    const { ratio, keep } = destination.sampling;
    if (ratio >= 1 || !keep.includes("retried")) continue;
    for (const source of groupedOnly)
      warnings.push(
        `destination ${destination.name}: keep retried cannot see retries that recovered in source ${source.name}, which reads the grouped log alone`,
      );
  }
  return warnings;
}
