import { play } from "../support/scenarios/play.ts";
import type { CallWork, FailedAttempt, Program, Work } from "../support/scenarios/program.ts";
import { between, type Random, seeded } from "../support/scenarios/random.ts";
import type { PlayedRun } from "../support/scenarios/recording.ts";
import { endOf } from "../support/scenarios/scenario.ts";
import type { Canaries } from "./canaries.ts";

/** Random workflows of every kind, full of canaries. */

export interface Flavour {
  readonly canaries: Canaries;
  /** No step takes longer (ms). */
  readonly stepMs: number;
  /** Host and path of the workflow. */
  readonly path?: string;
  /** Kinds of ending and of nesting that may come up; default all. */
  readonly kinds?: readonly Kind[];
}

export type Kind = "plain" | "failed" | "failed with function" | "canceled" | "invoking";
const KINDS: readonly Kind[] = ["plain", "plain", "plain", "failed with function", "canceled", "invoking"];

export function randomProgram(random: Random, flavour: Flavour): Program {
  const kinds = flavour.kinds ?? KINDS;
  const kind = kinds[between(random, 0, kinds.length - 1)] ?? "plain";
  const { canaries, stepMs } = flavour;
  const path = flavour.path ?? `shop-${between(random, 1, 3)}.example.com/api/order`;
  const secret = random() < 0.3;
  const steps: (Work | readonly Work[])[] = Array.from({ length: between(random, 1, 3) }, (_, index) => anyStep(random, flavour, index));
  if (kind === "invoking") steps.push({ kind: "invoke", name: "hand over", program: childOf(random, flavour) });
  if (kind.startsWith("failed")) steps.push(givesUp(random, flavour));
  if (kind === "canceled") steps.push({ kind: "sleep", name: "cool down", ms: stepMs * 4 });
  return {
    url: secret ? `https://u:${canaries.userinfo}@${path}?token=${canaries.query}` : `https://${path}`,
    payload: { password: canaries.body, order: between(random, 1, 999) },
    headers: { Authorization: [`Bearer ${canaries.callHeader}`], ...(random() < 0.2 && { Traceparent: [traceparent(random)] }) },
    ...(random() < 0.3 && { labels: ["chaos"], flowControlKey: "chaos" }),
    retries: 3,
    steps,
    response: { api_key: canaries.body },
    ...(kind === "canceled" && { canceledAfterMs: stepMs }),
    ...(kind === "failed with function" && {
      failureFunction: { ms: between(random, 1, Math.min(1_000, stepMs * 4)), response: { secret: canaries.body } },
    }),
  };
}

function childOf(random: Random, flavour: Flavour): Program {
  const kinds: readonly Kind[] = random() < 0.3 ? ["invoking"] : ["plain"];
  return randomProgram(random, { ...flavour, kinds, path: "billing.example.com/api/invoice" });
}

function anyStep(random: Random, flavour: Flavour, index: number): Work | readonly Work[] {
  if (random() < 0.25) return Array.from({ length: between(random, 2, 3) }, (_, branch) => oneStep(random, flavour, `${index}-${branch}`));
  return oneStep(random, flavour, String(index));
}

function oneStep(random: Random, flavour: Flavour, suffix: string): Work {
  const { stepMs } = flavour;
  const ms = between(random, 1, stepMs);
  const kind = between(random, 0, 5);
  if (kind === 0) return callStep(random, flavour, `call-${suffix}`, ms);
  if (kind === 1) return { kind: "sleep", name: `nap-${suffix}`, ms, until: random() < 0.5 };
  if (kind === 2) return { kind: "wait", name: `wait-${suffix}`, eventId: `event-${suffix}`, timeoutMs: ms, ...notified(random, ms) };
  if (kind === 3) return { kind: "run", name: `retried-${suffix}`, ms, failed: [attempt(random, flavour)] };
  return { kind: "run", name: `step-${suffix}`, ms, out: { token: flavour.canaries.body } };
}

const notified = (random: Random, ms: number) => (random() < 0.5 ? { notifiedAfterMs: Math.ceil(ms / 2) } : {});

function callStep(random: Random, { canaries }: Flavour, name: string, ms: number): CallWork {
  return {
    kind: "call",
    name,
    ms,
    method: "POST",
    url: `https://bank:${canaries.userinfo}@bank.example.com/pay?api_key=${canaries.query}`,
    headers: { Authorization: [`Bearer ${canaries.callHeader}`] },
    body: { password: canaries.body },
    status: random() < 0.2 ? 502 : 200,
    response: { secret: canaries.body },
  };
}

function attempt(random: Random, { canaries, stepMs }: Flavour): FailedAttempt {
  const message = `upstream said no: Bearer ${canaries.error}`;
  return { ms: between(random, 1, stepMs), status: 500, message, retryAfterMs: between(random, 1, stepMs) };
}

function givesUp(random: Random, flavour: Flavour): Work {
  return {
    kind: "run",
    name: "charge",
    ms: 1,
    gaveUp: true,
    failed: [attempt(random, flavour), { ...attempt(random, flavour), retryAfterMs: 0 }],
  };
}

function traceparent(random: Random): string {
  const hex = (length: number) => Array.from({ length }, () => between(random, 1, 15).toString(16)).join("");
  return `00-${hex(32)}-${hex(16)}-01`;
}

/** The program as it happens from `start` on: the run first, then those it invoked. */
export function happenFrom(program: Program, start: number, random: Random): readonly PlayedRun[] {
  return play(program, start, random);
}

/** The program so placed that the last of its runs ends at `end`. */
export function happenTo(program: Program, end: number, random: Random): readonly PlayedRun[] {
  const seed = between(random, 1, 2 ** 31);
  const duration = Math.max(...play(program, 0, seeded(seed)).map(endOf));
  return play(program, Math.round(end - duration), seeded(seed));
}
