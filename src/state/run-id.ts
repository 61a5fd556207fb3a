import { crc32 } from "node:zlib";

/**
 * Run ids can be chosen by the caller: SQLite's text would cut one at a NUL for some functions and turn a
 * lone surrogate into another character. Those few are stored as JSON (all ASCII) behind a marker.
 */
const MARKER = "\u0001";

export function storedId(id: string): string {
  return id.isWellFormed() && !id.includes("\0") && !id.startsWith(MARKER) ? id : MARKER + JSON.stringify(id);
}

export function originalId(stored: string): string {
  return stored.startsWith(MARKER) ? String(JSON.parse(stored.slice(MARKER.length))) : stored;
}

/** Four bytes that stand for an id in an index; signed, so that SQLite needs no more than four. */
export function idHash(stored: string): number {
  return crc32(stored) | 0;
}
