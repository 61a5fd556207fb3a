import type { Encoding } from "../destinations/destination.ts";
import type { EncodedChunk } from "./encode.ts";
import { delimited, fields } from "./wire.ts";

/** Every JSON chunk is `{"resourceSpans":[…]}`, as JSON.stringify of the serializer's own object writes it. */
const OPEN = Buffer.from('{"resourceSpans":[');
const CLOSE = Buffer.from("]}");
const COMMA = Buffer.from(",");

/**
 * Whole requests as one, without decoding them: protobuf messages merge by concatenation (their only field is
 * repeated), JSON ones share one `resourceSpans` array.
 */
export function joinChunks(chunks: readonly Uint8Array[], encoding: Encoding): Uint8Array {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  if (encoding === "protobuf") return Buffer.concat(chunks);
  const inner = chunks.flatMap((chunk, i) => [...(i === 0 ? [] : [COMMA]), chunk.subarray(OPEN.length, -CLOSE.length)]);
  return Buffer.concat([OPEN, ...inner, CLOSE]);
}

/** The size of {@link joinChunks}'s result, in bytes, from the sizes of the chunks. */
export function joinedSize(sizes: readonly number[], encoding: Encoding): number {
  const sum = sizes.reduce((total, size) => total + size, 0);
  if (encoding === "protobuf") return sum;
  const frame = OPEN.length + CLOSE.length;
  return sizes.length === 0 ? frame : sum - (sizes.length - 1) * (frame - COMMA.length);
}

/**
 * One request per span, in order, each with its own resource and scope: the last step of bisecting.
 * Throws a SyntaxError for bytes that are no request.
 */
export function splitChunk(bytes: Uint8Array, encoding: Encoding): EncodedChunk[] {
  const spans = encoding === "protobuf" ? splitProtobuf(bytes) : splitJson(bytes);
  return spans.map((span) => ({ bytes: span, spans: 1 }));
}

/** Field numbers: Request 1 = ResourceSpans {1 resource, 2 ScopeSpans {1 scope, 2 span, 3 URL}, 3 URL}. */
function splitProtobuf(bytes: Uint8Array): Uint8Array[] {
  return unwrap(bytes).flatMap((resourceSpans) =>
    rewrap(resourceSpans, (scopeSpans) => rewrap(scopeSpans, (span) => [span])).map((one) => delimited(1, [one])),
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
    .map((inner) => Buffer.concat([...before, delimited(2, [inner]), ...after]));
}

interface JsonRequest {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly unknown[] }[] }[];
}

function splitJson(bytes: Uint8Array): Uint8Array[] {
  const request = JSON.parse(new TextDecoder().decode(bytes)) as JsonRequest;
  return request.resourceSpans.flatMap((resourceSpans) =>
    resourceSpans.scopeSpans.flatMap((scopeSpans) =>
      scopeSpans.spans.map((span) =>
        Buffer.from(
          JSON.stringify({ resourceSpans: [{ ...resourceSpans, scopeSpans: [{ ...scopeSpans, spans: [span] }] }] } satisfies JsonRequest),
        ),
      ),
    ),
  );
}
