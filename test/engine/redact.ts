import { createHash } from "node:crypto";
import type { WireHeaders, WireStep } from "../../src/fake-upstash/wire.ts";

const redacted = (text: string) => `REDACTED:${createHash("sha256").update(text).digest("hex")}`;

const BODIES = ["out", "callBody", "callResponseBody"] as const;
const HEADERS = ["headers", "callHeaders", "callResponseHeaders"] as const;

/** A step as the logs show it where the trigger asked for redaction: bodies, all headers, or some. */
export function redactStep(step: WireStep, fields: readonly string[]): WireStep {
  if (fields.length === 0) return step;
  const bodies = BODIES.filter((name) => fields.includes("body") && step[name] !== undefined);
  const headers = HEADERS.filter((name) => step[name] !== undefined);
  return {
    ...step,
    ...Object.fromEntries(bodies.map((name) => [name, redacted(step[name] ?? "")])),
    ...Object.fromEntries(headers.map((name) => [name, redactHeaders(step[name] ?? {}, fields)])),
  };
}

export function redactBody(body: string, fields: readonly string[]): string {
  return fields.includes("body") ? redacted(body) : body;
}

function redactHeaders(headers: WireHeaders, fields: readonly string[]): WireHeaders {
  const isHidden = (name: string) => fields.includes("header") || fields.includes(`header[${name.toLowerCase()}]`);
  const entries = Object.entries(headers).map(([name, values]) => [name, isHidden(name) ? values.map(redacted) : values]);
  return Object.fromEntries(entries);
}
