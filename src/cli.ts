#!/usr/bin/env node
import { COMMANDS, type Command, commandOf } from "./commands/commands.ts";
import { type CommandIo, EXIT } from "./commands/io.ts";
import { runAsProcess } from "./commands/process.ts";
import { VERSION } from "./version.ts";

/** argv → one command → exit code. Results go to stdout, everything else to stderr. */
async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  const { name, rest } = splitCommand(argv);
  const options = rest.slice(0, rest.includes("--") ? rest.indexOf("--") : undefined);
  const command = name === undefined ? undefined : commandOf(name);
  if (options.includes("--version") || options.includes("-v")) {
    io.stdout.write(`${VERSION}\n`);
    return EXIT.done;
  }
  const wantsHelp = options.includes("--help") || options.includes("-h");
  if (command === undefined) {
    (wantsHelp ? io.stdout : io.stderr).write(overview());
    return wantsHelp ? EXIT.done : EXIT.usage;
  }
  if (wantsHelp) {
    io.stdout.write(`${command.summary}\n\n${command.usage.trim()}\n\n${COMMON_OPTIONS}`);
    return EXIT.done;
  }
  if (isOlder(process.versions.node, OLDEST_NODE)) {
    io.stderr.write(`wfotel needs Node ${OLDEST_NODE} or later; this is ${process.versions.node}\n`);
    return EXIT.usage;
  }
  if (!command.isSmall) (await import("./commands/memory.ts")).preferSmallMemory();
  const run = await command.load();
  return run(rest, io);
}

/** As `engines` in package.json: what is older fails in ways that look like a bug of ours. */
const OLDEST_NODE = "24.12";

function isOlder(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

const TAKES_VALUE: ReadonlySet<string> = new Set(["--config", "--state", "--log-level"]);

/** The command's name and everything else; the common options may stand before the name too. `help X` is `X --help`. */
function splitCommand(argv: readonly string[]): { name: string | undefined; rest: readonly string[] } {
  let at = 0;
  while (argv[at]?.startsWith("-")) at += TAKES_VALUE.has(argv[at] ?? "") ? 2 : 1;
  const name = argv[at];
  const rest = argv.toSpliced(at, 1);
  return name === "help" ? { name: rest[0], rest: [...rest.slice(1), "--help"] } : { name, rest };
}
const COMMON_OPTIONS = `Everywhere:
  --config FILE      configuration (else WFOTEL_CONFIG, else environment variables alone)
  --state FILE       state file (else WFOTEL_STATE, else state.path)
  --log-level LEVEL  trace, debug, info, warn, error, fatal or silent
  --help, --version

Exit codes: 0 done · 1 done, but not all of it · 2 bad configuration or usage ·
3 unreadable input · 4 not found · 70 a bug
`;

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, command]: [string, Command]) => `  ${name.padEnd(width)}  ${command.summary}`);
  return `wfotel ${VERSION}: Upstash Workflow runs as OpenTelemetry traces\n\nUsage: wfotel COMMAND [options]\n\n${lines.join("\n")}\n\n${COMMON_OPTIONS}`;
}

await runAsProcess((io) => main(process.argv.slice(2), io));
