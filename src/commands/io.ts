/** What a command may touch of the process: passed in, so that tests can run it without one. */
export interface CommandIo {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
  /**
   * From now on SIGHUP calls `listener`; where the program was started on a terminal, SIGHUP means that the terminal is
   * gone, and aborts `signal` instead. Without this call it ends the process at once, as it always did.
   */
  readonly onHangUp: (listener: () => void) => void;
}

/** The exit codes of every command, as the README's table has them. */
export const EXIT = { done: 0, incomplete: 1, usage: 2, unreadable: 3, notFound: 4, bug: 70 } as const;

/** Ends a command with a message for the user; for what the user can mend, never for bugs. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}
