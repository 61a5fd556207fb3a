import { setTimeout as delay } from "node:timers/promises";
import type { Job, JobKind } from "../state/job.ts";
import type { Store } from "../state/store.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { isHeld, withState } from "./state-file.ts";

/** Work that the running bridge does for a command: left as a row in its state, and waited for. */

/** How often the row is looked at, in ms. */
const LOOK_EVERY_MS = 300;
/** A bridge takes a job up within seconds; after so many looks it is another command that works on the state. */
const LOOKS_FOR_BRIDGE = 30;

type Progress = NonNullable<Job["progress"]>;

/**
 * Leaves a job and waits until it is done, saying on stderr how far it is. Undefined: the bridge was stopped before;
 * nobody works on the state now, and the job is taken back.
 * @param resumes an unfinished job that is gone on with instead; it is never taken back
 * @throws CommandError where the user stops waiting: the bridge goes on with it
 */
export function leaveJob(
  path: string,
  kind: JobKind,
  args: Job["args"],
  io: CommandIo,
  say: (progress: Progress) => string | undefined = () => undefined,
  resumes?: (job: Job) => boolean,
): Promise<Job | undefined> {
  return withState(path, { guest: true }, async (store) => {
    const begun = resumes && (await unfinished(store, kind, resumes));
    const id = begun?.id ?? (await store.addJob(kind, args, Date.now()));
    if (begun !== undefined) io.stderr.write("it was begun already, and goes on\n");
    const tellWho = begun === undefined ? sayWho(io) : () => undefined;
    let said: string | undefined;
    for (;;) {
      const job = (await store.jobs(Date.now())).find((one) => one.id === id);
      tellWho(job);
      if (job?.finishedAt !== undefined) return job;
      const line = job?.progress && say(job.progress);
      if (line !== undefined && line !== said) io.stderr.write(`${line}\n`);
      said = line;
      if (job === undefined || !isHeld(path)) return takeBack(store, id, resumes !== undefined);
      await pause(io, "the bridge goes on with it");
    }
  });
}

/** Says once who does it: the bridge that has taken it up, or nobody as long as another command has the state. */
function sayWho(io: CommandIo): (job: Job | undefined) => void {
  let looks = 0;
  let isTaken = false;
  return (job) => {
    looks += 1;
    if (!isTaken && job?.startedAt !== undefined) {
      isTaken = true;
      io.stderr.write("the running bridge does it\n");
    } else if (!isTaken && looks === LOOKS_FOR_BRIDGE) {
      io.stderr.write("another command works on the state: this one waits for it\n");
    }
  };
}

/** The last of its kind that was begun and not finished. */
export async function unfinished(store: Store, kind: JobKind, wanted: (job: Job) => boolean): Promise<Job | undefined> {
  return (await store.jobs(Date.now())).findLast((job) => job.kind === kind && job.finishedAt === undefined && wanted(job));
}

/** Unless the bridge finished it as its last deed. @param goesOn its row stays: it can be gone on with */
async function takeBack(store: Store, id: number, goesOn: boolean): Promise<Job | undefined> {
  const job = (await store.jobs(Date.now())).find((one) => one.id === id);
  if (job?.finishedAt !== undefined) return job;
  if (goesOn) return undefined;
  await store.updateJob(id, { finishedAt: Date.now(), exitCode: EXIT.incomplete, progress: { error: "taken back" } });
  return undefined;
}

/** A moment. @throws CommandError (exit 1) where the user does not want to wait any more */
export async function pause(io: CommandIo, what: string): Promise<void> {
  await delay(LOOK_EVERY_MS, undefined, { signal: io.signal }).catch(() => {
    throw new CommandError(`stopped waiting; ${what}`, EXIT.incomplete);
  });
}
