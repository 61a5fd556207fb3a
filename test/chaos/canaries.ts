import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Secrets that stand everywhere a secret can stand. Whatever the daemon writes or sends must show none of them. */
export interface Canaries {
  readonly token: string;
  readonly rotatedToken: string;
  readonly header: string;
  readonly rotatedHeader: string;
  readonly userinfo: string;
  readonly query: string;
  readonly callHeader: string;
  readonly body: string;
  readonly error: string;
}

/** Long, and unlike anything else; not from the seed, so that no two runs share one. */
export function newCanaries(): Canaries {
  const canary = (name: string) => `canary${name}${randomBytes(12).toString("hex")}`;
  return {
    token: canary("Token"),
    rotatedToken: canary("Token2"),
    header: canary("Header"),
    rotatedHeader: canary("Header2"),
    userinfo: canary("User"),
    query: canary("Query"),
    callHeader: canary("Call"),
    body: canary("Body"),
    error: canary("Error"),
  };
}

/** One line for every canary in every place that shows it. */
export function searchCanaries(canaries: Canaries, places: ReadonlyMap<string, Buffer | string>): string[] {
  const found: string[] = [];
  for (const [place, content] of places) {
    const bytes = Buffer.from(content);
    for (const [name, canary] of Object.entries(canaries)) {
      const forms = [canary, Buffer.from(canary).toString("base64").slice(0, 24)];
      if (forms.some((form) => bytes.includes(form))) found.push(`the secret ${name} stands in ${place}`);
    }
  }
  return found;
}

/** Every file under a folder, by its path. */
export function filesUnder(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  if (!existsSync(folder)) return files;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path, readFileSync(path));
  }
  return files;
}
