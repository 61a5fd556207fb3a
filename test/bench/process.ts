import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that is measured from outside: Linux's own accounts of it, so that measuring costs it nothing. */
export interface Measured {
  readonly child: ChildProcess;
  /** `performance.now()` when it was started. */
  readonly startedAt: number;
  /** Resident memory now, in MiB. */
  rss(): number;
  /** CPU it has used, in ms; of threads that are still there, to the nanosecond. */
  cpu(): number;
  /** Waits for its end. `peakRss` in MiB, `cpu` in ms (user and system, all its threads), `series` of RSS in MiB, one every tenth of a second. */
  ended(): Promise<Ended>;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<Ended>;
}

export interface Ended {
  readonly code: number | null;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakRss: number;
  readonly series: readonly number[];
  readonly stdout: string;
  readonly stderr: string;
}

const SAMPLED_EVERY_MS = 100;
/** Linux's USER_HZ. */
const TICKS_PER_SECOND = 100;

/** @param env all of it, but for PATH and the home of temporary files */
export function startMeasured(args: readonly string[], env: Readonly<Record<string, string>> = {}): Measured {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH ?? "", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.stderr = (output.stderr + text).slice(-100_000)));
  const pid = child.pid ?? 0;
  const series: number[] = [];
  const last = { cpu: 0, peak: 0 };
  const sampling = new AbortController();
  const sampler = (async () => {
    while (!sampling.signal.aborted) {
      const rss = megabytes(pid, "VmRSS");
      if (rss > 0) series.push(rss);
      last.cpu = Math.max(last.cpu, ticksOf(pid));
      last.peak = Math.max(last.peak, megabytes(pid, "VmHWM"));
      await sleep(SAMPLED_EVERY_MS, undefined, { signal: sampling.signal }).catch(() => undefined);
    }
  })();
  const exit = once(child, "close") as Promise<[number | null]>;
  const ended = async (): Promise<Ended> => {
    const [code] = await exit;
    sampling.abort();
    await sampler;
    return { code, wallMs: performance.now() - startedAt, cpuMs: last.cpu, peakRss: last.peak, series, ...output };
  };
  return {
    child,
    startedAt,
    rss: () => megabytes(pid, "VmRSS"),
    cpu: () => runtimeOf(pid),
    ended,
    async stop() {
      last.cpu = Math.max(last.cpu, ticksOf(pid));
      child.kill("SIGTERM");
      return ended();
    },
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended
  }
}

function megabytes(pid: number, name: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024;
}

/** User and system time of all threads there ever were, in ms; the fields after the name, which may hold anything. */
function ticksOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 1_000) / TICKS_PER_SECOND;
}

/** Time on a CPU of each thread that lives, in ms. */
function runtimeOf(pid: number): number {
  let sum = 0;
  for (const task of tasks(pid)) sum += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(" ")[0] ?? 0);
  return sum / 1e6;
}

function tasks(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}
