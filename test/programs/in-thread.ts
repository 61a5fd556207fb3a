import { Worker } from "node:worker_threads";
import type { Engine } from "../engine/engine.ts";
import { type ProgramRun, runOpened } from "./run-program.ts";
import type { FromThread, Question, ToThread } from "./thread-messages.ts";

/**
 * Programs in a thread of their own, one after the other: neither the engine nor a program waits for the other's
 * turn on one event loop, and what a program writes down of itself is not what the engine's work made late.
 */
export interface ProgramThread {
  run(engine: Engine, program: string): Promise<ProgramRun>;
  close(): Promise<void>;
}

export function startProgramThread(): ProgramThread {
  const worker = new Worker(new URL("./program-thread.ts", import.meta.url));
  const open = new Map<number, PromiseWithResolvers<unknown>>();
  const acting = new Map<number, () => void>();
  let asked = 0;
  let engine: Engine | undefined;
  const tell = (message: ToThread) => worker.postMessage(message);

  async function ask<T>(question: Question): Promise<T> {
    const number = ++asked;
    const answer = Promise.withResolvers<unknown>();
    open.set(number, answer);
    tell({ kind: "question", number, question });
    return (await answer.promise) as T;
  }

  worker.on("message", (message: FromThread) => {
    if (message.kind === "answer") open.get(message.number)?.resolve(message.value);
    else if (message.kind === "failed") open.get(message.number)?.reject(new Error(message.message));
    else if (message.kind === "stand") engine?.hosts.set(message.host, message.address);
    else if (message.kind === "acted") acting.get(message.number)?.();
    else void engine?.clock.after(message.ms, () => letAct(message.number));
  });

  function letAct(number: number): Promise<void> {
    return new Promise((resolve) => {
      acting.set(number, resolve);
      tell({ kind: "now", number });
    });
  }

  return {
    async run(own, program) {
      engine = own;
      const { url, token, signingKeys, clock } = own;
      await ask({ ask: "open", program, engine: { url, token, signingKeys, clock: clock.shared } });
      try {
        return await runOpened(own, program, {
          start: () => ask({ ask: "start" }),
          acted: () => ask({ ask: "acted" }),
          seen: () => ask({ ask: "seen" }),
        });
      } finally {
        await ask({ ask: "close" });
      }
    },
    close: async () => void (await worker.terminate()),
  };
}
