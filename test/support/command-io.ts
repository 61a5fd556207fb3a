import { Readable, Writable } from "node:stream";
import type { CommandIo } from "../../src/commands/io.ts";

/** A command's surroundings in memory; `out()` and `err()` give what was written so far. */
export function commandIo(given: { env?: Record<string, string>; cwd: string; stdin?: string; signal?: AbortSignal }) {
  const out: string[] = [];
  const err: string[] = [];
  const into = (lines: string[]) =>
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
  const io: CommandIo = {
    stdin: Readable.from(given.stdin === undefined ? [] : [given.stdin]),
    stdout: into(out),
    stderr: into(err),
    env: given.env ?? {},
    cwd: given.cwd,
    signal: given.signal ?? new AbortController().signal,
    onHangUp: () => undefined,
  };
  return { io, out: () => out.join(""), err: () => err.join("") };
}
