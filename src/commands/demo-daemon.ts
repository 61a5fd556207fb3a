import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** `wfotel run` as a process of its own, with a configuration and a state that are gone when it is. */
export interface DemoDaemon {
  readonly pid: number;
  /** Everything it wrote to stderr, line by line. */
  readonly log: readonly string[];
  /** Set once it has ended, whoever ended it. */
  exitCode(): number | undefined;
  /** SIGTERM, and SIGKILL where that is not enough. */
  stop(): Promise<void>;
  /** After `stop`: `wfotel run --once` on the same state. True if every destination has everything. */
  drain(): Promise<boolean>;
  /** Removes configuration and state, and ends whatever still runs. */
  clear(): Promise<void>;
}

export interface DemoTargets {
  readonly api: { readonly url: string; readonly token: string };
  readonly receiver: string;
  /** A backend of the user's. */
  readonly otlp: string | undefined;
}

const GRACE_MS = 8_000;

/** This program, whoever started the demo: the command's source, or the bundle, whose parts lie in the folder of its name. */
const PROGRAM = import.meta.filename.endsWith(".ts") ? join(import.meta.dirname, "../cli.ts") : `${import.meta.dirname}.mjs`;

/** Starts this very program with the command `run`. Of the environment it gets only what a process needs to run. */
export function startDaemon(targets: DemoTargets, env: Readonly<Record<string, string | undefined>>): DemoDaemon {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-demo-"));
  const config = join(folder, "demo.yaml");
  writeFileSync(config, JSON.stringify(configOf(targets), null, 2), { mode: 0o600 }); // JSON is YAML
  const log: string[] = [];
  const inherited = { PATH: env.PATH, HOME: env.HOME, TMPDIR: env.TMPDIR, WFOTEL_DEMO_TOKEN: targets.api.token };
  const start = (...options: string[]) => startRun(["--config", config, ...options], inherited, log);
  const daemon = start();
  const children = [daemon];
  const clear = () => {
    for (const { child } of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", clear);
  return {
    pid: daemon.child.pid ?? 0,
    log,
    exitCode: daemon.exitCode,
    stop: () => end(daemon),
    drain: async () => {
      const once = start("--once", "--drain-timeout", "5s");
      children.push(once);
      await once.ended;
      return once.exitCode() === 0;
    },
    clear: async () => {
      await Promise.all(children.map(end));
      process.off("exit", clear);
      clear();
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  exitCode(): number | undefined;
}

/** In a group of its own: a terminal's Ctrl-C goes to the demo alone, which then ends it in order. */
function startRun(options: readonly string[], env: NodeJS.ProcessEnv, log: string[]): Running {
  const args = [...process.execArgv, PROGRAM, "run", ...options];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "ignore", "pipe"], env });
  if (child.stderr !== null) createInterface(child.stderr).on("line", (line) => log.push(line));
  let exitCode: number | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      log.push(error.message);
      exitCode ??= 1;
      resolve();
    });
    child.once("close", (code) => {
      exitCode ??= code ?? 1;
      resolve();
    });
  });
  return { child, ended, exitCode: () => exitCode };
}

async function end({ child, ended, exitCode }: Running): Promise<void> {
  if (exitCode() !== undefined) return;
  child.kill("SIGTERM");
  const deadline = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await ended;
  clearTimeout(deadline);
}

function configOf({ api, receiver, otlp }: DemoTargets): object {
  const yours = otlp === undefined ? [] : [{ name: "yours", type: "otlp-http", endpoint: otlp }];
  return {
    environment: "demo",
    // What the demo's clock skips enters the log late. Of runs that began before the epoch nothing is taken for read: they are asked for.
    sources: [
      { name: "demo", url: api.url, token: "${env:WFOTEL_DEMO_TOKEN}", poll_interval: "1s", poll_interval_idle: "1s", start_from: "5m" },
    ],
    destinations: [{ name: "demo", type: "otlp-http", endpoint: receiver }, ...yours],
    traces: { gen_ai: true },
    state: { path: "./demo.db" },
    server: { listen: "" },
    telemetry: { log: { level: "warn", format: "json" } },
  };
}
