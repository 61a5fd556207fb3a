import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createStore, openStore } from "../../src/state/sqlite.ts";
import { openForWork } from "../../src/state/sqlite-file.ts";
import type { Store } from "../../src/state/store.ts";
import "../support/property-seed.ts";
import { delivered, done, key, part, queue, START, textOf } from "../support/store-samples.ts";

let folder: string;
let path: string;
let stores: Store[];
let events: { event: string; details: { kept?: { rows: Record<string, number> } } }[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-faults-"));
  path = join(folder, "wfotel.db");
  stores = [];
  events = [];
});
afterEach(async () => {
  for (const store of stores) await store.close().catch(() => {});
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

async function open(options: Parameters<typeof openStore>[1] = {}): Promise<Store> {
  const store = await openStore(path, { now: () => START, log: (event, details) => events.push({ event, details }), ...options });
  stores.push(store);
  return store;
}

/** Delivered, queued and watched runs, several pages of each, closed in order. */
async function fill(runs: number): Promise<void> {
  const store = await open();
  await store.syncDestinations(["a"], 1);
  const state = { epoch: START - 5, watermark: START, learnedRetentionMs: 7 };
  await store.commit({
    source: "eu",
    state,
    runs: Array.from({ length: runs }, (_, n) => done(`sent-${n}`, ["a"])),
    counts: { collected: runs },
  });
  await store.settle(
    "a",
    (await queue(store, "a")).map((row) => delivered(row.id)),
    START,
  );
  await store.commit({ source: "eu", runs: Array.from({ length: runs }, (_, n) => done(`queued-${n}`, ["a"])) });
  const watch = { reason: "open", dueAt: START, polls: 0 } as const;
  await store.commit({ source: "eu", runs: Array.from({ length: runs }, (_, n) => ({ key: key(`open-${n}`), phase: "open", watch })) });
  await store.close();
  stores.pop();
}

/**
 * After damage: what a run is now. The promise: it is never taken for delivered when it was not, and never left
 * alone when it was not delivered; unknown is fine where the whole log is listed again.
 */
async function expectNothingLost(store: Store, runs: number): Promise<void> {
  const listedAgain = (await store.readSource("eu"))?.watermark === undefined;
  const queued = new Map((await store.queued("a", "protobuf", 0, 1e9)).map((row) => [row.key.id, row]));
  const due = new Set((await store.dueRuns("eu", START + 1, 1e6)).map((run) => run.key.id));
  for (let n = 0; n < runs; n += 1) {
    const [sent, waits, watched] = await store.outcomes("eu", [key(`sent-${n}`), key(`queued-${n}`), key(`open-${n}`)]);
    const outcome = sent?.destinations.a;
    expect(outcome === "delivered" || due.has(`sent-${n}`) || (sent === undefined && listedAgain), `sent-${n} ${outcome}`).toBe(true);
    expect(waits?.destinations.a).not.toBe("delivered");
    const row = queued.get(`queued-${n}`);
    if (row !== undefined) expect(row.chunks.map((chunk) => textOf(chunk.bytes))).toEqual([`spans of queued-${n}`]);
    expect(row !== undefined || due.has(`queued-${n}`) || (waits === undefined && listedAgain), `queued-${n}`).toBe(true);
    expect(due.has(`open-${n}`) || (watched === undefined && listedAgain), `open-${n}`).toBe(true);
  }
}

test("files are private, and a directory that is made is too", async () => {
  path = join(folder, "new", "state.db");
  const store = await open();
  await store.commit({ source: "eu", runs: [] });
  expect(statSync(join(folder, "new")).mode & 0o777).toBe(0o700);
  const modes = readdirSync(join(folder, "new")).map((name) => [name, statSync(join(folder, "new", name)).mode & 0o777]);
  expect(modes).toEqual([
    ["state.db", 0o600],
    ["state.db-shm", 0o600],
    ["state.db-wal", 0o600],
  ]);
});

test("files that others could read are closed to them", async () => {
  await fill(1);
  chmodSync(path, 0o644);
  await open();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a reader sees what the worker commits meanwhile, and cannot write", async () => {
  const worker = await open();
  const reader = await open({ readOnly: true });
  await worker.commit({ source: "eu", state: { epoch: 7 }, runs: [] });
  expect(await reader.readSource("eu")).toEqual({ epoch: 7 });
  await expect(reader.commit({ source: "eu", state: { epoch: 8 }, runs: [] })).rejects.toMatchObject({ kind: "readonly" });
});

test("a guest leaves a job beside the worker", async () => {
  const worker = await open();
  const guest = await open({ guest: true });
  const id = await guest.addJob("verify", { from: 1 }, START);
  expect((await worker.jobs(START)).map((job) => job.id)).toEqual([id]);
});

test("readers and guests say that there is no state yet, and make none", async () => {
  await expect(open({ readOnly: true })).rejects.toMatchObject({ kind: "missing" });
  await expect(open({ guest: true })).rejects.toMatchObject({ kind: "missing" });
  expect(readdirSync(folder)).toEqual([]);
});

test("a file of a newer version is refused by name and left where it is", async () => {
  await fill(1);
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  await expect(open()).rejects.toThrow(/newer version \(schema 99/);
  await expect(open({ readOnly: true })).rejects.toThrow(/newer version/);
  expect(existsSync(`${path}.corrupt-1`)).toBe(false);
});

test.each([
  ["text", () => writeFileSync(path, "not a database at all\n".repeat(500))],
  ["another program's database", () => new DatabaseSync(path).exec("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")],
])("a foreign file (%s) is moved aside, whole, and named", async (_, write) => {
  write();
  const before = readFileSync(path);
  const store = await open();
  expect(await store.readSource("eu")).toBeUndefined();
  await store.commit({ source: "eu", state: { epoch: 1 }, runs: [] });
  expect(readFileSync(`${path}.corrupt-1`)).toEqual(before);
  expect(events).toMatchObject([{ event: "state.moved_aside", details: { path, aside: `${path}.corrupt-1` } }]);
});

test("an empty file is a new state", async () => {
  writeFileSync(path, "");
  await (await open()).commit({ source: "eu", state: { epoch: 1 }, runs: [] });
  expect(events).toEqual([]);
});

test.each([1, 511, 4_096, 20_000, 60_000, 120_000])(
  "truncated to %i bytes: what can be read is kept, the rest is listed again",
  async (size) => {
    await fill(300);
    truncateSync(path, size);
    const store = await open();
    expect(existsSync(`${path}.corrupt-1`)).toBe(true);
    await store.syncDestinations(["a"], 1);
    await expectNothingLost(store, 300);
  },
);

test("most of a half truncated file is salvaged: the epoch, counters, identities and outcomes", async () => {
  await fill(600);
  truncateSync(path, Math.floor(statSync(path).size / 2));
  const store = await open();
  expect(await store.readSource("eu")).toEqual({ epoch: START - 5, learnedRetentionMs: 7 });
  expect((await store.status(0)).sources[0]?.counts).toEqual({ collected: 600 });
  expect(events[0]?.details.kept?.rows.runs).toBeGreaterThan(100);
});

test("what runs are linked by is salvaged on both sides of a damaged page", async () => {
  const words = Array.from({ length: 600 }, (_, n) => `word-${String(n).padStart(4, "0")}`);
  const marks = words.map((word, n) => ({ word, key: key(`sent-${n}`), traceId: "1".repeat(32), spanId: "2".repeat(16) }));
  const before = await open();
  await before.commit({ source: "eu", state: { epoch: START - 5 }, runs: [done("sent-0", [], { marks })] });
  await before.close();
  stores.pop();
  const bytes = readFileSync(path);
  const page = Math.floor(bytes.indexOf("word-0300") / 4_096);
  writeFileSync(path, bytes.fill(0xff, page * 4_096, (page + 1) * 4_096));
  const store = await open();
  const kept = new Set((await store.findMarks("eu", words)).map(({ word }) => word));
  expect([...kept]).not.toContain("word-0300");
  expect([...kept]).toEqual(expect.arrayContaining(["word-0000", "word-0100", "word-0500", "word-0599"]));
  expect(kept.size).toBeGreaterThan(500);
});

test("a placement or a mark damaged in place is as one that was never made: no span is put into, or linked to, a trace that is none", async () => {
  const [placed, linked] = ["a1".repeat(16), "b2".repeat(16)];
  const marks = [{ word: "order", key: key("sent"), traceId: linked, spanId: "2".repeat(16) }];
  const before = await open();
  await before.commit({ source: "eu", state: { epoch: START }, runs: [done("sent", [], { marks, placement: `{"traceId":"${placed}"}` })] });
  expect((await before.findRuns("eu", [key("sent")]))[0]?.placement).toContain(placed);
  expect(await before.findMarks("eu", ["order"])).toHaveLength(1);
  await before.close();
  stores.pop();
  const bytes = readFileSync(path);
  for (const id of [placed, linked]) bytes.write("c", bytes.indexOf(id) + 1);
  writeFileSync(path, bytes);
  const store = await open();
  const [record] = await store.findRuns("eu", [key("sent")]);
  expect(record).toMatchObject({ phase: "done" });
  expect(record).not.toHaveProperty("placement");
  expect(await store.findMarks("eu", ["order"])).toEqual([]);
  await store.commit({ source: "eu", runs: [done("sent", [], { placement: `{"traceId":"${placed}"}` })] });
  expect((await store.findRuns("eu", [key("sent")]))[0]?.placement).toContain(placed);
});

/** Of a run that was delivered or queued: it still is, or it is asked for again; or nobody knows of it, and the sweep finds it. */
async function expectNoneForgotten(store: Store, runs: number): Promise<void> {
  const texts = new Set((await queue(store, "a")).flatMap((row) => row.chunks.map((chunk) => textOf(chunk.bytes))));
  const due = new Set((await store.dueRuns("eu", START + 1, 1e6)).map((run) => run.key.id));
  for (let n = 0; n < runs; n += 1) {
    const [sent, waits] = await store.outcomes("eu", [key(`sent-${n}`), key(`queued-${n}`)]);
    expect(sent === undefined || due.has(`sent-${n}`) || /delivered|queued/.test(sent.destinations.a ?? ""), `sent-${n}`).toBe(true);
    expect(waits === undefined || due.has(`queued-${n}`) || texts.has(`spans of queued-${n}`), `queued-${n}`).toBe(true);
  }
}

test("random bytes flipped anywhere: it opens, works on, gives no damaged payload and loses no run", async () => {
  await fill(60);
  const intact = readFileSync(path);
  const flips = fc.array(fc.tuple(fc.nat(intact.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(flips, async (bytes) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      const damaged = Buffer.from(intact);
      for (const [offset, mask] of bytes) damaged[offset] = (damaged[offset] ?? 0) ^ mask;
      writeFileSync(path, damaged);
      const store = await open().catch((error: Error) => {
        // its version number was hit: nothing tells that from a file of a newer version
        expect(error.message).toContain("newer version");
        return undefined;
      });
      if (store === undefined) return;
      await store.syncDestinations(["a"], 1);
      await expectNoneForgotten(store, 60);
      const rows = await queue(store, "a");
      for (const row of rows) expect(row.chunks.map((chunk) => textOf(chunk.bytes)).join()).toMatch(/^spans of queued-\d+$/);
      await store.commit({ source: "eu", state: { epoch: 1, watermark: 2 }, runs: [done("new", ["a"])] });
      await store.settle(
        "a",
        rows.map((row) => delivered(row.id)),
        START,
      );
      await store.status(0);
      await store.maintain({ now: START, forgetBefore: { eu: START } });
      await store.close();
    }),
    { numRuns: 80 },
  );
}, 120_000);

test("whole pages overwritten: nothing is taken for delivered that was not, and nothing is left alone", async () => {
  await fill(300);
  const intact = readFileSync(path);
  const damage = fc.array(fc.tuple(fc.nat(intact.length / 4_096 - 1), fc.constantFrom(0, 1, 0xff)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(damage, async (pages) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      const damaged = Buffer.from(intact);
      for (const [page, byte] of pages) damaged.fill(byte, page * 4_096, (page + 1) * 4_096);
      writeFileSync(path, damaged);
      const store = await open();
      await store.syncDestinations(["a"], 1);
      await expectNothingLost(store, 300);
      await store.close();
    }),
    { numRuns: 40 },
  );
}, 120_000);

const DAMAGES = [
  ["its bytes", "UPDATE chunks SET bytes = CAST('SPANS of queued-1' AS BLOB) WHERE bytes = CAST('spans of queued-1' AS BLOB)"],
  ["whose it is", "UPDATE payloads SET run = run + 1 WHERE run = (SELECT run FROM runs WHERE id = 'queued-1')"],
  ["the word for its encoding", "UPDATE payloads SET encoding = 'prntobuf' WHERE run = (SELECT run FROM runs WHERE id = 'queued-1')"],
] as const;
test.each(DAMAGES)("a payload damaged in place is not sent: its run is fetched again for that destination (%s)", async (_, damage) => {
  await fill(3);
  const db = new DatabaseSync(path);
  db.exec(damage);
  db.close();
  const store = await open();
  expect((await queue(store, "a")).map((row) => row.key.id)).toEqual(["queued-0", "queued-2"]);
  expect(events).toEqual([{ event: "state.payload_damaged", details: { destination: "a", runs: ["queued-1"] } }]);
  await expectNothingLost(store, 3);
  await store.commit({ source: "eu", runs: [done("queued-1", ["a"])] });
  expect((await queue(store, "a")).map((row) => row.key.id)).toEqual(["queued-0", "queued-2", "queued-1"]);
});

test("a damaged page whose rows go back to an earlier key is not read in a circle", async () => {
  await fill(40);
  const db = new DatabaseSync(path);
  const { rootpage } = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'").get() as { rootpage: number };
  db.close();
  const bytes = readFileSync(path);
  const page = bytes.subarray((rootpage - 1) * 4_096, rootpage * 4_096);
  expect([page[0], page.readUInt16BE(3)]).toEqual([0x0d, 40]); // a leaf with all of them
  page.copyWithin(8 + 2 * 30, 8, 8 + 2 * 10); // the cell pointers of the first ten stand where those of the last ten did
  writeFileSync(path, bytes);
  const store = await open();
  expect(events[0]).toMatchObject({ event: "state.moved_aside", details: { kept: { rows: { chunks: 29 } } } }); // the thirtieth is as doubtful as what follows it
  await expectNothingLost(store, 40);
});

test("damage that no check sees and no new index mends ends the work, and the next start rebuilds the file", async () => {
  await fill(3);
  const db = new DatabaseSync(path);
  db.exec("UPDATE deliveries SET queued_at = 9007199254740993 WHERE run = (SELECT run FROM runs WHERE id = 'queued-1')");
  db.close();
  const store = await open();
  await expect(store.queued("a", "protobuf", 0, 1e9)).rejects.toMatchObject({ kind: "corrupt" });
  await store.close();
  stores.pop();
  const again = await open();
  expect(events.at(-1)).toMatchObject({ event: "state.moved_aside", details: { kept: { lost: ["deliveries"] } } });
  expect((await queue(again, "a")).map((row) => row.key.id)).toEqual(["queued-0", "queued-2"]);
  await expectNothingLost(again, 3);
  await again.close();
  stores.pop();
  events = [];
  await open();
  expect(events).toEqual([]);
});

test("a destination whose name is damaged does not take its queue along: everything is fetched again for the one that is configured", async () => {
  await fill(3);
  const db = new DatabaseSync(path);
  db.exec("UPDATE destinations SET name = 'c'");
  db.close();
  const store = await open();
  expect(events[0]).toMatchObject({ event: "state.moved_aside", details: { kept: { lost: ["destinations"] } } });
  await store.syncDestinations(["a"], START);
  const due = (await store.dueRuns("eu", START, 10)).map(({ key: { id } }) => id);
  expect(due).toEqual(expect.arrayContaining(["sent-0", "sent-1", "sent-2", "queued-0", "queued-1", "queued-2"]));
});

test.each([
  "UPDATE deliveries SET run = (SELECT run FROM runs WHERE id = 'queued-2') WHERE run = (SELECT run FROM runs WHERE id = 'queued-1')",
  "UPDATE deliveries SET destination = destination + 64 WHERE run = (SELECT run FROM runs WHERE id = 'queued-1')",
  "DELETE FROM outcomes WHERE run = (SELECT run FROM runs WHERE id = 'sent-1')",
])("a collected run that is neither queued nor settled is fetched again after the next start: %s", async (damage) => {
  await fill(3);
  const db = new DatabaseSync(path);
  db.exec(damage);
  db.close();
  const store = await open();
  expect(events).toEqual([{ event: "state.unaccounted", details: { runs: 1 } }]);
  const [due] = (await store.dueRuns("eu", START, 10)).filter(({ watch }) => watch.reason === "refetch");
  expect(due?.key.id).toBe(damage.includes("sent-1") ? "sent-1" : "queued-1");
});

test("a destination that was added later gets nothing of before by it", async () => {
  await fill(3);
  const before = await open();
  await before.syncDestinations(["a", "later"], START + 60_000);
  await before.close();
  await open();
  expect(events).toEqual([]);
});

test("an index that does not match its table is made anew when that shows", async () => {
  await fill(2);
  const raw = () => new DatabaseSync(path, { defensive: false });
  let db = raw();
  db.exec("CREATE TABLE hidden AS SELECT * FROM sqlite_schema WHERE name = 'runs_by_id'; PRAGMA writable_schema = ON");
  db.exec("DELETE FROM sqlite_schema WHERE name = 'runs_by_id'");
  db.close();
  db = raw();
  db.exec("UPDATE outcomes SET run = run + 1000 WHERE run = (SELECT run FROM runs WHERE id = 'sent-1')");
  db.exec("UPDATE runs SET run = run + 1000 WHERE id = 'sent-1'; PRAGMA writable_schema = ON");
  db.exec("INSERT INTO sqlite_schema SELECT * FROM hidden; PRAGMA writable_schema = OFF");
  db.close();
  db = raw();
  db.exec("DROP TABLE hidden");
  db.close();
  const store = await open();
  await store.maintain({ now: START, forgetBefore: { eu: START + 1_000 } });
  expect(events.map(({ event }) => event)).toEqual(["state.reindexed"]);
  expect(await store.findRuns("eu", [key("sent-1"), key("queued-0")])).toMatchObject([undefined, { phase: "done" }]);
});

test("a deleted -wal takes the last transactions with it, each as a whole", async () => {
  await fill(2);
  const worker = await open();
  await worker.commit({ source: "eu", state: { epoch: 1, watermark: 999 }, runs: [done("r", ["a"])] });
  // as a kill -9 leaves it, without its -wal
  const copy = join(folder, "copy.db");
  copyFileSync(path, copy);
  path = copy;
  const store = await open();
  expect((await store.readSource("eu"))?.watermark).toBe(START);
  expect(await store.findRuns("eu", [key("r")])).toEqual([undefined]);
  await expectNothingLost(store, 2);
  expect(events).toEqual([]);
});

test("a rebuild that was interrupted between its renames is finished at the next start", async () => {
  await fill(2);
  const whole = readFileSync(path);
  copyFileSync(path, `${path}.rebuilt`);
  writeFileSync(path, "damaged");
  const store = await open();
  expect(readFileSync(`${path}.corrupt-1`, "utf8")).toBe("damaged");
  expect(whole.length).toBe(statSync(path).size);
  await expectNothingLost(store, 2);
});

test("a full disk refuses a page whole, and what is settled makes room again", async () => {
  const db = openForWork(
    path,
    false,
    () => START,
    () => {},
  );
  const store = createStore(
    db,
    () => START,
    () => {},
  );
  stores.push(store);
  await store.syncDestinations(["a"], 1);
  db.script("PRAGMA max_page_count = 200");
  let page = 0;
  const big = "x".repeat(20_000);
  const next = () =>
    store.commit({ source: "eu", state: { epoch: 1, watermark: page + 1 }, runs: [done(`r${page}`, ["a"]), done(big + page, ["a"])] });
  for (; page < 1_000; page += 1) {
    const error = await next().then(
      () => undefined,
      (reason: Error) => reason,
    );
    if (error === undefined) continue;
    expect(error).toMatchObject({ kind: "full" });
    break;
  }
  expect((await store.readSource("eu"))?.watermark).toBe(page);
  expect(await store.findRuns("eu", [key(`r${page}`)])).toEqual([undefined]);
  expect(await queue(store, "a")).toHaveLength(2 * page);
  await store.settle(
    "a",
    (await queue(store, "a")).map((row) => delivered(row.id)),
    START,
  );
  await store.maintain({ now: START, forgetBefore: { eu: START + 1_000 } });
  await next();
  expect((await store.readSource("eu"))?.watermark).toBe(page + 1);
});

test("a directory that may not be written is a clear error", async () => {
  const readOnly = join(folder, "ro");
  mkdirSync(readOnly, { mode: 0o555 });
  const module = new URL("../../src/state/sqlite.ts", import.meta.url).href;
  chmodSync(folder, 0o755);
  const program = `process.setuid?.(process.getuid() === 0 ? 65534 : process.getuid());
    await (await import(${JSON.stringify(module)})).openStore(${JSON.stringify(join(readOnly, "x.db"))}).then(
      () => console.log("opened"), (error) => console.log(error.kind, error.message));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  expect(String(line)).toBe(`readonly ${join(readOnly, "x.db")} cannot be written (EACCES)\n`);
});

test("another process that keeps the file locked is an error that passes by itself", async () => {
  const store = await open();
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  await expect(store.commit({ source: "eu", state: { epoch: 1 }, runs: [] })).rejects.toMatchObject({ kind: "busy" });
  other.exec("ROLLBACK");
  other.close();
  await store.commit({ source: "eu", state: { epoch: 1 }, runs: [] });
});

test("killed -9 in the middle of commits, again and again: watermark and rows agree", async () => {
  const program = new URL("./commit-until-killed.ts", import.meta.url).pathname;
  let last = 0;
  for (let round = 0; round < 8; round += 1) {
    const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await delay(5 + 17 * round);
    child.kill("SIGKILL");
    await once(child, "exit");
    const store = await open();
    expect(events).toEqual([]);
    const watermark = (await store.readSource("eu"))?.watermark ?? 0;
    expect(watermark).toBeGreaterThanOrEqual(last);
    last = watermark;
    const [source] = (await store.status(0)).sources;
    expect(source?.counts.collected ?? 0).toBe(3 * watermark);
    const ids = Array.from({ length: watermark + 2 }, (_, page) => [0, 1, 2].map((run) => key(`${page}-${run}`))).flat();
    const known = (await store.outcomes("eu", ids)).map((one) => one?.destinations.a);
    expect(known.slice(3 * watermark)).toEqual(Array.from({ length: 6 }, () => undefined));
    expect(known.slice(0, 3 * watermark).filter((outcome) => outcome !== "queued" && outcome !== "delivered")).toEqual([]);
    const queued = known.filter((outcome) => outcome === "queued").length;
    expect(await store.queued("a", "protobuf", 0, 1e9)).toHaveLength(queued);
    expect((await store.size()).payloadBytes).toBe(
      (await store.queued("a", "protobuf", 0, 1e9)).reduce((total, row) => total + row.bytes, 0),
    );
    await store.close();
  }
  expect(last).toBeGreaterThan(0);
}, 60_000);

test("an identity takes 150 bytes at most: run, outcome and indexes, over 10,000 runs", async () => {
  const store = await open();
  await store.syncDestinations(["jaeger"], 1);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const random = fc.sample(fc.array(fc.constantFrom(...alphabet), { minLength: 21, maxLength: 21 }), { numRuns: 10_000, seed: 7 });
  await store.commit({ source: "eu", state: { epoch: 1 }, runs: [] });
  const before = (await store.size()).liveBytes;
  for (let n = 0; n < random.length; n += 100) {
    const runs = random
      .slice(n, n + 100)
      .map((letters, at) => done("", ["jaeger"], { key: key(`wfr_${letters.join("")}`, START + (n + at) * 60) }));
    await store.commit({ source: "eu", runs });
    await store.settle(
      "jaeger",
      (await queue(store, "jaeger")).map((row) => delivered(row.id)),
      START,
    );
  }
  expect(((await store.size()).liveBytes - before) / random.length).toBeLessThan(150);
});

test.each([1, 2])(
  "a queued failure function (part %i) whose delivery is lost with the table is fetched again, though its run was delivered",
  async (last) => {
    const store = await open();
    await store.syncDestinations(["a"], 1);
    const parts = Array.from({ length: last + 1 }, (_, n) =>
      part(`part ${n} of failed`, ["a"], { part: n, ...(n > 0 && { message: `m${n}` }) }),
    );
    const failed = done("failed", ["a"], { parts });
    await store.commit({ source: "eu", state: { epoch: START - 5 }, runs: [failed, done("fine", ["a"])] });
    const sent = (await queue(store, "a")).filter((row) => row.part !== last);
    await store.settle(
      "a",
      sent.map((row) => delivered(row.id)),
      START,
    );
    await store.close();
    const db = new DatabaseSync(path);
    const root = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'deliveries'").get()?.rootpage);
    const pageSize = Number(db.prepare("PRAGMA page_size").get()?.page_size);
    db.close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, (root - 1) * pageSize, root * pageSize));
    const salvaged = await open();
    expect((await salvaged.outcomes("eu", [key("failed"), key("fine")])).map((run) => run?.destinations)).toEqual([
      { a: "refetch" },
      { a: "delivered" },
    ]);
    expect((await salvaged.findRuns("eu", [key("failed")]))[0]?.failures).toEqual(["m1", "m2"].slice(0, last));
  },
);
