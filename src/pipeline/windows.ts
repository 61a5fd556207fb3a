import type { Millis } from "../model/run.ts";

/**
 * Which windows of time a log is listed in: pure planning. A window is split while it is dense and the next one is
 * wider while there is little in it, oldest first, so that few requests are wasted on edges and several can be listed
 * at once. Every instant of what is to be listed lies in exactly one window, whatever the density.
 */

/** From and to are both inside, in whole ms. */
export interface Window {
  readonly from: Millis;
  readonly to: Millis;
}

export interface Plan {
  /** Nobody has begun with these: oldest first, disjoint. */
  readonly open: readonly Window[];
  /** Being listed, or not stored yet. */
  readonly active: readonly Window[];
  /** So many ms should hold one window's worth of runs. */
  readonly width: number;
}

/** Of one window: its last page is half empty on average, so fewer would cost requests; its runs are held in memory, so more would cost that. */
export const RUNS_PER_WINDOW = 120;
/** The next window is at most so many times as wide as one that was nearly empty. */
const GROWTH = 4;
/** Towards the end windows get smaller, so that all workers end at about the same time; but not smaller than this share. */
const LEAST = 1 / 2;
/** At the beginning each window is larger than the one before, so that they do not all come to be stored at once; this is the first one's share. */
const FIRST = 1 / 2;

/** @param width a first guess, in ms */
export function planOf(open: readonly Window[], width: number): Plan {
  return { open: open.filter((window) => window.from <= window.to), active: [], width: Math.max(1, width) };
}

/** Of more than was known at first: oldest first, and disjoint from all there is. */
export function addWindows(plan: Plan, windows: readonly Window[]): Plan {
  return { ...plan, open: [...plan.open, ...windows].sort((a, b) => a.from - b.from) };
}

/** The oldest part of what is open, as a window of its own; undefined where nothing is. */
export function takeWindow(plan: Plan, workers: number): { readonly plan: Plan; readonly window: Window } | undefined {
  const [first, ...later] = plan.open;
  if (first === undefined) return undefined;
  const total = plan.open.reduce((sum, window) => sum + widthOf(window), 0);
  const share = total / (1.5 * workers);
  const begun = Math.min(1, FIRST + ((1 - FIRST) * plan.active.length) / workers);
  const width = Math.max(1, Math.ceil(begun * Math.max(plan.width * LEAST, Math.min(plan.width, share))));
  const rest = widthOf(first) - width;
  // what would be left over is no window of its own
  const window = rest < width * LEAST ? first : { from: first.from, to: first.from + width - 1 };
  const left = window.to < first.to ? [{ from: window.to + 1, to: first.to }] : [];
  return { window, plan: { ...plan, open: [...left, ...later], active: [...plan.active, window] } };
}

/**
 * A window that is dense is listed down to `low` only: what is older, `low` itself included, is open again.
 * @param runs how many were listed above it
 */
export function splitWindow(plan: Plan, window: Window, low: Millis, runs: number): { readonly plan: Plan; readonly window: Window } {
  const kept = { from: low + 1, to: window.to };
  const open = [...plan.open, { from: window.from, to: low }].sort((a, b) => a.from - b.from);
  const active = replaced(plan.active, window, kept);
  return { window: kept, plan: { open, active, width: nextWidth(plan.width, kept, runs) } };
}

/**
 * Of a window that is listed down to `low`, which lies above its beginning, the older half of what is left is cut off,
 * for another worker: whoever lists it goes on to the middle only.
 */
export function shareWindow(
  plan: Plan,
  window: Window,
  low: Millis,
): { readonly plan: Plan; readonly window: Window; readonly shared: Window } {
  const middle = window.from + Math.floor((low - window.from) / 2);
  const kept = { from: middle + 1, to: window.to };
  const shared = { from: window.from, to: middle };
  return { window: kept, shared, plan: { ...plan, active: [...replaced(plan.active, window, kept), shared] } };
}

/** A window whose end was reached: the next ones are as wide as it should have been. */
export function learnWidth(plan: Plan, window: Window, runs: number): Plan {
  return { ...plan, width: nextWidth(plan.width, window, runs) };
}

/** A window whose runs are all stored. */
export function finishWindow(plan: Plan, window: Window): Plan {
  return { ...plan, active: plan.active.filter((one) => !isSame(one, window)) };
}

/** What is still to be listed if all is lost that is not stored: oldest first, neighbours as one. */
export function remainingWindows(plan: Plan): Window[] {
  const merged: Window[] = [];
  for (const window of [...plan.open, ...plan.active].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && last.to + 1 >= window.from) merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, window.to) };
    else merged.push(window);
  }
  return merged;
}

/** The parts of `windows` that are in none of `without`. */
export function subtractWindows(windows: readonly Window[], without: readonly Window[]): Window[] {
  return without.reduce<Window[]>(
    (left, cut) =>
      left.flatMap((window) => {
        if (cut.to < window.from || cut.from > window.to) return [window];
        const parts = [
          { from: window.from, to: cut.from - 1 },
          { from: cut.to + 1, to: window.to },
        ];
        return parts.filter((part) => part.from <= part.to);
      }),
    [...windows],
  );
}

export function widthOf({ from, to }: Window): number {
  return to - from + 1;
}

export function totalWidth(windows: readonly Window[]): number {
  return windows.reduce((sum, window) => sum + widthOf(window), 0);
}

function nextWidth(before: number, window: Window, runs: number): number {
  const width = widthOf(window);
  const most = GROWTH * Math.max(before, width);
  return runs === 0 ? most : Math.max(1, Math.min((width * RUNS_PER_WINDOW) / runs, most));
}

function replaced(windows: readonly Window[], window: Window, by: Window): Window[] {
  return windows.map((one) => (isSame(one, window) ? by : one));
}

function isSame(a: Window, b: Window): boolean {
  return a.from === b.from && a.to === b.to;
}
