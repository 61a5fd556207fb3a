import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { type HttpServer, json, type Pages, parseListen, startServer } from "../../src/telemetry/server.ts";
import { httpGet } from "../support/bridge.ts";

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const pages: Pages = {
  "/livez": () => json(200, { status: "ok" }),
  "/readyz": () => json(503, { status: "failing" }),
  "/broken": () => Promise.reject(new Error("canary")),
};

async function start(listen = "127.0.0.1:0", errors: unknown[] = []): Promise<string> {
  const server = await startServer(listen, pages, (error) => errors.push(error));
  servers.push(server);
  return server.url.replace("http://", "");
}

test("answers its pages, with or without a query, and keeps no answer anywhere", async () => {
  const listen = await start();
  const alive = await httpGet(listen, "/livez");
  expect(alive).toMatchObject({
    status: 200,
    body: '{\n  "status": "ok"\n}\n',
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
  expect((await httpGet(listen, "/readyz?verbose=1")).status).toBe(503);
});

test("HEAD has the page's headers and no body", async () => {
  const { status, body, headers } = await httpGet(await start(), "/livez", "HEAD");
  expect({ status, body, length: headers["content-length"] }).toEqual({ status: 200, body: "", length: "21" });
});

test("what is no page is 404, what is no reading 405", async () => {
  const listen = await start();
  for (const path of ["/", "/livez/", "/__proto__", "/constructor", "/..%2flivez"]) expect((await httpGet(listen, path)).status).toBe(404);
  for (const method of ["POST", "DELETE", "OPTIONS"]) {
    expect(await httpGet(listen, "/livez", method)).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  }
});

test("a page that fails is 500 without the error's words, which go to the log", async () => {
  const errors: unknown[] = [];
  const { status, body } = await httpGet(await start("127.0.0.1:0", errors), "/broken");
  expect(status).toBe(500);
  expect(body).not.toContain("canary");
  expect(errors).toEqual([new Error("canary")]);
});

test("headers past 8 KiB, and what is no HTTP at all, are refused", async () => {
  const listen = await start();
  const { port } = parseListen(listen);
  for (const [sent, answer] of [
    [`GET /livez HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(9_000)}\r\n\r\n`, "HTTP/1.1 431"],
    ["canary\r\n\r\n", "HTTP/1.1 400"],
  ] as const) {
    const socket = connect(port, "127.0.0.1");
    socket.write(sent);
    expect(await text(socket)).toContain(answer);
  }
  expect((await httpGet(listen, "/livez")).status).toBe(200);
});

test("closing ends what is connected", async () => {
  const { port } = parseListen(await start());
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const closed = once(socket, "close");
  await servers[0]?.close();
  await closed;
});

test("listens on IPv6 where the machine has it", async () => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address));
  if (!addresses.includes("::1")) return void (await expect(start("[::1]:0")).rejects.toMatchObject({ syscall: "listen" }));
  const listen = await start("[::1]:0");
  expect(listen).toMatch(/^\[::1\]:\d+$/);
  expect((await httpGet(listen, "/livez")).status).toBe(200);
});

test("a port that is taken is the system's error", async () => {
  await expect(start(await start())).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test.each([
  ["127.0.0.1:9477", { host: "127.0.0.1", port: 9477 }],
  ["[::]:80", { host: "::", port: 80 }],
  [":9477", { host: "", port: 9477 }],
  ["localhost:0", { host: "localhost", port: 0 }],
])("%s is an address", (listen, address) => expect(parseListen(listen)).toEqual(address));
