import { PassThrough, Writable } from "node:stream";
import { expect, it } from "vitest";
import { encodeRun, joinChunks } from "../../src/otlp/encode.ts";
import { run, span } from "../otlp/spans.ts";
import { destination, never, oneSpan } from "./destinations.ts";

const request = (...names: string[]) =>
  joinChunks(
    names.map(
      (name, i) =>
        encodeRun(run(span({ name, traceId: `${i + 1}`.padStart(32, "0"), attributes: { "upstash.workflow.run.id": name } })), "json")[0]
          ?.bytes ?? new Uint8Array(),
    ),
    "json",
  );

it("draws every run of a request", async () => {
  const stdout = new PassThrough();
  expect(await destination({ type: "console" }, { stdout, width: 80, color: false }).send(request("order", "invoice"), never)).toEqual({
    kind: "delivered",
  });
  const text = String(stdout.read());
  expect(text).toMatch(/order.*invoice/s);
  expect(text).not.toContain("\u001b");
});

it("draws nothing for a request without spans", async () => {
  const stdout = new PassThrough();
  expect(await destination({ type: "console" }, { stdout }).send(Buffer.from('{"resourceSpans":[]}'), never)).toEqual({
    kind: "delivered",
  });
  expect(stdout.read()).toBe(null);
});

it("is misconfigured once its reader has gone, and the process lives on", async () => {
  const stdout = new Writable({ write: (_, __, done) => done(new Error("EPIPE: broken pipe")) });
  const it = destination({ type: "console" }, { stdout });
  const gone = { kind: "misconfigured", reason: "cannot write to the console: EPIPE: broken pipe" };
  expect(await it.send(oneSpan("json"), never)).toEqual(gone);
  expect(await it.send(oneSpan("json"), never)).toMatchObject({ kind: "misconfigured" });
});
