import { ATTRIBUTES } from "./attributes.ts";
import { limited } from "./limits.ts";
import type { Mapping } from "./mapping.ts";
import type { Attributes } from "./span.ts";

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
