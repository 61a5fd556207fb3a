import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";
import type { Recipe } from "./recipe.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The browser that is installed, else Debian's, where that can be installed. The folder holds a link to it. */
export const chromiumRecipe: Recipe = {
  name: "chromium",
  needs: [],
  ingredients: NAMES,
  make(folder) {
    const found = installed() ?? (fromDebian() ? installed() : undefined);
    if (found === undefined) return `not installed: ${NAMES.join(" or ")} (and apt-get cannot install it here)`;
    symlinkSync(found, join(folder, "chromium"));
    return undefined;
  },
};

function installed(): string | undefined {
  const paths = NAMES.map((name) => command("sh", ["-c", `command -v ${name}`]).stdout.trim());
  return paths.find((path) => path !== "");
}

function fromDebian(): boolean {
  if (process.getuid?.() !== 0) return false;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = () => command("apt-get", ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"], { env }).ok;
  return install() || (command("apt-get", ["update"], { env }).ok && install());
}
