import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { onTestFinished } from "vitest";
import type { Encoding } from "../../src/destinations/destination.ts";
import { startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { destination } from "../destinations/destinations.ts";
import { destinationContract } from "./destination.contract.ts";

async function overHttp(encoding: Encoding) {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  return {
    destination: destination({ name: "under-test", endpoint: receiver.url, encoding }),
    arrived: () => receiver.spans.map((span) => span.name),
    breakOtherSide: () => receiver.close(),
  };
}

destinationContract("otlp-http, protobuf", () => overHttp("protobuf"));
destinationContract("otlp-http, json", () => overHttp("json"));

destinationContract("file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-contract-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "traces.jsonl");
  return {
    destination: destination({ name: "under-test", type: "file", path }),
    arrived: () => (existsSync(path) && statSync(path).isFile() ? namesIn(readFileSync(path, "utf8")) : []),
    breakOtherSide: async () => void mkdirSync(path),
  };
});

function namesIn(lines: string): string[] {
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => readSpans(Buffer.from(line), "json").spans.map((span) => span.name));
}

destinationContract("console", async () => {
  const stdout = new PassThrough();
  return {
    destination: destination({ name: "under-test", type: "console" }, { stdout, width: 80 }),
    // a trace's name stands above it and in its first line
    arrived: () => (String(stdout.read() ?? "").match(/order|invoice/g) ?? []).filter((_, i) => i % 2 === 0),
    breakOtherSide: async () => void stdout.destroy(),
  };
});
