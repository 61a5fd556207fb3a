import { setTimeout as wait } from "node:timers/promises";
import { demo } from "../../src/commands/demo.ts";
import { runAsProcess } from "../../src/commands/process.ts";
import { createLogStore } from "../../src/fake-upstash/log-store.ts";
import type { Stage } from "../../src/fake-upstash/recording/stage.ts";
import type { DemoProgram } from "../programs/demo/demo-program.ts";
import { demoPrograms } from "../programs/demo/demo-programs.ts";
import { runProgram } from "../programs/run-program.ts";
import { type Engine, startEngine } from "./engine.ts";

/** `npm run demo`, in a checkout: what an installed `wfotel demo` replays happens here, in programs of the official SDK. */

/** One program after the other, this many ms apart. */
const APART = 650;
/** So many real ms takes a wait of hours or days. */
const LONGEST_WAIT = 1_000;
/** What the engine's clock skips in all. */
const skippedIn = ({ waits }: DemoProgram) => waits.reduce((sum, wait) => sum + Math.max(0, wait - LONGEST_WAIT), 0);

/**
 * Runs all programs, each on an engine of its own into one log. Its clock starts as long ago as it will skip: the
 * day's sleep that ends now began yesterday, as far as anybody can tell.
 */
function liveStage(): Stage {
  const store = createLogStore();
  const engines = new Set<Engine>();
  const closing = new AbortController();
  let playing = demoPrograms.length;
  let failure: unknown;

  async function play(program: DemoProgram, index: number): Promise<void> {
    await wait(index * APART, undefined, { signal: closing.signal });
    const engine = await startEngine({ store, clock: { start: Date.now() - skippedIn(program), longestWaitMs: LONGEST_WAIT } });
    engines.add(engine);
    await runProgram(engine, program);
    engines.delete(engine);
    await engine.close();
    playing--;
  }
  const fail = (error: unknown) => {
    if (!closing.signal.aborted) failure = error;
  };
  for (const [index, program] of demoPrograms.entries()) void play(program, index).catch(fail);
  return {
    store,
    title: `${demoPrograms.length} programs of the official SDK, run on an engine`,
    isOver() {
      if (failure !== undefined) throw failure;
      return playing === 0;
    },
    async close() {
      closing.abort();
      await Promise.all([...engines].map((engine) => engine.close()));
    },
  };
}

console.error = () => {}; // the SDK reports every error of a step there
console.warn = () => {};
await runAsProcess((io) => demo(process.argv.slice(2), io, liveStage));
process.stdout.write("", () => process.exit()); // after Ctrl-C the SDK would go on for a while to ask for its engine
