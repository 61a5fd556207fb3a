import type { Millis } from "./wire.ts";

export interface RateLimit {
  /** Requests in one second, own and foreign together. */
  readonly perSecond?: number;
  /** Requests in one day (UTC). */
  readonly perDay?: number;
  /** What somebody else takes of `perSecond`, spread over each second. */
  readonly foreignPerSecond?: number;
  /** Sent as Retry-After with every 429; the real API does not promise one. */
  readonly retryAfter?: string;
}

export interface Allowance {
  readonly allowed: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

const DAY = 86_400_000;

/** Counts requests in fixed windows of a second and of a day, and says so in the headers as Upstash does. */
export function createRateLimiter(): (limit: RateLimit, now: Millis) => Allowance {
  const second = { start: Number.NaN, used: 0 };
  const day = { start: Number.NaN, used: 0 };
  return ({ perSecond = 1_000, perDay = 1_000_000, foreignPerSecond = 0, retryAfter }, now) => {
    turn(second, now, 1_000);
    turn(day, now, DAY);
    const foreign = Math.ceil(foreignPerSecond * ((now - second.start) / 1_000));
    const allowed = second.used + foreign < perSecond && day.used < perDay;
    if (allowed) {
      second.used++;
      day.used++;
    }
    const headers: Record<string, string> = {
      "Burst-RateLimit-Limit": String(perSecond),
      "Burst-RateLimit-Remaining": String(Math.max(0, perSecond - second.used - foreign)),
      "Burst-RateLimit-Reset": String((second.start + 1_000) / 1_000),
      "RateLimit-Limit": String(perDay),
      "RateLimit-Remaining": String(Math.max(0, perDay - day.used)),
      "RateLimit-Reset": String((day.start + DAY) / 1_000),
    };
    if (!allowed && retryAfter !== undefined) headers["Retry-After"] = retryAfter;
    return { allowed, headers };
  };
}

function turn(window: { start: number; used: number }, now: Millis, length: number): void {
  const start = Math.floor(now / length) * length;
  if (start === window.start) return;
  window.start = start;
  window.used = 0;
}
