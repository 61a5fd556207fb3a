import { describe, expect, it, onTestFinished } from "vitest";
import type { Destination } from "../../src/destinations/destination.ts";
import { encodeRun, joinChunks } from "../../src/otlp/encode.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { run, span } from "../otlp/spans.ts";

/** One destination with its other side, for one test. */
export interface DestinationUnderTest {
  readonly destination: Destination;
  /** The names of the spans that have arrived, in order. */
  arrived(): string[];
  /** From now on, the other side takes nothing. */
  breakOtherSide(): Promise<void>;
}

const KINDS = ["delivered", "partial", "retry", "refused", "misconfigured"];

/** What every destination must keep of the rules in destination.ts. `start` makes a fresh one. */
export function destinationContract(name: string, start: () => Promise<DestinationUnderTest>): void {
  const begin = async () => {
    const made = await start();
    onTestFinished(() => made.destination.close());
    return made;
  };
  const request = ({ encoding }: Destination, ...names: string[]) => {
    const runs: MappedRun[] = names.map((one, i) => run(span({ name: one, spanId: `${i + 1}`.padStart(16, "0") })));
    return joinChunks(
      runs.flatMap((one) => encodeRun(one, encoding).map((chunk) => chunk.bytes)),
      encoding,
    );
  };
  const live = () => new AbortController().signal;

  describe(`the destination contract: ${name}`, () => {
    it("states a name and limits that can be worked with", async () => {
      const { destination } = await begin();
      expect(destination.name).toBe("under-test");
      expect(destination.maxRequestBytes).toBeGreaterThanOrEqual(256 * 1024);
      expect(destination.concurrency).toBeGreaterThanOrEqual(1);
    });

    it("delivers every span of a request, and says so only then", async () => {
      const { destination, arrived } = await begin();
      expect(await destination.send(request(destination, "order", "invoice"), live())).toEqual({ kind: "delivered" });
      expect(arrived()).toEqual(["order", "invoice"]);
    });

    it("delivers one request after the other, the same one too", async () => {
      const { destination, arrived } = await begin();
      for (const one of ["order", "order", "invoice"]) {
        expect(await destination.send(request(destination, one), live())).toEqual({ kind: "delivered" });
      }
      expect(arrived()).toEqual(["order", "order", "invoice"]);
    });

    it("takes a request without spans, and nothing arrives", async () => {
      const { destination, arrived } = await begin();
      expect(await destination.send(joinChunks([], destination.encoding), live())).toEqual({ kind: "delivered" });
      expect(arrived()).toEqual([]);
    });

    it("sends nothing once it is told to stop", async () => {
      const { destination, arrived } = await begin();
      const outcome = await destination.send(request(destination, "order"), AbortSignal.abort());
      expect(outcome).toEqual({ kind: "retry", scope: "destination", reason: "aborted", suspect: false });
      expect(arrived()).toEqual([]);
    });

    it("answers with an outcome, never an exception, when the other side is broken", async () => {
      const { destination, breakOtherSide, arrived } = await begin();
      await breakOtherSide();
      const outcome = await destination.send(request(destination, "order"), live());
      expect(KINDS).toContain(outcome.kind);
      expect(["retry", "misconfigured"]).toContain(outcome.kind);
      expect(arrived()).toEqual([]);
    });

    it("has nothing new to read where no secret changed", async () => {
      const { destination } = await begin();
      expect(destination.refreshSecrets()).toBe(false);
    });
  });
}
