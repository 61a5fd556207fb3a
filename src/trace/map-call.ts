import type { CallDetails } from "../model/run.ts";
import type { Pair } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { isHttpStatus } from "./errors.ts";
import { type Mapping, text, urlText } from "./mapping.ts";
import { capturedHeaders } from "./payload.ts";
import type { Attributes } from "./span.ts";

/** OpenTelemetry knows these; what else was sent as a method would be a name without limit. */
const METHODS = new Set(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"]);
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** OpenTelemetry's HTTP client conventions for a Call. */
export function callAttributes(mapping: Mapping, call: CallDetails): Pair[] {
  return [
    [ATTRIBUTES.HTTP_METHOD, methodOf(call.method)],
    [ATTRIBUTES.HTTP_STATUS, isHttpStatus(call.responseStatus) ? call.responseStatus : undefined],
    [ATTRIBUTES.URL_FULL, urlText(mapping, call.url)],
    ...serverAttributes(mapping, call.url),
  ];
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

function serverAttributes(mapping: Mapping, url: string | undefined): Pair[] {
  if (url === undefined || !URL.canParse(url)) return [];
  const { hostname, port, protocol } = new URL(url);
  const host = text(mapping, hostname);
  return [
    [ATTRIBUTES.SERVER_ADDRESS, host],
    [ATTRIBUTES.SERVER_PORT, port === "" ? PORTS[protocol] : Number(port)],
    [ATTRIBUTES.PEER_NAME, host],
    [ATTRIBUTES.PEER_SERVICE, host],
  ];
}
