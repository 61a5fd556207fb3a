import { play } from "../support/scenarios/play.ts";
import { type Program, run } from "../support/scenarios/program.ts";
import { seeded } from "../support/scenarios/random.ts";
import type { PlayedRun } from "../support/scenarios/recording.ts";

/**
 * Runs by the thousand, out of a few that were really played: of each the text of its log is kept, cut where a time
 * or an id stands, and put together anew for every run. So an answer costs the fake API next to nothing, whatever
 * the length of the history.
 */
export interface Story {
  readonly durationMs: number;
  /** The grouped log's entry as it stands `elapsed` ms after the run's creation. */
  run(id: string, createdAt: number, elapsed: number): string;
  /** Offset in ms from the creation, ascending, and the entry of the message log. */
  readonly events: readonly { readonly offset: number; text(id: string, createdAt: number): string }[];
}

/** All stories are played here; in the past, so that a `Date` header in one of them is never after what it belongs to. */
const BASE = 1_600_000_000_000;
/** Times lie within 11 days after BASE: 16000000xxxxx to 1600999999999. */
const TIME_OR_ID = /"(?:msg|wfr)_[^"]*"|\b1600\d{9}\b/g;

export function storyOf(program: Program, seed: number): Story {
  const [played] = play(program, BASE, seeded(seed));
  const id = played.versions[0]?.run.workflowRunId ?? "";
  const versions = played.versions.map(({ since, run }) => ({ offset: since - BASE, text: template(JSON.stringify(run), id) }));
  const events = played.events.toSorted((a, b) => a.time - b.time);
  return {
    durationMs: endOf(played) - BASE,
    run(of, createdAt, elapsed) {
      const version = versions.findLast(({ offset }) => offset <= elapsed) ?? versions[0];
      return version?.text(of, createdAt) ?? "";
    },
    events: events.map((event) => ({ offset: event.time - BASE, text: template(JSON.stringify(event), id) })),
  };
}

const endOf = (played: PlayedRun) => played.versions.at(-1)?.run.workflowRunCompletedAt ?? BASE;

function template(text: string, runId: string): (id: string, createdAt: number) => string {
  const found = [...text.matchAll(TIME_OR_ID)].map((match) => ({ at: match.index, text: match[0] }));
  const between = [0, ...found.map(({ at, text: part }) => at + part.length)].map((from, index) => text.slice(from, found[index]?.at));
  const fill = found.map(({ text: part }) => {
    if (!part.startsWith('"')) return (_: string, createdAt: number) => String(createdAt + Number(part) - BASE);
    if (part === `"${runId}"`) return (id: string) => `"${id}"`;
    const own = part.slice(1, -1); // a message: as unique as its run
    return (id: string) => `"${own}${id.slice(4)}"`;
  });
  return (id, createdAt) => between.reduce((all, piece, index) => `${all}${piece}${fill[index]?.(id, createdAt) ?? ""}`, "");
}

/** What an order of a shop is: about a dozen spans, two calls, two steps side by side, a sleep that makes it as long as wanted. */
export function order(lengthMs: number): Program {
  const call = (name: string, path: string, ms: number) => ({
    kind: "call" as const,
    name,
    ms,
    method: "POST",
    url: `https://api.payments.example.com/v1/${path}?currency=EUR`,
    headers: { "Content-Type": ["application/json"], Authorization: ["Bearer sk_live_0123456789abcdef"] },
    body: { order: "ord_10293", amount: 129.9, customer: { id: 77, email: "ada@example.com" } },
    status: 200,
    response: { id: "ch_3Oq2", status: "succeeded", amount: 129.9 },
  });
  return {
    url: "https://shop.example.com/api/workflow/orders",
    payload: { order: "ord_10293", items: [{ sku: "A-17", quantity: 2 }], customer: { id: 77, email: "ada@example.com" } },
    labels: ["orders", "eu"],
    steps: [
      run("validate-order", 20, { valid: true }),
      call("charge-card", "charges", 120),
      [run("reserve-stock", 40, { reserved: true }), run("write-invoice", 60, { invoice: "inv_552" })],
      { kind: "sleep", name: "wait-for-courier", ms: Math.max(10, lengthMs - 400) },
      call("book-courier", "shipments", 60),
      run("send-mail", 30, { sent: true }),
    ],
    response: { ok: true },
  };
}

/** Three quick steps, and one in eight fails. */
function signUp(fails: boolean): Program {
  const failed = [{ ms: 30, status: 500, message: "smtp: connection refused", retryAfterMs: 0 }];
  return {
    url: "https://shop.example.com/api/workflow/sign-up",
    payload: { email: "ada@example.com" },
    steps: [
      run("create-user", 30, { id: 77 }),
      run("start-trial", 20, { until: "2026-08-01" }),
      { kind: "run", name: "send-welcome", ms: 40, ...(fails && { failed, gaveUp: true }) },
    ],
  };
}

/** What the histories are made of: half orders, half sign-ups. */
export const STORIES: readonly Story[] = Array.from({ length: 8 }, (_, index) =>
  storyOf(index % 2 === 0 ? order(2_000) : signUp(index === 7), index + 1),
);
