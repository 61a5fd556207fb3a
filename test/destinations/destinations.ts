import { onTestFinished } from "vitest";
import { destinationSchema } from "../../src/destinations/config.ts";
import { createDestination, type DestinationDependencies } from "../../src/destinations/create.ts";
import type { Destination, Encoding } from "../../src/destinations/destination.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import { run, span } from "../otlp/spans.ts";

/** A destination as the configuration would make it, closed when the test ends. */
export function destination(given: object, deps: Partial<DestinationDependencies> = {}): Destination {
  const made = createDestination(destinationSchema.parse({ name: "it", type: "otlp-http", ...given }), { userAgent: "wfotel/0", ...deps });
  onTestFinished(() => made.close());
  return made;
}

/** A request with one run of one span. */
export function oneSpan(encoding: Encoding): Uint8Array {
  return encodeRun(run(span()), encoding)[0]?.bytes ?? new Uint8Array();
}

/** A signal that nobody aborts. */
export const never = new AbortController().signal;
