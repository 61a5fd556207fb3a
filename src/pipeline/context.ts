import type { Logger } from "pino";
import type { SamplingConfig } from "../destinations/config.ts";
import type { Encoding } from "../destinations/destination.ts";
import type { WorkflowRun } from "../model/run.ts";
import type { RunSource } from "../sources/source.ts";
import type { UpstashSourceConfig } from "../sources/upstash/config.ts";
import type { Store } from "../state/store.ts";
import type { Observer } from "../telemetry/observation.ts";
import type { MappingSettings } from "../trace/config.ts";
import type { Clock, ServerClock } from "./clock.ts";
import type { Trouble } from "./trouble.ts";

/** Everything that reading one source needs; built once by commands/wire.ts. */
export interface SourceContext {
  readonly source: RunSource;
  readonly config: UpstashSourceConfig;
  readonly store: Store;
  readonly settings: MappingSettings;
  readonly destinations: readonly DestinationPlan[];
  /** The source's `filters`. */
  readonly matches: (run: WorkflowRun) => boolean;
  /** False while the state is over its size: no new payloads then. */
  readonly hasRoom: () => Promise<boolean>;
  /** What the message log's events of open runs may take in the state. */
  readonly maxEventBytes: number;
  /** Called when something new was queued. */
  readonly onQueued: () => void;
  /** Told of each cycle when it is over, and of each run that is collected. */
  readonly onCycle?: (cycle: Cycle) => void;
  readonly observer?: Pick<Observer, "collected">;
  readonly clock: Clock;
  readonly server: ServerClock;
  readonly log: Logger;
}

/** What a cycle of reading came to, for health and status. */
export interface Cycle {
  /** On the monotonic clock. */
  readonly startedAt: number;
  readonly collected: number;
  /** Why it stopped short, if it did. */
  readonly troubles: readonly Trouble[];
}

/** What collecting has to know of a destination. */
export interface DestinationPlan {
  readonly name: string;
  readonly encoding: Encoding;
  readonly sampling: SamplingConfig;
}

/** What deciding where a run lies needs; commands that only look have no more than this. */
export interface PlaceContext extends Pick<SourceContext, "source" | "settings" | "server"> {
  readonly store: Pick<Store, "findRuns" | "traceSize">;
  /** What ended a while ago: who invoked it is shown now or never. */
  readonly past?: boolean | undefined;
}
