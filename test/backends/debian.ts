import { command } from "./command.ts";

/** Where these Debian packages are not installed, installs them if that is possible here. False where it is not. */
export function debianPackages(...packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0) return false;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = () => command("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env }).ok;
  return install() || (command("apt-get", ["update"], { env }).ok && install());
}

/** The path of a program, if it is installed. */
export function installed(program: string): string | undefined {
  return command("sh", ["-c", `command -v ${program}`]).stdout.trim() || undefined;
}
