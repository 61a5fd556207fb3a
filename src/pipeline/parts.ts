import { encodeRun } from "../otlp/encode.ts";
import type { CollectedPart } from "../state/store.ts";
import type { MappedRun } from "../trace/span.ts";
import type { DestinationPlan, SourceContext } from "./context.ts";
import type { Verdict } from "./sampling.ts";

/** A run's spans as the parts that are stored and delivered: each of them is always the same spans. */

export const RUN_PART = 0;

export type Deliveries = CollectedPart["deliveries"];

/** A failure function that goes out: which part it is, and the word for its message. */
export interface FailurePart {
  readonly part: number;
  readonly message: string | undefined;
}

export function deliveriesOf(verdicts: readonly { plan: DestinationPlan; verdict: Verdict }[]): Deliveries {
  return verdicts.flatMap(({ plan, verdict: said }) => {
    if (said.kind === "wait") return [];
    return [said.kind === "keep" ? { destination: plan.name, encoding: plan.encoding } : { destination: plan.name, excluded: said.reason }];
  });
}

/** The failure function is a part of its own even where it goes out with the run. */
export function partsOf(
  context: SourceContext,
  { resource, spans }: MappedRun,
  deliveries: Deliveries,
  failure: FailurePart,
): CollectedPart[] {
  const own = spans.filter((span) => span.role === "failure");
  const run = encodePart(context, { resource, spans: spans.filter((span) => span.role !== "failure") }, RUN_PART, deliveries);
  const kept = deliveries.filter((delivery) => delivery.excluded === undefined); // the run's verdict is counted once
  return [run, ...failureParts(context, { resource, spans: own }, kept, failure)];
}

/**
 * The failure function's part, and those of the ones before it, which the log does not show any more: who waits for
 * one of them gets nothing. None while it has not settled.
 */
export function failureParts(
  context: SourceContext,
  mapped: MappedRun,
  deliveries: Deliveries,
  { part, message }: FailurePart,
): CollectedPart[] {
  if (mapped.spans.length === 0) return [];
  const replaced = deliveries.map(({ destination }) => ({ destination, excluded: "replaced" }));
  const before = Array.from({ length: part - 1 }, (_, index) => encodePart(context, { ...mapped, spans: [] }, index + 1, replaced));
  return [...before, { ...encodePart(context, mapped, part, deliveries), ...(message !== undefined && { message }) }];
}

function encodePart(context: SourceContext, mapped: MappedRun, part: number, deliveries: Deliveries): CollectedPart {
  const queued = new Set(deliveries.filter((delivery) => delivery.excluded === undefined).map((delivery) => delivery.destination));
  const encodings = new Set(context.destinations.filter((plan) => queued.has(plan.name)).map((plan) => plan.encoding));
  const ends = mapped.spans.map((span) => span.end);
  return {
    part,
    payloads: [...encodings].map((encoding) => ({ encoding, chunks: encodeRun(mapped, encoding) })),
    firstEnd: ends.reduce((first, end) => Math.min(first, end), Number.POSITIVE_INFINITY),
    lastEnd: ends.reduce((last, end) => Math.max(last, end), Number.NEGATIVE_INFINITY),
    spans: mapped.spans.length,
    deliveries,
  };
}
