import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

/** Licences that ask for nothing but that their text goes along. Anything else is a person's decision: the build stops. */
const ALLOWED = new Set(["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"]);

/** The licences of every package that is really in the bundles (esbuild says which), each text once, as one document. */
export function thirdPartyLicenses(root: string, metafiles: readonly Metafile[]): string {
  const folders = new Set(metafiles.flatMap(bundledFiles).flatMap(packageFolder));
  const packagesByText = new Map<string, string[]>();
  for (const folder of [...folders].sort()) {
    const { title, text } = readPackage(join(root, folder));
    packagesByText.set(text, [...(packagesByText.get(text) ?? []), title]);
  }
  const sections = [...packagesByText].map(([text, titles]) => `${titles.join("\n")}\n\n${text}\n`);
  return ["Parts of these packages are bundled in this one.\n", ...sections].join(`\n${"-".repeat(80)}\n\n`);
}

/** Input files of which at least one byte is in an output. */
function bundledFiles(metafile: Metafile): readonly string[] {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  return inputs.filter(([, input]) => input.bytesInOutput > 0).map(([path]) => path);
}

/** `node_modules/a/node_modules/@b/c/x.js` → `node_modules/a/node_modules/@b/c`; none for a file of our own. */
function packageFolder(path: string): readonly string[] {
  const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path);
  return match === null ? [] : [match[0]];
}

function readPackage(folder: string): { title: string; text: string } {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (!ALLOWED.has(license))
    throw new Error(`${name} ${version}: licence ${JSON.stringify(license)} is not on the list in .ci/licenses.ts`);
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file));
  if (files.length === 0) throw new Error(`${name} ${version}: no licence text to ship`);
  const text = files.map((file) => readFileSync(join(folder, file), "utf8").trim()).join("\n\n");
  return { title: `${name} ${version} (${license})`, text };
}
