import type { LogStore } from "../../src/fake-upstash/log-store.ts";
import type { Clock } from "./clock.ts";
import type { Network } from "./exchange.ts";
import type { FlowGate } from "./flow-control.ts";
import type { EngineRun } from "./run.ts";
import type { SigningKeys } from "./signature.ts";
import type { Switches } from "./switches.ts";
import type { Waiter } from "./wait.ts";

/** What every part of the engine works with. */
export interface Core extends Network {
  readonly clock: Clock;
  readonly switches: Switches;
  readonly store: LogStore;
  readonly flow: FlowGate;
  /** Every run, the ended ones too; of an id that repeats, the newest. */
  readonly runs: Map<string, EngineRun>;
  readonly waiters: Waiter[];
  /** Runs that failed, by their dlqId. */
  readonly dead: Map<string, EngineRun>;
  readonly signingKeys?: SigningKeys | undefined;
  /** Deliveries with more messages than this are sent empty: the SDK fetches them. */
  readonly lazyFetchAbove: number;
  /** Deliveries that reached a workflow's URL (steps, callbacks, failures), by run id. */
  readonly deliveries: Map<string, number>;
  newId(prefix: string): string;
  /** Called when a run has ended: whoever invoked it goes on. */
  readonly onEnd: (run: EngineRun) => void;
}

/** An answer to a submission that is not 2xx. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
