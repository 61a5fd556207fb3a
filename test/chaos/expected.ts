import { join } from "node:path";
import { mappingSettings } from "../../src/commands/wire.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { trimBodies } from "../../src/fake-upstash/trim-body.ts";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { keyOf, type RunKey } from "../../src/model/run.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import { decodeRun } from "../../src/sources/upstash/decode.ts";
import { childEnds, invokedBy } from "../../src/trace/child-ends.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { nameRun } from "../../src/trace/naming.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { World } from "./world.ts";

/** What a run has to become, as the product's own mapper says; whether the mapper is right is for its own tests to say. */
export interface ExpectedRun {
  readonly id: string;
  readonly createdAt: number;
  readonly endedAt: number;
  /** A rule of the user's leaves it out. */
  readonly dropped: boolean;
  /** It may be delivered or not. */
  readonly exempt: boolean;
  /** What each span may say, by its id; the run span's first. */
  readonly spans: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Runs do not change once they are over: each is mapped once. */
const memo = new WeakMap<WireRun, Omit<ExpectedRun, "exempt">>();

/** The first daemon read the clock a little after we did, and the API's `Date` has whole seconds. */
const EPOCH_MARGIN_MS = 5_000;

/** Every run that ended since the epoch. */
export function expectedRuns(world: World): ExpectedRun[] {
  const settings = settingsOf(world);
  const epoch = (world.firstStart ?? 0) - 3_600_000;
  const expected: ExpectedRun[] = [];
  const runs = world.api.store.allRuns();
  const endedAt = new Map(
    runs.map((run) => [keyOf({ id: run.workflowRunId, createdAt: run.workflowRunCreatedAt }), run.workflowRunCompletedAt]),
  );
  for (const run of runs) {
    const end = run.workflowRunCompletedAt ?? 0;
    if (run.workflowState === "RUN_STARTED" || end < epoch - EPOCH_MARGIN_MS) continue;
    const mapped = memo.get(run) ?? expectRun(run, settings, (key) => endedAt.get(keyOf(key)));
    memo.set(run, mapped);
    expected.push({ ...mapped, exempt: world.exempt.has(run.workflowRunId) || end < epoch + EPOCH_MARGIN_MS });
  }
  return expected;
}

/** Of the configuration as the daemon reads it. */
function settingsOf({ folder }: World): MappingSettings {
  const loaded = loadConfig({ file: join(folder, "wfotel.yaml"), env: {}, cwd: folder });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  return mappingSettings(loaded.config, loaded.serviceName);
}

/** When an invoked run ended tells when its Invoke step did, if the bridge knew it by then: any of them may be known. */
function expectRun(wire: WireRun, settings: MappingSettings, endOf: (key: RunKey) => number | undefined): Omit<ExpectedRun, "exempt"> {
  const decoded = decodeRun(trimBodies(wire, 0, "keep"));
  if (!decoded.ok) throw new Error(decoded.reason);
  const { run } = decoded;
  const spans = new Map<string, Set<string>>();
  for (const ended of subsets(invokedBy([run]).map((key) => ({ key, endedAt: endOf(key) })))) {
    const mapped = mapRun(run, ownPlacement(run, settings), settings, { childEnd: childEnds(ended) });
    for (const { bytes } of encodeRun(mapped, "protobuf"))
      for (const span of readSpans(bytes, "protobuf").spans)
        spans.set(span.spanId, (spans.get(span.spanId) ?? new Set()).add(contentOf(span)));
  }
  return {
    id: run.id,
    createdAt: run.createdAt,
    endedAt: wire.workflowRunCompletedAt ?? 0,
    dropped: nameRun(run, settings).dropped,
    spans,
  };
}

function subsets<T>(items: readonly T[]): T[][] {
  return items.reduce<T[][]>((found, item) => found.flatMap((some) => [some, [...some, item]]), [[]]);
}

/** A span without what depends on where its run lies. */
export function contentOf({ wire }: ReceivedSpan): string {
  const {
    traceId: _trace,
    parentSpanId: _parent,
    links: _links,
    flags: _flags,
    traceState: _state,
    ...span
  } = wire.span as Record<string, unknown>;
  return JSON.stringify({ ...wire, span }, (_, value) => (typeof value === "bigint" ? String(value) : value));
}

/** The whole of a span, to compare repetitions with. */
export const wholeOf = ({ wire }: ReceivedSpan): string =>
  JSON.stringify(wire, (_, value) => (typeof value === "bigint" ? String(value) : value));
