import { expect, test } from "vitest";
import { atLeast, atMost, figure, isMet, table } from "./report.ts";

test("a bar is met at its limit, and by no figure that could not be taken", () => {
  expect(isMet({ value: 0.15, bar: atMost(0.15) })).toBe(true);
  expect(isMet({ value: 0.151, bar: atMost(0.15) })).toBe(false);
  expect(isMet({ value: 8, bar: atLeast(8) })).toBe(true);
  expect(isMet({ value: 7.9, bar: atLeast(8) })).toBe(false);
  expect(isMet({ value: Number.NaN, bar: atMost(1) })).toBe(false);
  expect(isMet({ value: Number.NaN, bar: atLeast(1) })).toBe(false);
  expect(isMet({ value: 1 })).toBeUndefined();
});

test("figures keep three digits that mean something", () => {
  expect([0.1234, 1.234, 12.34, 123.4, 12_345.6, 3, Number.NaN].map(figure)).toEqual(["0.123", "1.23", "12.3", "123", "12,346", "3", "–"]);
});

test("the table says of each bar whether it is met", () => {
  const text = table([
    { part: "start", what: "to first poll", value: 300, unit: "ms", bar: atMost(350) },
    { part: "idle", what: "memory", value: 81, unit: "MiB", bar: atMost(80), note: "busy" },
    { part: "idle", what: "threads", value: 11, unit: "" },
  ]);
  expect(text.split("\n")).toEqual([
    "| part  | what          | figure | bar      | met | note |",
    "| ----- | ------------- | ------ | -------- | --- | ---- |",
    "| start | to first poll | 300 ms | ≤ 350 ms | yes |      |",
    "| idle  | memory        | 81 MiB | ≤ 80 MiB | NO  | busy |",
    "| idle  | threads       | 11     |          |     |      |",
  ]);
});
