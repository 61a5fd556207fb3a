import { nearest } from "../config/nearest.ts";
import { CommandError, type CommandIo } from "./io.ts";

/** A command's face in the overview, its own help, and how to get it: loaded only when it runs. */
export interface Command {
  readonly summary: string;
  readonly usage: string;
  /** It loads so little that nothing has to be done about memory. */
  readonly isSmall?: true;
  load(): Promise<(argv: readonly string[], io: CommandIo) => Promise<number>>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "the daemon: poll, map, deliver, until it is stopped",
    usage: `
Usage: wfotel run [--once] [--drain-timeout 30s]

  --once                list everything new, ask for every open run once, deliver, exit:
                        0, or 1 if anything is undelivered or was quarantined by it
  --drain-timeout TIME  with --once: give up on a destination that accepted nothing for so long`,
    load: async () => (await import("./run.ts")).run,
  },
  convert: {
    summary: "log API bodies → one OTLP request on stdout",
    usage: `
Usage: wfotel convert [FILE…|-] [--format otlp-json|otlp-protobuf|waterfall]

Reads what the log API answered from the FILEs or standard input, as if they were one: pages of runs or of
the message log, or both together; objects, arrays or NDJSON.
Runs in progress are skipped and named on stderr. Needs no configuration.
Exit code 3 if some runs, events or steps were unreadable: each is named on stderr by its position, and
everything else is written all the same.`,
    load: async () => (await import("./convert.ts")).convert,
  },
  show: {
    summary: "one run's waterfall",
    usage: `
Usage: wfotel show RUN_ID[@CREATED_AT] [--json]

  --json   the spans as one OTLP/JSON request instead`,
    load: async () => (await import("./show.ts")).show,
  },
  "trace-id": {
    summary: "the trace a run lies in",
    usage: `
Usage: wfotel trace-id RUN_ID[@CREATED_AT] [--url] [--offline]

Asks the state, then the API. CREATED_AT is in milliseconds.

  --url      also the link of each destination that has a trace_url; one has to
  --offline  the run's own trace id, computed; needs CREATED_AT`,
    load: async () => (await import("./trace-id.ts")).traceIdCommand,
  },
  status: {
    summary: "what the bridge knows: how far it has read, what is queued, paused, quarantined",
    usage: `
Usage: wfotel status [--json]

Works while the bridge runs, and without it from its state.

  --json   one JSON document, the same as GET /status of the running bridge`,
    load: async () => (await import("./status.ts")).status,
  },
  quarantine: {
    summary: "what was refused: list, show, retry, drop",
    usage: `
Usage: wfotel quarantine list [--destination NAME] [--run RUN_ID] [--json]
       wfotel quarantine show ID [--json] [--out FILE]
       wfotel quarantine retry ID…|--all [--destination NAME] [--run RUN_ID]
       wfotel quarantine drop ID…|--all [--destination NAME] [--run RUN_ID]

  list   id, run, destination, reason, status, spans and age of every entry
  show   the backend's own words, and the spans; --out FILE writes the refused OTLP request
  retry  queues entries again and waits until they are settled; where the bytes are gone, the run is
         fetched again
  drop   forgets them for good

  --drain-timeout TIME  with retry: give up on a destination that accepted nothing for so long (30s)

While the bridge runs, it does the work; without it, this command does.
Exit codes: 0; 1 if not everything that was retried is delivered; 4 if nothing matched.`,
    load: async () => (await import("./quarantine.ts")).quarantine,
  },
  verify: {
    summary: "what the API shows against what was delivered",
    usage: `
Usage: wfotel verify [--from 24h] [--to TIME] [--repair] [--json]

Lists everything that the API shows and looks up each run that ended in the window.

  --from, --to  a time (2026-01-31T12:00:00Z, or ms since 1970) or how long ago (24h); by default
                the last 24 hours
  --repair      collect and deliver what is missing; nothing that was sent is sent again
  --json        the whole report, with every missing run
  --drain-timeout TIME  with --repair: give up on a destination that accepted nothing for so long (30s)

While the bridge runs, it does the work, within its request budget; without it, this command does.
Exit codes: 0; 1 if something is missing (the run ids are printed) or not all could be listed.`,
    load: async () => (await import("./verify.ts")).verify,
  },
  backfill: {
    summary: "the runs of a time range: listed, collected, delivered",
    usage: `
Usage: wfotel backfill --from 7d [--to TIME] [--workflow-url URL] [--label LABEL] [--run-state STATE] [--force] [--dry-run] [--concurrency N]

Collects the runs that were created in that time, whenever they ended, and delivers them. What was sent
before is not sent again; those that are still running are followed by the bridge.

  --from, --to          a time (2026-01-31T12:00:00Z, 2026-01-31, or ms since 1970) or how long ago (7d);
                        until now by default
  --workflow-url URL    only runs of that workflow; may be given several times
  --label LABEL         only runs with one of these labels; may be given several times
  --run-state STATE     only success, failed or canceled runs; may be given several times
  --force               also send again what was sent before: the same spans, with the same ids
  --dry-run             only count
  --concurrency N       requests under way at once (10); their rate stays within the source's budget
  --drain-timeout TIME  give up on a destination that accepted nothing for so long (30s)

While the bridge runs, it does the work; without it, this command does. Stop it when you like: the same
command goes on where it was. Exit codes: 0; 1 if something is missing, not delivered, or waits for another run.`,
    load: async () => (await import("./backfill.ts")).backfill,
  },
  healthcheck: {
    summary: "asks the running bridge whether it is alive",
    usage: `
Usage: wfotel healthcheck

Asks /livez at WFOTEL_LISTEN, else at server.listen. Exit code 0 if it is alive, else 1.`,
    isSmall: true,
    load: async () => (await import("./healthcheck.ts")).healthcheck,
  },
  check: {
    summary: "validate the configuration",
    usage: `
Usage: wfotel check [--connect] [--explain URL [--label LABEL]]

  --connect      also ask every source and destination, and say what they answered
  --explain URL  which rule a run of that URL meets, and what it is called then`,
    load: async () => (await import("./check-connected.ts")).checkConnected,
  },
  schema: {
    summary: "JSON Schema of the configuration",
    usage: "Usage: wfotel schema",
    load: async () => (await import("./schema.ts")).schema,
  },
  demo: {
    summary: "the whole thing with nothing else installed",
    usage: `
Usage: wfotel demo [--otlp URL] [--stay]

  --otlp URL  also send to a backend of yours, e.g. http://127.0.0.1:4318
  --stay      leave its log API and its receiver up until Ctrl-C, for other commands to be tried on them`,
    load: async () => (await import("./demo.ts")).demo,
  },
};

/** @throws CommandError (exit 2) where there is none of that name */
export function commandOf(name: string): Command {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return command;
  const meant = nearest(name, Object.keys(COMMANDS), name.length / 2);
  const hint = meant === undefined ? "" : `the nearest is ${meant}, and `;
  throw new CommandError(`there is no command ${JSON.stringify(name)}; ${hint}wfotel --help lists them all`);
}
