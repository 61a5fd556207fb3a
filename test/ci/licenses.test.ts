import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { afterEach, beforeEach, expect, test } from "vitest";
import { thirdPartyLicenses } from "../../.ci/licenses.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wfotel-licenses-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function install(folder: string, license: string | undefined, text?: string): string {
  mkdirSync(join(root, folder), { recursive: true });
  const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
  writeFileSync(join(root, folder, "package.json"), JSON.stringify({ name, version: "1.2.3", license }));
  if (text !== undefined) writeFileSync(join(root, folder, "LICENSE.md"), `${text}\n`);
  return `${folder}/lib/index.js`;
}

function metafile(bytes: Readonly<Record<string, number>>): Metafile {
  const inputs = Object.fromEntries(Object.entries(bytes).map(([path, bytesInOutput]) => [path, { bytesInOutput }]));
  return { inputs: {}, outputs: { "dist/x.mjs": { bytes: 0, inputs, imports: [], exports: [] } } };
}

test("names every bundled package once, scoped and nested ones too, and a shared text once", () => {
  const plain = install("node_modules/plain", "MIT", "the text");
  const nested = install("node_modules/plain/node_modules/@scope/nested", "ISC", "the text");
  const document = thirdPartyLicenses(root, [
    metafile({ [plain]: 1, "node_modules/plain/other.js": 2 }),
    metafile({ [nested]: 3, "src/a.ts": 4 }),
  ]);
  expect(document.split("plain 1.2.3 (MIT)")).toHaveLength(2);
  expect(document).toContain("@scope/nested 1.2.3 (ISC)");
  expect(document.split("the text")).toHaveLength(2);
});

test("leaves out a package of which no byte is in the bundle", () => {
  const unused = install("node_modules/unused", "GPL-3.0", "the text");
  expect(thirdPartyLicenses(root, [metafile({ [unused]: 0 })])).not.toContain("unused");
});

test.each(["GPL-3.0-only", "(MIT OR WTFPL)", undefined])("stops the build at the licence %s", (license) => {
  const file = install("node_modules/other", license, "the text");
  expect(() => thirdPartyLicenses(root, [metafile({ [file]: 1 })])).toThrow("other 1.2.3: licence");
});

test("stops the build where a package has no licence text to ship", () => {
  const file = install("node_modules/silent", "MIT");
  expect(() => thirdPartyLicenses(root, [metafile({ [file]: 1 })])).toThrow("silent 1.2.3: no licence text");
});
