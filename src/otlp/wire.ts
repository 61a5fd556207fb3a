/** A field of a protobuf message: its number, its wire type, and where it lies in the bytes. */
export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly type: number;
  /** First byte of the tag. */
  readonly start: number;
  /** First byte of the content (for a length-delimited field: after the length), and the byte after it. */
  readonly from: number;
  readonly to: number;
}

/**
 * The fields of one message, in order, without decoding their content.
 * Throws a SyntaxError for bytes that are no protobuf message.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
export function* fields(bytes: Uint8Array, from = 0, to = bytes.length): Generator<Field> {
  let at = from;
  while (at < to) {
    const start = at;
    const tag = varint(bytes, at, to);
    const number = Math.floor(tag.value / 8);
    const type = tag.value % 8;
    if (number === 0 || number > 0x1fffffff) throw new SyntaxError("no such field number");
    const content = contentOf(bytes, type, tag.next, to);
    if (content.to > to) throw new SyntaxError("a field ends after its message");
    yield { number, type, start, ...content };
    at = content.to;
  }
}

function contentOf(bytes: Uint8Array, type: number, from: number, to: number): { from: number; to: number } {
  if (type === 0) return { from, to: varint(bytes, from, to).next };
  if (type === 1) return { from, to: from + 8 };
  if (type === 5) return { from, to: from + 4 };
  if (type !== 2) throw new SyntaxError(`no such wire type: ${type}`);
  const length = varint(bytes, from, to);
  return { from: length.next, to: length.next + length.value };
}

/** A varint as a number: exact up to 2^53, far more than any length or count here needs. */
export function varint(bytes: Uint8Array, from: number, to: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = from + i < to ? bytes[from + i] : undefined;
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: from + i + 1 };
  }
  throw new SyntaxError("a varint has no end");
}
