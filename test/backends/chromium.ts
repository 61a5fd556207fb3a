import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { debianPackages, installed } from "./debian.ts";
import type { Recipe } from "./recipe.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The browser that is installed, else Debian's, where that can be installed. The folder holds a link to it. */
export const chromiumRecipe: Recipe = {
  name: "chromium",
  needs: [],
  ingredients: NAMES,
  works: (folder) => existsSync(join(folder, "chromium")), // of a link: whether there is anything at its end
  make(folder) {
    const browser = () => NAMES.map(installed).find((path) => path !== undefined);
    const found = browser() ?? (debianPackages("chromium", "fonts-dejavu-core") ? browser() : undefined);
    if (found === undefined) return `not installed: ${NAMES.join(" or ")} (and apt-get cannot install it here)`;
    symlinkSync(found, join(folder, "chromium"));
    return undefined;
  },
};
