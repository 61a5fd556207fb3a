import { fields } from "./wire.ts";
import { delimit, encodeMessage, writeBytes } from "./writer.ts";

/**
 * One request per span, in order, each with its own resource and scope; nothing is decoded but the frame.
 * Field numbers: Request 1 = ResourceSpans {1 resource, 2 ScopeSpans {1 scope, 2 span, 3 URL}, 3 URL}.
 */
export function splitProtobuf(bytes: Uint8Array): Uint8Array[] {
  return unwrap(bytes).flatMap((resourceSpans) =>
    rewrap(resourceSpans, (scopeSpans) => rewrap(scopeSpans, (span) => [span])).map((one) => delimited(1, one)),
  );
}

function unwrap(request: Uint8Array): Uint8Array[] {
  return [...fields(request)].map((field) => request.subarray(field.from, field.to));
}

/** Copies of `message`, each with exactly one of the messages that `split` makes of its field 2. */
function rewrap(message: Uint8Array, split: (inner: Uint8Array) => Uint8Array[]): Uint8Array[] {
  const all = [...fields(message)];
  const raw = (wanted: (number: number) => boolean) =>
    all.filter((field) => wanted(field.number)).map((field) => message.subarray(field.start, field.to));
  const before = raw((number) => number < 2);
  const after = raw((number) => number > 2);
  return all
    .filter((field) => field.number === 2)
    .flatMap((field) => split(message.subarray(field.from, field.to)))
    .map((inner) => Buffer.concat([...before, delimited(2, inner), ...after]));
}

/** A length-delimited field around `content`. */
function delimited(number: number, content: Uint8Array): Uint8Array {
  return encodeMessage((to) => {
    writeBytes(to, content);
    delimit(to, number, 0);
  });
}
