import type { CommandIo } from "./io.ts";

/** A command's face in the overview, its own help, and how to get it: loaded only when it runs. */
export interface Command {
  readonly summary: string;
  readonly usage: string;
  load(): Promise<(argv: readonly string[], io: CommandIo) => Promise<number>>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "the daemon: poll, map, deliver, until it is stopped",
    usage: `
Usage: wfotel run [--once] [--drain-timeout 30s]

  --once                list everything new, ask for every open run once, deliver, exit:
                        0, or 1 if anything is undelivered
  --drain-timeout TIME  with --once: give up on a destination that accepted nothing for so long`,
    load: async () => (await import("./run.ts")).run,
  },
  convert: {
    summary: "log API bodies → one OTLP request on stdout",
    usage: `
Usage: wfotel convert [FILE|-] [--format otlp-json|otlp-protobuf|waterfall]

Reads what the log API answered (an object, an array of runs, or NDJSON) from FILE or standard input.
Runs in progress are skipped and named on stderr. Needs no configuration.
Exit code 3 if some runs were unreadable; the others are written all the same.`,
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

  --url      also the link of each destination that has a trace_url
  --offline  the run's own trace id, computed; needs CREATED_AT`,
    load: async () => (await import("./trace-id.ts")).traceIdCommand,
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
Usage: wfotel demo [--otlp URL]

  --otlp URL  also send to a backend of yours, e.g. http://127.0.0.1:4318`,
    load: async () => (await import("./demo.ts")).demo,
  },
};
