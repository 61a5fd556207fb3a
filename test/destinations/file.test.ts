import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { createDestination } from "../../src/destinations/create.ts";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { destination, never, oneSpan } from "./destinations.ts";

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  path = join(folder, "traces.jsonl");
});

const file = (at = path) => destination({ type: "file", path: at });
const send = (at?: string) => file(at).send(oneSpan("json"), never);
const lines = () => readFileSync(path, "utf8").split("\n");
const LINE = Buffer.from(oneSpan("json")).toString();

it("appends one whole request a line, to a file that only its owner can read", async () => {
  expect([await send(), await send()]).toEqual([{ kind: "delivered" }, { kind: "delivered" }]);
  expect(lines()).toEqual([LINE, LINE, ""]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readSpans(Buffer.from(lines()[0] ?? ""), "json").violations).toEqual([]);
});

it.each([1, 10, 100, LINE.length])("cuts off its own line that a crash tore after %i bytes", async (bytes) => {
  await send();
  appendFileSync(path, LINE.slice(0, bytes));
  await send();
  expect(lines()).toEqual([LINE, LINE, ""]);
});

it("cuts off a torn line that is all there is, or longer than it reads at once", async () => {
  const long = `{"resourceSpans":[${"x".repeat(300_000)}`;
  writeFileSync(path, long);
  await send();
  expect(lines()).toEqual([LINE, ""]);
  appendFileSync(path, long);
  await send();
  expect(lines()).toEqual([LINE, LINE, ""]);
});

it("never cuts what somebody else wrote, but ends its line", async () => {
  writeFileSync(path, "# notes");
  await send();
  expect(lines()).toEqual(["# notes", LINE, ""]);
});

it("goes on in a new file after the old one was moved away", async () => {
  const it = file();
  await it.send(oneSpan("json"), never);
  rmSync(path);
  expect(await it.send(oneSpan("json"), never)).toEqual({ kind: "delivered" });
  expect(lines()).toEqual([LINE, ""]);
});

it("writes nothing for a request without spans, but finds out whether it could", async () => {
  expect(await file().send(Buffer.from('{"resourceSpans":[]}'), never)).toEqual({ kind: "delivered" });
  expect(readFileSync(path, "utf8")).toBe("");
});

it("is misconfigured where its directory is missing, and says so", async () => {
  const absent = join(path, "..", "absent", "traces.jsonl");
  expect(await send(absent)).toEqual({ kind: "misconfigured", reason: expect.stringMatching(/^ENOENT.*create the directory .*absent\)$/) });
});

it("is misconfigured where its path is a directory", async () => {
  mkdirSync(path);
  expect(await send()).toEqual({ kind: "misconfigured", reason: expect.stringContaining("EISDIR") });
});

it("is misconfigured where its directory is a file", async () => {
  writeFileSync(path, "");
  expect(await send(join(path, "traces.jsonl"))).toEqual({ kind: "misconfigured", reason: expect.stringContaining("ENOTDIR") });
});

it("retries while the disk is full", async () => {
  expect(await send("/dev/full")).toEqual({
    kind: "retry",
    scope: "destination",
    reason: expect.stringContaining("ENOSPC"),
    suspect: false,
  });
});

it("writes to what is no regular file", async () => {
  expect(await send("/dev/null")).toEqual({ kind: "delivered" });
});

it("writes nothing once it is told to stop", async () => {
  expect(await file().send(oneSpan("json"), AbortSignal.abort())).toMatchObject({ kind: "retry", reason: "aborted" });
  expect(existsSync(path)).toBe(false);
});

it("has no secrets, and nothing to close", async () => {
  const it = createDestination({ name: "f", type: "file", path, sampling: { ratio: 1, keep: [] } }, { userAgent: "a/0" });
  expect(it.refreshSecrets()).toBe(false);
  await it.close();
});
