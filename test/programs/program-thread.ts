import { parentPort } from "node:worker_threads";
import { threadClock } from "../engine/clock.ts";
import { programs } from "./programs.ts";
import { type OpenedProgram, openProgram } from "./run-program.ts";
import type { EngineAddress, FromThread, Question, ToThread } from "./thread-messages.ts";

/** A worker thread: the apps of programs, their third parties and whoever is outside. Started by in-thread.ts. */
const port = parentPort;
if (port === null) throw new Error("a worker thread of test/programs/in-thread.ts");
console.error = () => {}; // the SDK reports every error of a step there
console.warn = () => {};

const tell = (message: FromThread) => port.postMessage(message);
const waiting = new Map<number, () => void>();
let asked = 0;
let opened: OpenedProgram | undefined;

port.on("message", (message: ToThread) => {
  if (message.kind === "now") return waiting.get(message.number)?.();
  const { number, question } = message;
  answer(question).then(
    (value) => tell({ kind: "answer", number, value }),
    (error: unknown) => tell({ kind: "failed", number, message: String(error) }),
  );
});

async function answer(question: Question) {
  if (question.ask === "open") {
    opened = await open(question.program, question.engine);
    return undefined;
  }
  return (await opened?.[question.ask]()) ?? undefined;
}

function open(name: string, { url, token, signingKeys, clock }: EngineAddress): Promise<OpenedProgram> {
  const program = programs.find((each) => each.name === name);
  if (program === undefined) throw new Error(`no program ${name}`);
  const stand = (host: string, address: string) => tell({ kind: "stand", host, address });
  return openProgram({ url, token, signingKeys, now: threadClock(clock), after, stand }, program);
}

/** The engine's clock waits, and is held while the work is done here. */
async function after<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const number = ++asked;
  await new Promise<void>((resolve) => {
    waiting.set(number, resolve);
    tell({ kind: "after", number, ms });
  });
  waiting.delete(number);
  try {
    return await work();
  } finally {
    tell({ kind: "acted", number });
  }
}
