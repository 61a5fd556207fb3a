import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expand, hasFileReference, hasReference, isOneReference } from "../../src/config/references.ts";

const env = { A: "one", EMPTY: "", TEMPLATE: "${env:A}" };
const texts = (template: string) => {
  const result = expand(template, "/nowhere", env);
  return result.ok ? result.text : result.problems;
};

describe("expand", () => {
  test.each([
    ["plain", "plain"],
    ["a ${env:A} b ${env:A}", "a one b one"],
    ["${env:NOT_SET:-default}", "default"],
    ["${env:EMPTY:-default}", "default"],
    ["${env:EMPTY}", ""],
    ["${env:NOT_SET:-}", ""],
    ["${env:A:-x:-y}", "one"],
    ["${env:NOT_SET:-x:-y}", "x:-y"],
    ["$${env:A}", "${env:A}"],
    ["$$${env:A}", "$${env:A}"],
    ["$ { $} $A", "$ { $} $A"],
    ["${env:TEMPLATE}", "${env:A}"],
  ])("%s is %s", (template, text) => {
    expect(texts(template)).toBe(text);
  });

  test("what each reference lacks is told, all at once, and no value", () => {
    expect(texts("${env:NOT_SET} ${file:none} ${A} ${env:A")).toEqual([
      "expected the environment variable NOT_SET, found it unset",
      "expected a readable file at none, found none (ENOENT)",
      "expected ${env:NAME}, ${env:NAME:-default} or ${file:PATH} (and $${ for a literal ${), found another reference",
      "expected a closing } after ${, found none",
    ]);
  });

  test("a device is not read", () => {
    expect(texts("${file:/dev/zero}")).toEqual(["expected a file of at most 1 MiB at /dev/zero, found something else"]);
  });

  test("text without ${ is itself, and an escaped text is the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("$", "{", "}", "a", ":", "-") }), (text) => {
        expect(texts(text.replaceAll("${", () => "$${"))).toBe(text);
      }),
    );
  });
});

test("an escaped reference is none", () => {
  expect([hasReference("$${env:A}"), hasReference("x${env:A}"), hasFileReference("$${file:a}"), hasFileReference("a${file:a}")]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

test("a whole reference is one reference and nothing else", () => {
  expect(["${env:A}", "${env:A:-5}", "x${env:A}", "${env:A}${env:A}", "$${env:A}"].map(isOneReference)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
