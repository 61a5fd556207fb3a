import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Metafile } from "esbuild";
import { thirdPartyLicenses } from "./licenses.ts";

/**
 * `npm run build`: what npm and the container image ship.
 *
 *   dist/wfotel.mjs   the command; its parts are in dist/wfotel, and each command loads those that it runs: a container
 *                     asks for its health every few seconds, which is worth 10 kB and not the whole program
 *   dist/ids.mjs      trace and span ids for other people's programs, with dist/ids.d.ts
 *   dist/THIRD-PARTY-LICENSES.txt
 *
 * Not minified: it would save a few milliseconds of start and cost every stack trace in a bug report its names.
 */
const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");

/** Bundled CommonJS packages call `require` for Node's own modules; an ES module has none by itself. */
const REQUIRE = 'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);';

/** `src/…` as `dist/NAME.mjs`; what it imports only when it runs lies in the folder of that name. */
async function bundle(entry: string, name: string, banner: string): Promise<Metafile> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir: DIST,
    outExtension: { ".js": ".mjs" },
    chunkNames: `${name}/[name]-[hash]`,
    splitting: true,
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"], // only of ES modules can what nobody uses be left out
    target: "node24",
    charset: "ascii", // one character outside Latin-1, and V8 keeps all of a file at two bytes a character
    legalComments: "none", // the licences stand whole in THIRD-PARTY-LICENSES.txt
    banner: { js: banner },
    metafile: true,
    logLevel: "warning",
  });
  if (result.warnings.length > 0) throw new Error(`${name}: a warning of esbuild is an error here`);
  return result.metafile;
}

/** A declaration file that stands alone: it may not refer to files that are not shipped. */
function declarations(entry: string, name: string): void {
  const out = join(DIST, "declarations");
  const options = [
    "--declaration",
    "--emitDeclarationOnly",
    "--strict",
    "--allowImportingTsExtensions",
    "--rootDir",
    "src",
    "--outDir",
    out,
  ];
  const host = ["--module", "nodenext", "--target", "es2024", "--types", "node"];
  execFileSync("node_modules/.bin/tsc", ["--ignoreConfig", ...options, ...host, entry], { cwd: ROOT, stdio: "inherit" });
  const text = readFileSync(join(out, entry.replace(/^src\//, "").replace(/\.ts$/, ".d.ts")), "utf8");
  if (/(?:from |import\()["']/.test(text)) throw new Error(`${entry}: its declarations import other files, which are not shipped`);
  writeFileSync(join(DIST, name), text);
  rmSync(out, { recursive: true });
}

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST);
const metafiles = [await bundle("src/cli.ts", "wfotel", REQUIRE), await bundle("src/trace/ids.ts", "ids", "")];
chmodSync(join(DIST, "wfotel.mjs"), 0o755);
declarations("src/trace/ids.ts", "ids.d.ts");
writeFileSync(join(DIST, "THIRD-PARTY-LICENSES.txt"), thirdPartyLicenses(ROOT, metafiles));
