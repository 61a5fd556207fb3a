import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { destination, never, oneSpan } from "./destinations.ts";

let folder: string;
let authority: Authority;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-tls-"));
  authority = createAuthority(join(folder, "ours"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function receiver({ clients = false, host = "IP:127.0.0.1" } = {}) {
  const { cert, key } = authority.issue("server", { host });
  const client = authority.issue("client");
  const started = await startOtlpReceiver({ tls: { cert, key, ...(clients ? { clientCa: authority.pem } : {}) } });
  onTestFinished(() => started.close());
  return { ...started, client: { cert_file: client.certFile, key_file: client.keyFile } };
}

const send = (endpoint: string, tls: object) =>
  destination({ endpoint, tls, headers: { authorization: "Bearer a" } }).send(oneSpan("protobuf"), never);

it("trusts the user's own authority", async () => {
  const to = await receiver();
  expect(await send(to.url, { ca_file: authority.caFile })).toEqual({ kind: "delivered" });
  expect(to.spans.length).toBe(1);
});

it("trusts no other, and says how to make it", async () => {
  const to = await receiver();
  const other = createAuthority(join(folder, "other"));
  const expected = { kind: "misconfigured", reason: expect.stringContaining("tls.ca_file") };
  expect(await send(to.url, {})).toMatchObject(expected);
  expect(await send(to.url, { ca_file: other.caFile })).toMatchObject(expected);
  expect(to.requests).toEqual([]);
});

it("trusts any where it is told to be insecure", async () => {
  const to = await receiver();
  expect(await send(to.url, { insecure: true })).toEqual({ kind: "delivered" });
});

it("sends nothing to a server of another name", async () => {
  const to = await receiver({ host: "DNS:collector.example.com" });
  expect(await send(to.url, { ca_file: authority.caFile })).toMatchObject({
    kind: "misconfigured",
    reason: expect.stringContaining("name in endpoint"),
  });
  expect(to.requests).toEqual([]);
});

it("shows its own certificate where the server asks for one", async () => {
  const to = await receiver({ clients: true });
  expect(await send(to.url, { ca_file: authority.caFile, ...to.client })).toEqual({ kind: "delivered" });
  expect(await send(to.url, { ca_file: authority.caFile })).toMatchObject({
    kind: "misconfigured",
    reason: expect.stringContaining("check tls.cert_file and tls.key_file"),
  });
  expect(to.spans.length).toBe(1);
});

it("picks up a certificate that was renewed", async () => {
  const to = await receiver({ clients: true });
  const files = { ca_file: join(folder, "live-ca.pem"), cert_file: join(folder, "live.pem"), key_file: join(folder, "live.key") };
  const stale = createAuthority(join(folder, "stale")).issue("client");
  copyFileSync(authority.caFile, files.ca_file);
  copyFileSync(stale.certFile, files.cert_file);
  copyFileSync(stale.keyFile, files.key_file);
  const it = destination({ endpoint: to.url, tls: files });
  expect((await it.send(oneSpan("protobuf"), never)).kind).not.toBe("delivered");
  expect(it.refreshSecrets()).toBe(false);
  copyFileSync(to.client.cert_file, files.cert_file);
  copyFileSync(to.client.key_file, files.key_file);
  expect(it.refreshSecrets()).toBe(true);
  expect(await it.send(oneSpan("protobuf"), never)).toEqual({ kind: "delivered" });
  rmSync(files.key_file);
  expect(it.refreshSecrets()).toBe(false);
  expect(await it.send(oneSpan("protobuf"), never)).toEqual({ kind: "delivered" });
});

it("finds a server that speaks no TLS", async () => {
  const plain = await startOtlpReceiver();
  onTestFinished(() => plain.close());
  expect(await send(plain.url.replace("http:", "https:"), {})).toMatchObject({
    kind: "misconfigured",
    reason: expect.stringContaining("http://"),
  });
});

it("does not start with a file that cannot be read, and names its key", () => {
  const tls = { ca_file: join(folder, "absent.pem") };
  expect(() => destination({ endpoint: "https://a.example", tls })).toThrow(/tls\.ca_file cannot be read: ENOENT/);
});

it("is misconfigured where a file holds no certificate", async () => {
  const to = await receiver();
  const nonsense = join(folder, "nonsense.pem");
  writeFileSync(nonsense, "nonsense");
  const tls = { ca_file: authority.caFile, cert_file: nonsense, key_file: nonsense };
  expect(await send(to.url, tls)).toMatchObject({ kind: "misconfigured", reason: expect.stringContaining("tls") });
});
