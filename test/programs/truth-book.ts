import type { Millis } from "../../src/fake-upstash/wire.ts";

/** What user code saw of itself, by the engine's clock. */
export interface TruthRecord {
  readonly runId: string;
  /** The step's name, or FAILURE_FUNCTION. */
  readonly step: string;
  /** A step's function, a request that a third party answered, or what somebody outside did (an event, a webhook's call). */
  readonly kind: "function" | "request" | "outside";
  /** From 1. */
  readonly attempt: number;
  readonly start: Millis;
  readonly end: Millis;
  readonly failed: boolean;
}

export const FAILURE_FUNCTION = "failure function";

/** Everything that was seen in one program's run, and in the runs it invoked. */
export interface TruthBook {
  readonly records: TruthRecord[];
  /** Does something and writes down when. */
  observe<T>(about: Pick<TruthRecord, "runId" | "step" | "kind">, work: (attempt: number) => Promise<T>): Promise<T>;
}

export function createTruthBook(now: () => Millis): TruthBook {
  const records: TruthRecord[] = [];
  return {
    records,
    async observe(about, work) {
      const same = records.filter((each) => each.runId === about.runId && each.step === about.step && each.kind === about.kind);
      const start = now();
      const record = { ...about, attempt: same.length + 1, start, end: start, failed: true };
      records.push(record);
      try {
        const value = await work(record.attempt);
        record.failed = false;
        return value;
      } finally {
        record.end = now();
      }
    },
  };
}
