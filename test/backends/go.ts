import { command, mustRun } from "./command.ts";

/** The Go that is installed, and static programs. */
export const GO_ENVIRONMENT = { GOTOOLCHAIN: "local", CGO_ENABLED: "0" };
export const GO_FLAGS = ["-trimpath", "-ldflags=-s -w"];

/** Why Go modules cannot be built here. */
export function goTrouble(minor: number): string | undefined {
  const found = Number(/^go1\.(\d+)/.exec(command("go", ["env", "GOVERSION"], { env: GO_ENVIRONMENT }).stdout)?.[1]);
  return found >= minor ? undefined : `needs Go 1.${minor} or later`;
}

/** Downloads a module and gives the folder with its source, or why it cannot be had. */
export function goModule(path: string): { readonly folder: string } | string {
  const { ok, stdout, complaint } = command("go", ["mod", "download", "-json", path], { env: GO_ENVIRONMENT });
  return ok ? { folder: String(JSON.parse(stdout).Dir) } : `${path} cannot be fetched: ${complaint}`;
}

export function goBuild(cwd: string, out: string, what: string): void {
  mustRun("nice", ["-n", "19", "go", "build", ...GO_FLAGS, "-o", out, what], { cwd, env: GO_ENVIRONMENT });
}
