import { CommandError, type CommandIo, EXIT } from "./io.ts";

/** Runs a command as this process: its streams and signals are the process's, and what it returns the exit code. */
export async function runAsProcess(command: (io: CommandIo) => Promise<number>): Promise<void> {
  process.on("unhandledRejection", endWithBug);
  endWithoutReader(process.stdout);
  process.stderr.on("error", () => undefined); // a log without a reader (its terminal is gone, its disk is full): the work goes on
  const { stdin, stdout, stderr, env } = process;
  try {
    process.exitCode = await command({ stdin, stdout, stderr, env, cwd: process.cwd(), ...handleSignals() });
  } catch (error) {
    if (!(error instanceof CommandError)) return endWithBug(error);
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}

/** The first signal asks the command to end; the second ends the process at once. */
function handleSignals(): Pick<CommandIo, "signal" | "onHangUp"> {
  const controller = new AbortController();
  const stopOn = (name: NodeJS.Signals, number: number) => {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      controller.abort(name);
    });
  };
  stopOn("SIGTERM", 15);
  stopOn("SIGINT", 2);
  const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  return {
    signal: controller.signal,
    onHangUp: (listener) => void (onTerminal ? stopOn("SIGHUP", 1) : process.on("SIGHUP", listener)),
  };
}

function endWithBug(error: unknown): never {
  process.stderr.write(`wfotel: a bug, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(EXIT.bug);
}

/** A reader that has gone (`wfotel convert … | head`) is no error of ours; a full disk is nobody's bug. */
function endWithoutReader(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.done);
    process.stderr.write(`stdout cannot be written: ${error.message}\n`);
    process.exit(EXIT.incomplete);
  });
}
