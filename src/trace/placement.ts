import { initialStep, type WorkflowRun } from "../model/run.ts";
import type { MappingSettings } from "./config.ts";
import { invokeSpanId, traceId } from "./ids.ts";
import { nameRun } from "./naming.ts";
import type { Placement, SpanLink } from "./span.ts";
import { type CallerContext, callerContext, isSampled } from "./traceparent.ts";

/** Sampled, and the trace id's last 7 bytes are random (W3C level 2). */
export const OWN_TRACE_FLAGS = 3;

/** A run that nobody invoked: its own trace, linked to the caller's span, or inside the caller's trace. */
export function ownPlacement(run: WorkflowRun, settings: MappingSettings): Placement {
  const mode = nameRun(run, settings).traceContext;
  const caller = mode === "ignore" ? undefined : callerOf(run);
  // A tree that the caller's sampler dropped would be half a trace.
  if (caller === undefined || mode === "link" || !isSampled(caller)) return inOwnTrace(run, callerLinks(caller));
  return {
    traceId: caller.traceId,
    parentSpanId: caller.spanId,
    traceFlags: caller.traceFlags,
    ...(caller.traceState !== undefined && { traceState: caller.traceState }),
    links: [],
  };
}

/**
 * An invoked run inside its invoker's trace, as a child of the Invoke step. `invoker` is where the invoker
 * lies. Without the invoker's createdAt the step's span id cannot be computed: then as `linkedPlacement`.
 */
export function nestedPlacement(run: WorkflowRun, invoker: Placement, settings: MappingSettings): Placement {
  const parentSpanId = invokeStepSpanId(run);
  if (parentSpanId === undefined) return linkedPlacement(run, settings, invoker);
  return {
    traceId: invoker.traceId,
    parentSpanId,
    traceFlags: invoker.traceFlags,
    ...(invoker.traceState !== undefined && { traceState: invoker.traceState }),
    links: linksToCaller(run, settings),
  };
}

/**
 * An invoked run in its own trace, linked to the Invoke step. Where the invoker lies is only known with its
 * placement; without, its own trace is assumed.
 */
export function linkedPlacement(run: WorkflowRun, settings: MappingSettings, invoker?: Placement): Placement {
  const spanId = invokeStepSpanId(run);
  const { id, createdAt } = run.invoker ?? {};
  if (spanId === undefined || id === undefined || createdAt === undefined) return inOwnTrace(run, linksToCaller(run, settings));
  const context = { traceId: traceId(id, createdAt), traceFlags: OWN_TRACE_FLAGS, ...contextOf(invoker), spanId };
  return inOwnTrace(run, [link(context), ...linksToCaller(run, settings)]);
}

/**
 * The root of runs that invoke each other in a circle, which no log should show: the others nest below it, the Invoke
 * step that it links to among them.
 */
export function circlePlacement(root: WorkflowRun, settings: MappingSettings): Placement {
  return linkedPlacement(root, settings, settings.traces.invoked_runs === "nest" ? inOwnTrace(root, []) : undefined);
}

/** Whichever of a circle's runs is asked for first: the earliest created is its root, of several the one with the least id. */
export function circleRoot(circle: readonly WorkflowRun[]): WorkflowRun | undefined {
  const [root] = circle.toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  return root;
}

function contextOf(placement: Placement | undefined) {
  if (placement === undefined) return {};
  const { traceId, traceFlags, traceState } = placement;
  return { traceId, traceFlags, ...(traceState !== undefined && { traceState }) };
}

function invokeStepSpanId(run: WorkflowRun): string | undefined {
  const { invoker } = run;
  return invoker?.createdAt === undefined ? undefined : invokeSpanId(invoker.id, invoker.createdAt, run.id);
}

function inOwnTrace(run: WorkflowRun, links: readonly SpanLink[]): Placement {
  return { traceId: traceId(run.id, run.createdAt), traceFlags: OWN_TRACE_FLAGS, links };
}

/** An invoked run belongs to its invoker; a caller that was forwarded to it explicitly stays a link. */
function linksToCaller(run: WorkflowRun, settings: MappingSettings): readonly SpanLink[] {
  return nameRun(run, settings).traceContext === "ignore" ? [] : callerLinks(callerOf(run));
}

function callerLinks(caller: CallerContext | undefined): readonly SpanLink[] {
  return caller === undefined ? [] : [link(caller)];
}

function link(context: CallerContext): SpanLink {
  return { ...context, isRemote: true, attributes: {} };
}

/** Copies in later steps may have been rewritten by proxies: only Initial's count. */
function callerOf(run: WorkflowRun): CallerContext | undefined {
  return callerContext(initialStep(run)?.headers);
}
