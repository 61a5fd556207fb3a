/**
 * What neither the SDK's source nor Upstash's pages settle. Every reading is here, the first of each is the
 * default; what depends on a timeline is tested under all of them.
 */
export const READINGS = {
  /** Which of a Call's three messages the grouped log shows: its result's (END), its request's (START), its response's. */
  callMessage: ["result", "toCallback", "fromCallback"],
  /** What createdAt of a Wait, WaitForWebhook or Invoke marks. */
  waitCreatedAt: ["end", "start"],
  /** When a delayed run is created: when its trigger is accepted, or at its first delivery. */
  delayedRun: ["accepted", "delivered"],
  /** `sleepFor` and `sleepUntil` in the logs: in ms, or as the SDK sent them. */
  sleepUnit: ["ms", "sent"],
  /** A Call's `out`: as the SDK sends it, one character a byte (UTF-8 looks garbled), or decoded. */
  callOut: ["bytes", "decoded"],
  /** A failed run's sibling Invoke, when its child ends: its result is logged (and never delivered), or it stays in progress. */
  orphanedInvoke: ["result", "progress"],
  /** A run that was started by a direct request names no failure callback: its own URL is called, or nothing. */
  directFailure: ["call", "none"],
  /** A 429 with Retry-After uses up a retry, or does not. */
  retryAfter: ["counts", "free"],
  /** The failure call of an endpoint without a failure function: gone from the log, or a success. */
  missingFailureFunction: ["absent", "success"],
  /** Where a plan stands in a delivery's list of messages: by its creation, or by its own delivery. */
  planOrder: ["creation", "delivery"],
} as const;

export type Switches = { readonly [Name in keyof typeof READINGS]: (typeof READINGS)[Name][number] };

export function readSwitches(chosen: Partial<Switches> = {}): Switches {
  const first = Object.fromEntries(Object.entries(READINGS).map(([name, readings]) => [name, readings[0]]));
  return { ...(first as unknown as Switches), ...chosen };
}
