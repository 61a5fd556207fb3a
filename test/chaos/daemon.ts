import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** How the program under test is started: what stands between `node` and the command's own arguments. */
export type Program = readonly string[];

export interface Daemon {
  readonly child: ChildProcess;
  /** Everything it wrote, to stdout and stderr. */
  readonly output: () => string;
  readonly ended: Promise<void>;
  readonly exited: () => boolean;
  /** `exit 0`, `SIGKILL`, … once it has ended. */
  readonly end: () => string;
}

export interface SpawnOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
}

/** Nothing of this process's environment goes along but PATH. Never through npm: it would keep the signals for itself. */
export function startDaemon(program: Program, args: readonly string[], { cwd, env, uid }: SpawnOptions): Daemon {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => chunks.push(text));
  let end = "";
  const ended = once(child, "close").then(([code, signal]) => {
    end = signal === null ? `exit ${code}` : String(signal);
  });
  return { child, output: () => chunks.join(""), ended, exited: () => end !== "", end: () => end };
}

/** SIGTERM, and SIGKILL where that is not enough. How it ended. */
export async function stopDaemon(daemon: Daemon, graceMs = 15_000): Promise<string> {
  daemon.child.kill("SIGTERM");
  const waited = new AbortController();
  const late = sleep(graceMs, true, { signal: waited.signal }).catch(() => false);
  if (await Promise.race([daemon.ended.then(() => false), late])) daemon.child.kill("SIGKILL");
  await daemon.ended;
  waited.abort();
  return daemon.end();
}
