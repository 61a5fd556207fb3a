import type { CallDetails } from "../model/run.ts";
import { type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { isHttpStatus } from "./errors.ts";
import { type Mapping, text, urlText } from "./mapping.ts";
import { capturedHeaders } from "./payload.ts";
import type { Attributes } from "./span.ts";

/** OpenTelemetry knows these; what else was sent as a method would be a name without limit. */
const METHODS = new Set(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"]);
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** OpenTelemetry's HTTP client conventions for a Call. */
export function setCall(made: NewAttributes, mapping: Mapping, call: CallDetails): void {
  set(made, ATTRIBUTES.HTTP_METHOD, methodOf(call.method));
  set(made, ATTRIBUTES.HTTP_STATUS, isHttpStatus(call.responseStatus) ? call.responseStatus : undefined);
  set(made, ATTRIBUTES.URL_FULL, urlText(mapping, call.url));
  setServer(made, mapping, call.url);
}

/** The headers that the user listed. */
export function capturedCallHeaders({ settings, redactor }: Mapping, call: CallDetails): Attributes {
  const { capture } = settings.traces;
  return {
    ...capturedHeaders("request", call.requestHeaders, capture.request_headers, redactor),
    ...capturedHeaders("response", call.responseHeaders, capture.response_headers, redactor),
  };
}

/** The answer's status, if it makes the call an error. */
export function failedCallStatus(call: CallDetails | undefined): number | undefined {
  const status = call?.responseStatus;
  return isHttpStatus(status) && status >= 400 ? status : undefined;
}

function methodOf(method: string | undefined): string | undefined {
  if (method === undefined || method === "") return undefined;
  const upper = method.toUpperCase();
  return METHODS.has(upper) ? upper : "_OTHER";
}

function setServer(made: NewAttributes, mapping: Mapping, url: string | undefined): void {
  const parsed = url === undefined ? null : URL.parse(url);
  if (parsed === null) return;
  const host = text(mapping, parsed.hostname);
  set(made, ATTRIBUTES.SERVER_ADDRESS, host);
  set(made, ATTRIBUTES.SERVER_PORT, parsed.port === "" ? PORTS[parsed.protocol] : Number(parsed.port));
  set(made, ATTRIBUTES.PEER_NAME, host);
  set(made, ATTRIBUTES.PEER_SERVICE, host);
}
