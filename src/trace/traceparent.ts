import type { Headers } from "../model/run.ts";

/** A caller's span, as W3C Trace Context carries it. */
export interface CallerContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: string;
}

const SAMPLED = 1;
/** Sampled and random: what version 00 (level 2) knows. Later versions may use others, which mean nothing to us. */
const KNOWN_FLAGS = 3;
const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
/** W3C: at most 32 members. */
const MAX_MEMBERS = 32;
const MEMBER_KEY = /^[\da-z][\w\-*/@]{0,255}$/;
const MEMBER_VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * The caller's context, if it is valid as W3C Trace Context has it: exactly one `traceparent`, lower-case hex,
 * no all-zero id, version 00 without more, later versions read by what they share with it, never ff. A bad
 * `tracestate` is left out by itself.
 */
export function callerContext(headers: Headers | undefined): CallerContext | undefined {
  const [traceparent, ...others] = valuesOf(headers, "traceparent");
  if (traceparent === undefined || others.length > 0) return undefined;
  const match = TRACEPARENT.exec(trimmed(traceparent));
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const traceState = stateOf(valuesOf(headers, "tracestate"));
  const traceFlags = Number.parseInt(flags, 16) & KNOWN_FLAGS;
  return { traceId, spanId, traceFlags, ...(traceState !== undefined && { traceState }) };
}

export function isSampled(context: Pick<CallerContext, "traceFlags">): boolean {
  return (context.traceFlags & SAMPLED) !== 0;
}

/** The members in order, several headers joined; undefined if one is invalid or a key comes twice. */
function stateOf(headers: readonly string[]): string | undefined {
  const members = headers.flatMap((value) => value.split(",")).map(trimmed);
  const present = members.filter((member) => member !== "");
  const keys = present.map((member) => member.slice(0, Math.max(0, member.indexOf("="))));
  const valid = present.every((member, i) => MEMBER_KEY.test(keys[i] ?? "") && MEMBER_VALUE.test(member.slice((keys[i] ?? "").length + 1)));
  if (!valid || present.length === 0 || present.length > MAX_MEMBERS || new Set(keys).size < keys.length) return undefined;
  return present.join(",");
}

/** Optional white space of HTTP: spaces and tabs only. */
function trimmed(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, "");
}

function valuesOf(headers: Headers | undefined, name: string): string[] {
  const keys = Object.keys(headers ?? {}).filter((key) => key.toLowerCase() === name);
  return keys.flatMap((key) => headers?.[key] ?? []);
}
