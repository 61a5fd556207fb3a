import { expect, test } from "vitest";
import { isShowable, keysOf, shapesAt } from "../../src/config/shape.ts";

const at = (path: (string | number)[], type?: string | null) => shapesAt(path, (where) => (where.length === 2 ? type : undefined));

test("the type of a destination picks its keys; without one it is otlp-http, and where it cannot be known all of them are possible", () => {
  expect(keysOf(at(["destinations", 0], "console"))).not.toContain("endpoint");
  expect(keysOf(at(["destinations", 0], "file"))).toContain("path");
  expect(keysOf(at(["destinations", 0]))).toContain("endpoint");
  expect(keysOf(at(["destinations", 0]))).not.toContain("path");
  expect(keysOf(at(["destinations", 0], null))).toEqual(expect.arrayContaining(["endpoint", "path"]));
});

test("only scalars that are no secrets may be shown", () => {
  const paths = [
    ["environment"],
    ["sources", 0, "poll_interval"],
    ["sources", 0, "token"],
    ["destinations", 0, "headers"],
    ["destinations", 0, "headers", "a"],
    ["nothing"],
  ];
  expect(paths.map((path) => isShowable(at(path)))).toEqual([true, true, false, false, false, false]);
});

test("a path through the prototype leads nowhere", () => {
  expect(at(["constructor"])).toEqual([]);
  expect(at(["__proto__", "x"])).toEqual([]);
});
