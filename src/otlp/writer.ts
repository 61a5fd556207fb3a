/**
 * Protobuf messages, written back to front: when the length of a message is due, its content is there already, so
 * one pass does and nothing is measured before it or moved after it. Fields are written last one first.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
export interface Writer {
  bytes: Buffer;
  /** Of the byte written last; what is written lies from here to the end. */
  start: number;
}

const INITIAL_BYTES = 64 * 1024;
/** A larger buffer is not kept for the next message. */
const KEPT_BYTES = 1024 * 1024;

/** Taken by turns: a buffer for each message would cost more than writing it. */
let spare: Writer | undefined;

/** The message whose fields `write` writes, in memory of its own. */
export function encodeMessage(write: (to: Writer) => void): Uint8Array {
  const to = spare ?? { bytes: Buffer.allocUnsafeSlow(INITIAL_BYTES), start: 0 };
  spare = undefined;
  to.start = to.bytes.length;
  write(to);
  if (to.bytes.length <= KEPT_BYTES) spare = to;
  return new Uint8Array(to.bytes.subarray(to.start));
}

/** How many bytes there are: a mark that growing does not move. */
export function written(to: Writer): number {
  return to.bytes.length - to.start;
}

/** What was written since there were `before` bytes becomes the content of a length-delimited field. */
export function delimit(to: Writer, field: number, before: number): void {
  writeTagged(to, field * 8 + 2, written(to) - before);
}

export function writeBytes(to: Writer, bytes: Uint8Array): void {
  const at = take(to, bytes.length);
  to.bytes.set(bytes, at);
}

/** Always well-formed UTF-8: half of a surrogate pair becomes U+FFFD. */
export function writeText(to: Writer, field: number, text: string): void {
  const before = written(to);
  if (!writeShortAscii(to, text)) {
    const size = Buffer.byteLength(text);
    const at = take(to, size);
    to.bytes.write(text, at, size);
  }
  delimit(to, field, before);
}

/** Up to this length a loop is quicker than a call out of JavaScript. */
const SHORT = 80;

function writeShortAscii(to: Writer, text: string): boolean {
  const { length } = text;
  if (length > SHORT) return false;
  const at = take(to, length);
  const { bytes } = to;
  for (let i = 0; i < length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) {
      to.start += length;
      return false;
    }
    bytes[at + i] = unit;
  }
  return true;
}

/** `hex`: an even number of digits. */
export function writeHex(to: Writer, field: number, hex: string): void {
  const at = take(to, hex.length / 2);
  to.bytes.write(hex, at, "hex");
  writeTagged(to, field * 8 + 2, hex.length / 2);
}

/** An integer of 64 bits, signed where it is negative. */
export function writeInteger(to: Writer, field: number, value: number): void {
  writeTagged(to, field * 8, value);
}

export function writeFixed32(to: Writer, field: number, value: number): void {
  const at = take(to, 4);
  to.bytes.writeUInt32LE(value, at);
  writeVarint(to, field * 8 + 5);
}

/** `high` and `low`: its halves, both unsigned. */
export function writeFixed64(to: Writer, field: number, high: number, low: number): void {
  const at = take(to, 8);
  to.bytes.writeUInt32LE(low, at);
  to.bytes.writeUInt32LE(high, at + 4);
  writeVarint(to, field * 8 + 1);
}

export function writeDouble(to: Writer, field: number, value: number): void {
  const at = take(to, 8);
  to.bytes.writeDoubleLE(value, at);
  writeVarint(to, field * 8 + 1);
}

/** A tag and the number behind it, each mostly a single byte. */
function writeTagged(to: Writer, tag: number, value: number): void {
  if (tag < 0x80 && value < 0x80 && value >= 0) {
    const at = take(to, 2);
    to.bytes[at] = tag;
    to.bytes[at + 1] = value;
  } else {
    writeVarint(to, value);
    writeVarint(to, tag);
  }
}

/** Exact for every double that is an int64: it is only ever divided by powers of two. */
function writeVarint(to: Writer, value: number): void {
  let size = value < 0 ? 10 : 1;
  for (let rest = value / 0x80; rest >= 1; rest /= 0x80) size += 1;
  let at = take(to, size);
  let rest = value;
  for (const last = at + size - 1; at < last; at += 1) {
    to.bytes[at] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  to.bytes[at] = value < 0 ? 1 : rest; // of 64 bits ten bytes have one to spare for the sign
}

/** Room for `size` bytes before those that are there: where it begins. May replace `bytes`. */
function take(to: Writer, size: number): number {
  if (to.start < size) grow(to, size);
  to.start -= size;
  return to.start;
}

function grow(to: Writer, size: number): void {
  const used = written(to);
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * to.bytes.length, used + size));
  larger.set(to.bytes.subarray(to.start), larger.length - used);
  to.bytes = larger;
  to.start = larger.length - used;
}
