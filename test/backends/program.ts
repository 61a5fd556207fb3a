import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A backend that runs. */
export interface Program {
  /** Everything it printed. */
  output(): string;
  /** Resolves when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ProgramSettings {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Asked again and again; a rejection is a no. */
  readonly ready: () => Promise<boolean>;
}

const READY_WITHIN_MS = 90_000;

/** Starts a server and waits until it answers. Rejects with what it printed if it does not. */
export async function startProgram({ file, args, env, ready }: ProgramSettings): Promise<Program> {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } });
  const printed: string[] = [];
  child.stdout.on("data", (text) => printed.push(String(text)));
  child.stderr.on("data", (text) => printed.push(String(text)));
  child.on("error", (error) => printed.push(error.message));
  const program = { output: () => printed.join(""), stop: (signal: NodeJS.Signals = "SIGTERM") => stop(child, signal) };
  for (let waited = 0; waited < READY_WITHIN_MS && isAlive(child); waited += 50) {
    if (await ready().catch(() => false)) return program;
    await sleep(50);
  }
  await program.stop("SIGKILL");
  throw new Error(`${file} did not come up:\n${program.output()}`);
}

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null && child.pid !== undefined;

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!isAlive(child)) return;
  child.kill(signal);
  await once(child, "exit");
}

/** A port of the loopback that was free a moment ago: these programs cannot be asked which one they took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** True once the address answers with 2xx. */
export const answers = (url: string) => async (): Promise<boolean> => (await fetch(url)).ok;

/** True once something takes connections there. */
export const listens = (port: number) => async (): Promise<boolean> => {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
  return true;
};
