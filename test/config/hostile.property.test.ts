import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "wfotel-hostile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every option there is, with secrets written out as well as referred to. */
const whole = readFileSync(join(import.meta.dirname, "../fixtures/config/interface.ok.yaml"), "utf8")
  .replace("extends: bases/empty.yaml\n", "")
  .replace("${env:QSTASH_TOKEN}", "canary-token")
  .replace("headers: {", 'headers: { authorization: "Bearer canary-header", ');
const env = { HONEYCOMB_API_KEY: "canary-env", QSTASH_TOKEN: "canary-env" };

function errorsOf(text: string): readonly string[] {
  const file = join(folder, "c.yaml");
  writeFileSync(file, text);
  const result = loadConfig({ file, env, cwd: folder });
  return result.ok ? result.warnings : result.errors;
}

function check(text: string) {
  for (const line of errorsOf(text)) {
    expect(line).not.toContain("canary");
    expect(line).toMatch(/^c\.yaml:\d+:\d+[: ]/);
  }
}

test("the whole file is valid to begin with", () => {
  expect(errorsOf(whole)).toEqual([]);
});

test("lines lost, doubled, moved or indented anew: never a throw, never a secret, always a place", () => {
  const lines = whole.split("\n");
  const edit = fc.record({
    at: fc.nat(lines.length - 1),
    how: fc.constantFrom("drop", "double", "in", "out", "swap"),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
      const edited = [...lines];
      for (const { at, how } of edits) {
        const line = edited[at] ?? "";
        const other = edited[at + 1] ?? "";
        if (how === "drop") edited.splice(at, 1);
        else if (how === "double") edited.splice(at, 0, line);
        else if (how === "in") edited[at] = `  ${line}`;
        else if (how === "out") edited[at] = line.replace(/^ {2}/, "");
        else edited.splice(at, 2, other, line);
      }
      check(edited.join("\n"));
    }),
    { numRuns: 300 },
  );
});

test("characters lost or put in between: never a throw, never a secret, always a place", () => {
  const edit = fc.record({
    at: fc.nat(whole.length - 1),
    drop: fc.nat(3),
    put: fc.constantFrom("", "{", "}", "[", "]", ":", ": ", "'", '"', "\n", "\t", "*", "&a ", "!", "#", "- ", "${", "|", "\u0000"),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const text = edits.reduce((edited, { at, drop, put }) => edited.slice(0, at) + put + edited.slice(at + drop), whole);
      check(text);
    }),
    { numRuns: 300 },
  );
});

test("any text at all never throws", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void errorsOf(text)),
    { numRuns: 300 },
  );
});
