import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { command } from "./command.ts";

/**
 * How a real backend's program comes to be: built or fetched once, kept in a folder outside the repository that is
 * named after a hash of its recipe, so that a changed recipe is made anew and nothing is ever stale.
 */
export interface Recipe {
  readonly name: string;
  /** Programs that must be installed; where one is not, the backend is skipped. */
  readonly needs: readonly string[];
  /** Versions, modules, flags: whatever decides what comes out. */
  readonly ingredients: unknown;
  /** Whether what was put there still is what it was; where a folder holds everything itself it is. */
  readonly works?: (folder: string) => boolean;
  /** Puts the program into `folder`. Returns why it cannot be had here; throws where it could be had but not made. */
  make(folder: string): string | undefined;
}

export type Made = { readonly ok: true; readonly folder: string } | { readonly ok: false; readonly reason: string };

/** `WFOTEL_BACKENDS_CACHE`, else the user's cache folder. */
function cacheFolder(): string {
  const { WFOTEL_BACKENDS_CACHE, XDG_CACHE_HOME } = process.env;
  return WFOTEL_BACKENDS_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "wfotel-backends");
}

/** Minutes the first time, nothing after that. Takes processor time only where nobody else wants it. */
export function made({ name, needs, ingredients, works = () => true, make }: Recipe): Made {
  const hash = createHash("sha256")
    .update(JSON.stringify([ingredients, process.arch, process.platform]))
    .digest("hex");
  const folder = join(cacheFolder(), `${name}-${hash.slice(0, 12)}`);
  if (existsSync(folder)) {
    if (works(folder)) return { ok: true, folder };
    rmSync(folder, { recursive: true });
  }
  const missing = needs.filter((program) => !command("sh", ["-c", `command -v ${program}`]).ok);
  if (missing.length > 0) return { ok: false, reason: `not installed: ${missing.join(", ")}` };
  mkdirSync(cacheFolder(), { recursive: true });
  const draft = mkdtempSync(join(cacheFolder(), `.${name}-`));
  try {
    const reason = make(draft);
    if (reason !== undefined) return { ok: false, reason };
    if (!existsSync(folder)) renameSync(draft, folder); // another process may have been faster
    return { ok: true, folder };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
