import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** The real command as a child process, from source, with nothing of this process's environment but PATH. */
export const CLI = new URL("../../src/cli.ts", import.meta.url).pathname;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand extends ChildProcess {
  stdout: NonNullable<ChildProcess["stdout"]>;
  stderr: NonNullable<ChildProcess["stderr"]>;
  stdin: NonNullable<ChildProcess["stdin"]>;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

export function startWfotel(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH ?? "", ...options.env },
  }) as RunningCommand;
  child.stdin.on("error", () => undefined); // it may end before it has read all
  return child;
}

export async function wfotel(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const child = startWfotel(args, options);
  child.stdin.end(options.input ?? "");
  const [[code, signal], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code, signal, stdout, stderr };
}
