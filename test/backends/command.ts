import { spawnSync } from "node:child_process";

export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** The end of what it said, for an error message. */
  readonly complaint: string;
}

export interface CommandSettings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. */
export function command(file: string, args: readonly string[], { cwd, env, input, timeoutMs }: CommandSettings = {}): CommandResult {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd,
    input,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    timeout: timeoutMs,
  });
  const said = `${error?.message ?? ""}\n${stderr ?? ""}`.trim().split("\n").slice(-40).join("\n");
  return { ok: status === 0, stdout: stdout ?? "", complaint: said };
}

/** The same where failing is a fault of the recipe. */
export function mustRun(file: string, args: readonly string[], settings: CommandSettings = {}): string {
  const { ok, stdout, complaint } = command(file, args, settings);
  if (!ok) throw new Error(`${file} ${args.join(" ")} failed:\n${complaint}`);
  return stdout;
}
