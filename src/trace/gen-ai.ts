import { type CallDetails, header } from "../model/run.ts";
import { attribute } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import type { TracesConfig } from "./config.ts";
import { decodePayload } from "./payload.ts";
import { hostOf } from "./service-name.ts";
import type { Attributes } from "./span.ts";

/**
 * An LLM call's model, operation, tokens and finish reasons, by OpenTelemetry's GenAI conventions, read from
 * the bodies that the log holds. The bodies themselves are not exported (that is `capture:`).
 */

type Format = "openai" | "anthropic";
type Json = Readonly<Record<string, unknown>>;

const HOSTS: Readonly<Record<string, Format>> = { "api.openai.com": "openai", "api.anthropic.com": "anthropic" };

/** By the end of the URL's path. OpenAI's responses API is a chat to the conventions as well. */
const OPERATIONS: readonly (readonly [path: RegExp, operation: string, format: Format])[] = [
  [/\/chat\/completions$/, "chat", "openai"],
  [/\/responses$/, "chat", "openai"],
  [/\/embeddings$/, "embeddings", "openai"],
  [/\/completions$/, "text_completion", "openai"],
  [/\/messages$/, "chat", "anthropic"],
];

/**
 * `out`: the Call step's result, `{status, header, body}`, for where the log gives no response body of its own.
 * Undefined where this is no LLM call. A streamed answer is not read: `gen_ai.request.stream` notes that its
 * tokens are missing.
 */
export function genAiAttributes(call: CallDetails, out: string | undefined, config: TracesConfig["gen_ai"]): Attributes | undefined {
  if (config === false || call.url === undefined || !URL.canParse(call.url)) return undefined;
  const format = formatOf(call.url, config === true ? {} : config.hosts);
  const path = new URL(call.url).pathname.replace(/\/+$/, "");
  const operation = OPERATIONS.find(([pattern, , of]) => of === format && pattern.test(path))?.[1];
  if (format === undefined || operation === undefined) return undefined;
  const request = parse(call.requestBody);
  const response = responseOf(call, out);
  const streamed = request.stream === true || isEventStream(call, response);
  return {
    ...attribute(ATTRIBUTES.GEN_AI_PROVIDER, format),
    ...attribute(ATTRIBUTES.GEN_AI_OPERATION, operation),
    ...attribute(ATTRIBUTES.GEN_AI_REQUEST_MODEL, text(request.model)),
    ...(streamed ? attribute(ATTRIBUTES.GEN_AI_STREAM, true) : answer(typeof response === "string" ? {} : response)),
  };
}

/** The user's hosts come first: `host` or `host:port`. */
function formatOf(url: string, hosts: Readonly<Record<string, Format>>): Format | undefined {
  const known = { ...HOSTS, ...hosts };
  for (const host of [new URL(url).host, hostOf(url)]) {
    const format = Object.hasOwn(known, host) ? known[host] : undefined;
    if (format !== undefined) return format;
  }
  return undefined;
}

function answer(response: Json): Attributes {
  const usage = object(response.usage);
  // Anthropic counts cached tokens apart; the conventions want all of the input in one number.
  const input = [usage.prompt_tokens ?? usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
  const counts = input.flatMap((value) => count(value) ?? []);
  return {
    ...attribute(ATTRIBUTES.GEN_AI_RESPONSE_MODEL, text(response.model)),
    ...attribute(ATTRIBUTES.GEN_AI_INPUT_TOKENS, counts.length === 0 ? undefined : counts.reduce((sum, value) => sum + value, 0)),
    ...attribute(ATTRIBUTES.GEN_AI_OUTPUT_TOKENS, count(usage.completion_tokens ?? usage.output_tokens)),
    ...attribute(ATTRIBUTES.GEN_AI_FINISH_REASONS, finishReasons(response)),
  };
}

/** `choices[].finish_reason` (chat), `stop_reason` (messages), `incomplete_details.reason` or `status` (responses). */
function finishReasons(response: Json): readonly string[] {
  const choices = Array.isArray(response.choices) ? response.choices.map((choice) => object(choice).finish_reason) : [];
  const reasons = [...choices, response.stop_reason, object(response.incomplete_details).reason].flatMap((reason) => text(reason) ?? []);
  if (reasons.length > 0) return reasons;
  const status = text(response.status);
  return status === undefined ? [] : [status];
}

/** The response's body, parsed where it is JSON, as text where it is not. */
function responseOf(call: CallDetails, out: string | undefined): Json | string {
  const direct = call.responseBody === undefined || call.responseBody === "" ? undefined : decodePayload(call.responseBody);
  const wrapped = parse(out);
  const body = direct ?? wrapped.body ?? wrapped;
  if (typeof body !== "string") return object(body);
  const decoded = decodePayload(body);
  const parsed = parse(decoded);
  return Object.keys(parsed).length > 0 ? parsed : decoded;
}

function isEventStream(call: CallDetails, response: Json | string): boolean {
  if (header(call.responseHeaders, "content-type")?.includes("text/event-stream") === true) return true;
  return typeof response === "string" && /^\s*(?:event|data):/.test(response);
}

function parse(raw: string | undefined): Json {
  if (raw === undefined) return {};
  try {
    return object(JSON.parse(decodePayload(raw)));
  } catch {
    return {};
  }
}

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}
