import manifest from "../package.json" with { type: "json" };

/** The package's version: read from package.json when run from source, written into the bundle by the build. */
export const VERSION: string = manifest.version;
