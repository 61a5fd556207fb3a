import { lean } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import type { Mapping } from "./mapping.ts";
import type { Attributes, Span } from "./span.ts";
import { limitValue } from "./value.ts";

/** What `attributes: lean` keeps of a span. */
const LEAN_LIMIT = 32;
const ORDER = Object.values(ATTRIBUTES).map((attribute) => attribute.name);

/** The workflow's service: a rule's words, else the user's `resource:`, else what the host suggests. */
export function resourceOf({ naming, settings }: Mapping): Attributes {
  const rule = naming.rule === undefined ? undefined : settings.workflows[naming.rule]?.set;
  return limited(
    {
      [ATTRIBUTES.SERVICE_NAME.name]: naming.serviceName,
      ...(naming.environment !== undefined && { [ATTRIBUTES.ENVIRONMENT.name]: naming.environment }),
      ...settings.resource,
      ...(rule?.service_name !== undefined && { [ATTRIBUTES.SERVICE_NAME.name]: rule.service_name }),
      ...(naming.serviceNamespace !== undefined && { [ATTRIBUTES.SERVICE_NAMESPACE.name]: naming.serviceNamespace }),
      ...(rule?.environment !== undefined && { [ATTRIBUTES.ENVIRONMENT.name]: rule.environment }),
    },
    settings,
  );
}

/** A span with as many attributes as the settings allow, within the limits of OTLP. */
export function finished(span: Span, settings: MappingSettings): Span {
  if (settings.traces.attributes === "full") return span;
  return { ...span, attributes: lean(span.attributes, ORDER, LEAN_LIMIT) };
}

/** What the user wrote, within the limits that the log's values keep too. */
export function limited(attributes: Attributes, settings: MappingSettings): Attributes {
  const entries = Object.entries(attributes).flatMap(([name, value]) => {
    const limit = limitValue(value, settings.traces.max_value_bytes);
    return limit === undefined ? [] : [[name, limit] as const];
  });
  return Object.fromEntries(entries);
}
