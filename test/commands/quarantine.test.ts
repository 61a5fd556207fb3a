import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommandError } from "../../src/commands/io.ts";
import { quarantine } from "../../src/commands/quarantine.ts";
import { openStore } from "../../src/state/sqlite.ts";
import type { Store } from "../../src/state/store.ts";
import { commandIo } from "../support/command-io.ts";
import { done, key, queue, refused } from "../support/store-samples.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  path = join(folder, "state", "wfotel.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]) {
  const { io, out, err } = commandIo({ cwd: folder, env: { WFOTEL_STATE: path } });
  const code = await quarantine(args, io).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    io.stderr.write(`${error.message}\n`); // as cli.ts does
    return error.exitCode;
  });
  return { code, out: out(), err: err() };
}

async function fill(work: (store: Store) => Promise<void> = async () => undefined): Promise<void> {
  const store = await openStore(path);
  await store.syncDestinations(["jaeger", "honeycomb"], 1);
  await work(store);
  await store.close();
}

/** Entry 1: a run that jaeger refused; entry 2: one that the source could not read. */
const twoEntries = async (store: Store) => {
  await store.commit({ source: "eu", runs: [done("wfr_1", ["jaeger"])] });
  await store.settle("jaeger", [refused((await queue(store, "jaeger"))[0]?.id ?? 0, "bytes")], Date.now());
  await store.commit({
    source: "eu",
    runs: [],
    unreadable: [{ key: key("wfr\u001b[31m_2"), reason: "unreadable", message: "steps: expected a list" }],
  });
};

test("without a state nothing is made, and that is exit code 4", async () => {
  for (const args of [["list"], ["show", "1"], ["retry", "--all"], ["drop", "1"]])
    expect(await run(...args)).toMatchObject({ code: 4, out: "" });
  expect(existsSync(join(folder, "state"))).toBe(false);
});

test("what matches nothing is exit code 4, but an empty list is none", async () => {
  await fill();
  expect(await run("list")).toEqual({ code: 0, out: "", err: "nothing is quarantined\n" });
  expect(await run("list", "--json")).toEqual({ code: 0, out: "[]\n", err: "" });
  for (const args of [
    ["show", "7"],
    ["retry", "7"],
    ["retry", "--all"],
    ["drop", "7", "8"],
    ["drop", "--all", "--run", "x"],
  ]) {
    expect(await run(...args), args.join(" ")).toMatchObject({ code: 4, out: "" });
  }
});

test("what cannot be meant is exit code 2", async () => {
  await fill(twoEntries);
  for (const args of [
    ["show"],
    ["show", "1", "2"],
    ["retry"],
    ["retry", "x"],
    ["drop"],
    ["drop", "0"],
    ["drop", "1", "--all"],
    ["burn"],
    ["constructor"],
    [],
  ]) {
    expect(await run(...args), args.join(" ")).toMatchObject({ code: 2, out: "" });
  }
});

test("the list is aligned, filtered, and prints no control character of a run's id", async () => {
  await fill(twoEntries);
  const { out } = await run("list");
  expect(out.replaceAll(/(?:\d+ ms|\d+\.\d+ s)\n/g, "AGE\n")).toBe(
    [
      "id  run         destination  reason      status  spans  age",
      "1   wfr_1       jaeger       refused     400     1      AGE",
      "2   wfr·[31m_2  (source eu)  unreadable  –       0      AGE",
      "",
    ].join("\n"),
  );
  expect((await run("list", "--run", "wfr_1", "--json")).out).toContain('"destination": "jaeger"');
});

test("a list of what does not match is exit code 4, and does not say that nothing is there", async () => {
  await fill(twoEntries);
  const err = expect.stringContaining("nothing in the quarantine matches");
  for (const filter of [["--run", "nope"], ["--destination", "honeycomb"], ["99"]]) {
    expect(await run("list", ...filter), filter.join(" ")).toEqual({ code: 4, out: "", err });
    expect(await run("list", ...filter, "--json"), filter.join(" ")).toEqual({ code: 4, out: "[]\n", err });
  }
});

test("an entry whose bytes are gone is shown without its spans, and cannot be written to a file", async () => {
  await fill(twoEntries);
  expect(await run("show", "2")).toMatchObject({ code: 0, out: expect.stringContaining("steps: expected a list") });
  expect((await run("show", "2")).out).toContain("retry fetches the run again");
  expect((await run("show", "2", "--out", join(folder, "x"))).code).toBe(4);
  expect(existsSync(join(folder, "x"))).toBe(false);
});

test("dropping some that are there and some that are not drops those, and is exit code 1", async () => {
  await fill(twoEntries);
  expect(await run("drop", "1", "99")).toMatchObject({ code: 1, out: "1 dropped\n", err: "not in the quarantine: 99\n" });
  expect(JSON.parse((await run("list", "--json")).out)).toMatchObject([
    { id: 2, destination: null, has_bytes: false, run_created_at: key("").createdAt },
  ]);
});
