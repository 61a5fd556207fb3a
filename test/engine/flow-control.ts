import type { Millis } from "../../src/fake-upstash/wire.ts";
import type { Clock } from "./clock.ts";
import { parseDuration } from "./duration.ts";

export interface FlowControl {
  readonly key: string;
  /** Deliveries at one time. */
  readonly parallelism?: number;
  /** Deliveries that may start in one period. */
  readonly rate?: number;
  readonly periodMs: Millis;
}

/** "parallelism=1, rate=10, period=1m" */
export function parseFlowControl(key: string | undefined, value = ""): FlowControl | undefined {
  if (key === undefined) return undefined;
  const parts = new Map(value.split(",").map((part) => part.trim().split("=") as [string, string]));
  const [parallelism, rate, period = "1s"] = ["parallelism", "rate", "period"].map((name) => parts.get(name));
  return {
    key,
    ...(parallelism !== undefined && { parallelism: Number(parallelism) }),
    ...(rate !== undefined && { rate: Number(rate) }),
    periodMs: parseDuration(period),
  };
}

interface Lane {
  active: number;
  /** When the deliveries of the last period started. */
  starts: Millis[];
  readonly queue: { readonly control: FlowControl; readonly enter: () => void }[];
}

/** A delivery that was let in. */
export interface Admission {
  /** It had to wait. */
  readonly heldBack: boolean;
  /** To be called when it is over. */
  readonly leave: () => void;
}

/** Lets deliveries of one key in as its limits allow, first come, first served. */
export interface FlowGate {
  /** Resolves when a delivery may start, or when the signal is aborted. */
  enter(control: FlowControl | undefined, signal: AbortSignal): Promise<Admission>;
}

export function createFlowGate(clock: Clock): FlowGate {
  const lanes = new Map<string, Lane>();

  function admit(lane: Lane): void {
    const [next] = lane.queue;
    if (next === undefined) return;
    const { parallelism = Number.POSITIVE_INFINITY, rate = Number.POSITIVE_INFINITY, periodMs } = next.control;
    lane.starts = lane.starts.filter((start) => start > clock.now() - periodMs);
    if (lane.active >= parallelism) return;
    if (lane.starts.length >= rate) {
      void clock.until((lane.starts.at(-rate) ?? 0) + periodMs).then(() => admit(lane));
      return;
    }
    lane.queue.shift();
    lane.active++;
    lane.starts.push(clock.now());
    next.enter();
    admit(lane);
  }

  async function enter(control: FlowControl | undefined, signal: AbortSignal): Promise<Admission> {
    if (control === undefined) return { heldBack: false, leave: () => {} };
    const lane = lanes.get(control.key) ?? { active: 0, starts: [], queue: [] };
    lanes.set(control.key, lane);
    let heldBack = false;
    const isIn = await new Promise<boolean>((resolve) => {
      const ticket = { control, enter: () => resolve(true) };
      lane.queue.push(ticket);
      admit(lane);
      heldBack = lane.queue.includes(ticket);
      signal.addEventListener("abort", () => {
        const at = lane.queue.indexOf(ticket);
        if (at >= 0) lane.queue.splice(at, 1);
        resolve(false);
      });
    });
    const leave = () => {
      lane.active--;
      admit(lane);
    };
    return { heldBack, leave: isIn ? leave : () => {} };
  }
  return { enter };
}
