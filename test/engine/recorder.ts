import { createLogStore } from "../../src/fake-upstash/log-store.ts";
import type { Logs } from "../../src/fake-upstash/recording/recording.ts";
import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";
import type { Program } from "../programs/program.ts";
import { type ProgramRun, runProgram } from "../programs/run-program.ts";
import { startEngine } from "./engine.ts";

/** Take the places of the engine's own address, which stands in webhooks, and of this checkout, which stands in stacks. */
const SERVICE = "https://qstash.example.com";
const APP = "/app";
const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Runs a program to its end, on an engine of its own that skips all waits, and returns how both logs grew. */
export async function recordProgram(program: Program): Promise<{ readonly logs: Logs; readonly done: ProgramRun }> {
  const versions: { since: number; run: WireRun }[] = [];
  const events: WireEvent[] = [];
  const store = createLogStore();
  const recording = {
    ...store,
    putRun(run: WireRun, since = run.workflowRunCreatedAt) {
      versions.push({ since, run });
      store.putRun(run, since);
    },
    putEvent(event: WireEvent) {
      events.push(event);
      store.putEvent(event);
    },
  };
  const engine = await startEngine({ store: recording });
  const done = await runProgram(engine, program);
  await engine.close();
  const logs = JSON.parse(JSON.stringify({ versions, events }).replaceAll(engine.url, SERVICE).replaceAll(ROOT, APP));
  return { logs, done };
}
