import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { joinedSize } from "../otlp/encode.ts";
import type { FileConfig } from "./config.ts";
import type { Destination, Outcome } from "./destination.ts";

/**
 * One OTLP/JSON request a line, as the Collector's `otlpjsonfile` receiver reads it.
 *
 * A request counts as delivered once its line is on the disk (fdatasync, and the directory where the file is new).
 * The file is opened anew for each request, so that rotating it needs no signal. A line torn by a crash was
 * never acknowledged and will be written again: it is cut off before the next one. One process may write to a file.
 */
export function createFile(config: FileConfig): Destination {
  return {
    name: config.name,
    encoding: "json",
    maxRequestBytes: 1024 * 1024,
    concurrency: 1,
    async send(body, signal) {
      if (signal.aborted) return { kind: "retry", scope: "destination", reason: "aborted", suspect: false };
      try {
        await append(config.path, body);
        return { kind: "delivered" };
      } catch (error) {
        return outcomeOf(error, config.path);
      }
    },
    refreshSecrets: () => false,
    close: () => Promise.resolve(),
  };
}

async function append(path: string, body: Uint8Array): Promise<void> {
  await using file = await open(path, "a+", 0o600);
  const found = await file.stat();
  const { size } = found;
  const regular = found.isFile();
  if (regular && size > 0) await mendLastLine(file, size);
  if (body.length === joinedSize([], "json")) return; // no spans: a probe
  await file.appendFile(Buffer.concat([body, Buffer.from("\n")]));
  if (!regular) return; // a pipe or a terminal cannot be synced
  await file.datasync();
  if (size === 0) await syncDirectory(dirname(path));
}

const OURS = Buffer.from('{"resourceSpans":[');
const NEWLINE = 0x0a;
const BLOCK = 64 * 1024;

/** Cuts off a last line without an end if it is one of ours; somebody else's gets its end. */
async function mendLastLine(file: FileHandle, size: number): Promise<void> {
  const start = await lastLineStart(file, size);
  if (start === size) return;
  const head = Buffer.alloc(Math.min(OURS.length, size - start));
  await file.read(head, 0, head.length, start);
  if (OURS.subarray(0, head.length).equals(head)) await file.truncate(start);
  else await file.appendFile("\n");
}

/** The position after the last newline before `size`, read backwards in blocks. */
async function lastLineStart(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(BLOCK);
  for (let end = size; end > 0; end -= BLOCK) {
    const from = Math.max(0, end - BLOCK);
    const { bytesRead } = await file.read(block, 0, end - from, from);
    const at = block.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return from + at + 1;
  }
  return 0;
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}

/** Errors that pass when somebody makes room; any other needs the configuration or the file mended. */
const PASSING = new Set(["ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "EAGAIN", "EBUSY", "ESTALE"]);

function outcomeOf(error: unknown, path: string): Outcome {
  const { code = "", message = String(error) } = error as NodeJS.ErrnoException;
  const reason = code === "ENOENT" ? `${message} (create the directory ${dirname(path)})` : message;
  return PASSING.has(code) ? { kind: "retry", scope: "destination", reason, suspect: false } : { kind: "misconfigured", reason };
}
