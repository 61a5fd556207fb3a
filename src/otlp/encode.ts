import type { Encoding } from "../destinations/destination.ts";
import { DOUBLE_ATTRIBUTES } from "../trace/attributes.ts";
import type { MappedRun, Span } from "../trace/span.ts";
import { jsonRequest } from "./json.ts";
import { protobufRequest } from "./protobuf.ts";
import { splitProtobuf } from "./split-protobuf.ts";

/** `bytes` is one whole ExportTraceServiceRequest of `spans` whole spans. */
export interface EncodedChunk {
  readonly bytes: Uint8Array;
  readonly spans: number;
}

const WRITERS = { protobuf: protobufRequest, json: jsonRequest } as const;

/**
 * A run as requests of at most `maxChunkBytes`; the same run always gives the same bytes. Spans keep their order
 * from chunk to chunk, and inside a chunk within each scope; a span that is larger than the cap is a chunk of its
 * own. A run without spans has no chunk. `doubles`: the attributes that are doubles even where their value is integral.
 */
export function encodeRun(
  run: MappedRun,
  encoding: Encoding,
  maxChunkBytes = 256 * 1024,
  doubles: ReadonlySet<string> = DOUBLE_ATTRIBUTES,
): EncodedChunk[] {
  const encode = (spans: readonly Span[]) => WRITERS[encoding](run.resource, spans, doubles);
  return run.spans.length === 0 ? [] : chunks(run.spans, encode, maxChunkBytes);
}

/** Cuts into as many equal parts as the size asks for, and those again where their spans are unequal. */
function chunks(spans: readonly Span[], encode: (spans: readonly Span[]) => Uint8Array, maxBytes: number): EncodedChunk[] {
  const bytes = encode(spans);
  if (bytes.length <= maxBytes || spans.length === 1) return [{ bytes, spans: spans.length }];
  const size = Math.ceil(spans.length / Math.min(spans.length, Math.ceil(bytes.length / maxBytes)));
  const parts: EncodedChunk[] = [];
  for (let i = 0; i < spans.length; i += size) parts.push(...chunks(spans.slice(i, i + size), encode, maxBytes));
  return parts;
}

/** Every JSON chunk is `{"resourceSpans":[…]}`, as json.ts writes it. */
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
 * Throws for bytes that are no request.
 */
export function splitChunk(bytes: Uint8Array, encoding: Encoding): EncodedChunk[] {
  const spans = encoding === "protobuf" ? splitProtobuf(bytes) : splitJson(bytes);
  return spans.map((span) => ({ bytes: span, spans: 1 }));
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
