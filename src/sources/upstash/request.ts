import type { Secret } from "../../config/values.ts";
import type { HttpClient } from "../../http/client.ts";
import type { Purpose, Reply } from "../source.ts";
import { dateOf, pauseAsked, rateFactsOf, refusalOf } from "./answer.ts";
import type { Budget } from "./budget.ts";
import { type Exchange, exchange, type ReadBody } from "./exchange.ts";
import type { ServerClock } from "./server-clock.ts";
import { LONGEST_WAIT_MS, type Turns } from "./turns.ts";

/** What every request of one source shares. */
export interface Channel {
  readonly http: HttpClient;
  readonly base: URL;
  readonly token: Secret;
  readonly userAgent: string;
  readonly budget: Budget;
  readonly turns: Turns;
  readonly clock: ServerClock;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly observe: (request: { purpose: Purpose; outcome: string; status?: number; ms: number }) => void;
}

/** What a 200's body turned out to be. */
export type Read<Value> =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "too_large" }
  | { readonly kind: "unreadable"; readonly reason: string };

export interface Ask<Value> {
  /** Path and query, below the base URL. */
  readonly path: string;
  readonly purpose: Purpose;
  readonly deadlineMs: number;
  readonly read: ReadBody<Read<Value>>;
}

const UNUSABLE_TOKEN = {
  kind: "refused",
  reason: "unauthorized",
  message: "the token is empty or holds characters that no HTTP header may have; nothing was sent",
} as const;

const TRIES = 5;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 10_000;

/**
 * Sends one GET until it is answered: within the budget, again after what passes by itself (429, 5xx, a
 * lost connection, a timeout, a body that cannot be read) with jittered exponential backoff and never
 * before the API allows, and once more with a token that was rotated. What then still fails is the reply.
 */
export async function ask<Value>(channel: Channel, request: Ask<Value>, signal: AbortSignal): Promise<Reply<Value>> {
  let renewed = false;
  for (let attempt = 1; ; attempt += 1) {
    const turn = await channel.turns.take(request.purpose, signal);
    if (turn.kind === "aborted") return turn;
    if (turn.kind === "paused") {
      const message = `${channel.base.host} asked for a pause of ${Math.ceil(turn.ms / 1_000)} s`;
      return { kind: "unavailable", reason: "rate_limited", message, retryAfterMs: turn.ms };
    }
    const token = channel.token.reveal().trim();
    if (!/^[\x20-\x7e]+$/.test(token)) return UNUSABLE_TOKEN;
    const reply = await askOnce(channel, request, token, signal);
    if (reply.kind === "refused" && reply.reason === "unauthorized" && !renewed) {
      renewed = true;
      channel.token.refresh();
      if (channel.token.reveal().trim() !== token) continue; // rotated, here or by another request's answer
    }
    if (reply.kind !== "unavailable" || attempt === TRIES || (reply.retryAfterMs ?? 0) > LONGEST_WAIT_MS) return reply;
    await channel.sleep(Math.max(backoff(attempt, channel.random()), reply.retryAfterMs ?? 0), signal);
  }
}

/** Doubling from half a second; the upper half is chance, so that many do not come back together. */
function backoff(attempt: number, random: number): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1)) * (0.5 + random / 2);
}

async function askOnce<Value>(channel: Channel, request: Ask<Value>, token: string, signal: AbortSignal): Promise<Reply<Value>> {
  const { base, monotonic, observe } = channel;
  const startedAt = monotonic();
  const path = `${base.pathname.replace(/\/+$/, "")}${request.path}`;
  const headers = {
    authorization: `Bearer ${token}`,
    accept: "application/json",
    "accept-encoding": "gzip",
    "user-agent": channel.userAgent,
  };
  const { deadlineMs, read } = request;
  const result = await exchange(channel.http, { path, headers, deadlineMs, read }, monotonic, signal);
  const reply = understand(channel, result, request.path, token);
  const status = result.kind === "answer" ? result.status : undefined;
  observe({ purpose: request.purpose, outcome: "reason" in reply ? reply.reason : reply.kind, status, ms: monotonic() - startedAt });
  return reply;
}

function understand<Value>(channel: Channel, result: Exchange<Read<Value>>, path: string, token: string): Reply<Value> {
  const { base, budget, clock, monotonic, now } = channel;
  if (result.kind === "aborted") return result;
  if (result.kind === "failed") return { kind: "unavailable", reason: result.reason, message: `${base.host}: ${result.message}` };
  const { status, headers, body } = result;
  const serverTime = dateOf(headers);
  if (serverTime !== undefined) clock.observe(serverTime, result.sentAt, result.receivedAt);
  const at = monotonic();
  budget.answered(rateFactsOf(status, headers), at);
  const pause = pauseAsked(status, headers, clock, at, now());
  if (pause > 0) budget.pause(pause, at);
  if (body?.kind === "value") return { kind: "ok", value: body.value, serverTime };
  if (body?.kind === "too_large")
    return { kind: "refused", reason: "too_large", message: `${base.host}: the answer is over the size limit` };
  if (body?.kind === "unreadable") {
    return { kind: "unavailable", reason: "unreadable", message: `${base.host} answered ${status}, but ${body.reason}` };
  }
  const prefix = base.pathname.replace(/\/+$/, "");
  const words = { host: base.host, path: path.replace(/\?.*$/s, ""), secrets: [token, channel.token.reveal(), prefix] };
  const refusal = refusalOf(status, result.text, words);
  return refusal.kind === "unavailable" && pause > 0 ? { ...refusal, retryAfterMs: pause } : refusal;
}
