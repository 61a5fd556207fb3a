import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "../..");

/** What npm and the container image ship. */
export const SHIPPED = join(ROOT, "dist/wfotel.mjs");

/** Builds it as the package does. */
export function buildShipped(): void {
  execFileSync(process.execPath, [join(ROOT, ".ci/build.ts")], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
}

/** A program of the benchmark as one file, made like the shipped one: so that neither has an advantage. @returns its path */
export async function bundled(entry: string, folder: string): Promise<string> {
  const outfile = join(folder, entry.replace(/\.ts$/, ".mjs"));
  await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    banner: { js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  return outfile;
}
