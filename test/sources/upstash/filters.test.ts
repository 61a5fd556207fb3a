import { expect, test } from "vitest";
import { matchesFilters } from "../../../src/sources/upstash/config.ts";

const NONE = { workflow_urls: [], labels: [], flow_control_keys: [] };
const RUN = { url: "https://app.example.com/a", labels: ["x", "y"], flowControlKey: "k" };

test("without filters every run matches", () => {
  expect(matchesFilters(RUN, NONE)).toBe(true);
  expect(matchesFilters({ url: "", labels: [] }, NONE)).toBe(true);
});

test("one entry of every list that is not empty must match", () => {
  expect(matchesFilters(RUN, { ...NONE, workflow_urls: ["https://app.example.com/b", RUN.url] })).toBe(true);
  expect(matchesFilters(RUN, { ...NONE, workflow_urls: ["https://app.example.com/"] })).toBe(false);
  expect(matchesFilters(RUN, { ...NONE, labels: ["z", "y"] })).toBe(true);
  expect(matchesFilters(RUN, { ...NONE, labels: ["z"] })).toBe(false);
  expect(matchesFilters(RUN, { ...NONE, flow_control_keys: ["k"] })).toBe(true);
  expect(matchesFilters(RUN, { ...NONE, flow_control_keys: ["l"] })).toBe(false);
  expect(matchesFilters({ url: RUN.url, labels: [] }, { ...NONE, flow_control_keys: ["k"] })).toBe(false);
  expect(matchesFilters(RUN, { workflow_urls: [RUN.url], labels: ["x"], flow_control_keys: ["other"] })).toBe(false);
});
