import { parentPort, workerData } from "node:worker_threads";
import { type Options, simulate } from "./simulate.ts";

/** One simulation in a thread of its own: `workerData` says which, its figures come back as a message. */
parentPort?.postMessage(await simulate(workerData as Options));
