import { expect, test } from "vitest";
import { growth, interleaved, median, quantile } from "./figures.ts";

test("the median of an even number of values is the mean of the two in the middle", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("a quantile is a value that was measured, and p99 of a hundred is the second largest", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile(hundred, 0.5)).toBe(50);
  expect(quantile([7], 0.99)).toBe(7);
  expect(quantile([3, 4], 0)).toBe(3);
  expect(quantile([], 0.5)).toBeNaN();
});

test("growth compares the last third with the first and does not see one outlier", () => {
  expect(growth([10, 10, 10, 10, 90, 10, 10, 10, 10])).toBe(1);
  expect(growth([10, 10, 10, 15, 15, 15, 20, 20, 20])).toBe(2);
});

test("ways are tried in turn, and the rounds that warm up do not count", async () => {
  const order: string[] = [];
  let now = 0;
  const takes = (name: string, ms: readonly number[]) => () => {
    now += ms[order.filter((one) => one === name).length] ?? 0;
    order.push(name);
  };
  const ways = { a: takes("a", [100, 100, 1, 9, 2]), b: takes("b", [100, 100, 5, 5, 5]) };
  expect(await interleaved(ways, { rounds: 3, warmUp: 2 }, () => now)).toEqual({ a: 2_000, b: 5_000 });
  expect(order.join("")).toBe("ababababab");
});
