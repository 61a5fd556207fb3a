import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { RunKey } from "../../src/model/run.ts";
import type { RunOutcomes, StoreStatus } from "../../src/state/report.ts";
import { openStore } from "../../src/state/sqlite.ts";
import type { Store } from "../../src/state/store.ts";
import type { World } from "./world.ts";

/** What the state says, read without touching it. */
export interface StateView {
  readonly outcomes: readonly (RunOutcomes | undefined)[];
  /** Ids of quarantined spans by destination (`""`: of every one); `whole` where a run's bytes were not kept. */
  readonly quarantined: readonly {
    readonly runId: string;
    readonly destination: string;
    readonly spans: readonly string[] | "whole";
    readonly reason: string;
  }[];
  readonly status: StoreStatus;
}

/** While the daemon works, or after it has ended. Undefined where there is no state that can be read. */
export async function readState(world: World, keys: readonly RunKey[]): Promise<StateView | undefined> {
  try {
    const store = await openStore(world.statePath, { readOnly: true });
    try {
      return await viewOf(store, world, keys);
    } finally {
      await store.close();
    }
  } catch {
    return undefined;
  }
}

/** Of a copy, as a kill left it: looking must not mend what the next daemon has to mend. */
export async function readKilledState(world: World, keys: readonly RunKey[]): Promise<StateView | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-chaos-copy-"));
  try {
    const path = join(folder, "copy.db");
    for (const suffix of ["", "-wal"]) if (existsSync(world.statePath + suffix)) copyFileSync(world.statePath + suffix, path + suffix);
    const store = await openStore(path, { guest: true });
    try {
      return await viewOf(store, world, keys);
    } finally {
      await store.close();
    }
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function viewOf(store: Store, world: World, keys: readonly RunKey[]): Promise<StateView> {
  const entries = await store.quarantined({});
  const quarantined = [];
  for (const { id, key, destination = "", reason, encoding } of entries) {
    const bytes = await store.quarantinedBytes(id);
    const spans =
      bytes === undefined || encoding === undefined ? ("whole" as const) : readSpans(bytes, encoding).spans.map((span) => span.spanId);
    quarantined.push({ runId: key.id, destination, spans, reason });
  }
  return {
    outcomes: await store.outcomes(String(world.config.source.name), keys),
    quarantined,
    status: await store.status(world.clock.now()),
  };
}
