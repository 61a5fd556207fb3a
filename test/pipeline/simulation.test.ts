import { describe, expect, test } from "vitest";
import type { RunChange, Store } from "../../src/state/store.ts";
import { violations } from "../support/ledger.ts";
import { type SimulationOptions, simulate } from "../support/simulation.ts";

/** `FC_SEED=random` goes looking for new cases; a seed that fails is printed with what it violated. */
const wanted = process.env.FC_SEED ?? "20261122";
const first = wanted === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
const seeds = (count: number) => Array.from({ length: count }, (_, n) => first + n);
const MINUTE = 60_000;

describe("input = delivered ∪ quarantined ∪ excluded, whatever fails and dies", () => {
  test.each(seeds(6))("seed %i", { timeout: 2 * MINUTE }, async (seed) => {
    expect(await violations(await simulate(seed))).toEqual([]);
  });
});

describe("whole trees are sampled and placed, while backends fail and processes die", () => {
  test.each(seeds(3))("seed %i", { timeout: 2 * MINUTE }, async (seed) => {
    expect(await violations(await simulate(seed, { apiFaults: false }))).toEqual([]);
  });
});

interface Broken extends SimulationOptions {
  readonly sabotage: (store: Store) => Store;
  readonly finds: RegExp;
  /** The first so many seeds are known to be slow, or to miss it. */
  readonly skip?: number;
}

/** A bridge that is broken on purpose, by what its store does: the simulation must find it. */
const BROKEN: Record<string, Broken> = {
  "settles before it sends": {
    sabotage: (store) => ({
      ...store,
      async queued(...args) {
        const rows = await store.queued(...args);
        const settled = rows.map(({ id, spans, bytes }) => ({ id, outcome: "delivered" as const, spans, bytes }));
        await store.settle(args[0], settled, 0);
        return rows;
      },
    }),
    finds: /never accepted its span/,
  },
  "forgets open runs": {
    sabotage: changing(({ watch, ...run }) => (run.phase === "open" || watch === undefined ? run : { ...run, watch })),
    feed: "none",
    apiFaults: false,
    sweep: "30d", // the first one all the same: nothing else finds runs that are older than the epoch and ended after it
    finds: /unknown for a/,
    skip: 6,
  },
  "forgets failure functions that settle late": {
    sabotage: changing(({ parts = [], ...run }) => ({ ...run, parts: parts.filter(({ part }) => part === 0) })),
    finds: /never accepted its span/,
  },
  "sends other bytes when it repeats": {
    sabotage: (store) => ({
      ...store,
      async queued(...args) {
        const rows = await store.queued(...args);
        const changed = (bytes: Uint8Array) =>
          Buffer.from(
            Buffer.from(bytes)
              .toString("latin1")
              .replaceAll("orders", `order${rows.length % 10}`),
            "latin1",
          );
        return rows.map((row) => ({ ...row, chunks: row.chunks.map((chunk) => ({ ...chunk, bytes: changed(chunk.bytes) })) }));
      },
    }),
    finds: /came to [ab] in \d forms/,
  },
};

function changing(change: (run: RunChange) => RunChange): (store: Store) => Store {
  return (store) => ({ ...store, commit: (page) => store.commit({ ...page, runs: page.runs.map(change) }) });
}

describe("a bridge that is broken on purpose is found out:", () => {
  test.each(Object.entries(BROKEN))("it %s", { timeout: 5 * MINUTE }, async (_, { finds, skip = 0, ...options }) => {
    const { sabotage: __, ...sound } = options;
    for (const seed of seeds(skip + 10).slice(skip)) {
      const found = await violations(await simulate(seed, options));
      if (!found.some((sentence) => finds.test(sentence))) continue;
      expect(await violations(await simulate(seed, sound))).toEqual([]);
      return;
    }
    expect.fail("no seed found it");
  });
});
