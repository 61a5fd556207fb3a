import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { createHttpClient, type HttpClient } from "../../src/http/client.ts";

const never = new AbortController().signal;
const get = { method: "GET", path: "/", headers: {}, signal: never } as const;

async function serve(listener: RequestListener) {
  const connections: unknown[] = [];
  const server = createServer(listener).on("connection", (socket) => connections.push(socket));
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), connections };
}

function client(origin: URL, connections = 4): HttpClient {
  const made = createHttpClient(origin, { connections, keepAliveMs: 30_000 });
  onTestFinished(() => made.close());
  return made;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a connection whose answer was read to its end is used again, compressed or not", async () => {
  const { origin, connections } = await serve((request, response) => {
    if (request.url === "/gzip") response.setHeader("content-encoding", "gzip");
    response.end(request.url === "/gzip" ? gzipSync("hello") : "hello");
  });
  const http = client(origin);
  for (const path of ["/", "/gzip", "/", "/gzip"]) await textOf(await http.request({ ...get, path }));
  expect(connections).toHaveLength(1);
});

test("no more requests are in flight than there may be connections; the others wait", async () => {
  let inFlight = 0;
  let most = 0;
  const { origin } = await serve((_, response) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    setTimeout(() => {
      inFlight -= 1;
      response.end();
    }, 5);
  });
  const http = client(origin, 2);
  await Promise.all([1, 2, 3, 4, 5, 6].map(async () => textOf(await http.request(get))));
  expect(most).toBe(2);
});

test("a body goes with its length, and its bytes as they are", async () => {
  const { origin } = await serve(async (request, response) =>
    response.end(`${request.method} ${request.headers["content-length"]} ${await textOf(request)}`),
  );
  const body = new TextEncoder().encode("grüße");
  expect(await textOf(await client(origin).request({ ...get, method: "POST", body }))).toBe("POST 7 grüße");
});

test.each(["content-length", "transfer-encoding", "connection", "expect"])("the header %s is nobody else's to set", async (name) => {
  const { origin, connections } = await serve((_, response) => response.end());
  const asked = client(origin).request({ ...get, headers: { [name]: "1" } });
  await expect(asked).rejects.toMatchObject({ code: "ERR_INVALID_HEADER" });
  expect(connections).toEqual([]);
});

test.each([
  ["closes the connection", ""],
  ["switches protocols", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
  ["speaks another protocol", "nonsense\r\n\r\n"],
])("a server that %s is an error, not a wait", async (_, bytes) => {
  const server = createTcpServer((socket) => socket.on("error", () => undefined).once("data", () => socket.end(bytes)));
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await expect(client(new URL(`http://127.0.0.1:${port}`)).request(get)).rejects.toThrow();
});

test("an aborted request is an error before its head, and in its body", async () => {
  const { origin } = await serve((request, response) => (request.url === "/head" ? undefined : response.write("x")));
  const http = client(origin);
  const [before, after] = [new AbortController(), new AbortController()];
  const head = http.request({ ...get, path: "/head", signal: before.signal });
  before.abort();
  await expect(head).rejects.toMatchObject({ name: "AbortError" });
  const answer = await http.request({ ...get, path: "/body", signal: after.signal });
  const read = textOf(answer);
  after.abort();
  await expect(read).rejects.toThrow();
});

test("what was aborted while it waited for a connection is never sent", async () => {
  const asked: unknown[] = [];
  const answers: (() => void)[] = [];
  const { origin } = await serve((request, response) => {
    asked.push(request.url);
    answers.push(() => response.end());
  });
  const http = client(origin, 1);
  const stop = new AbortController();
  const first = http.request({ ...get, path: "/first" });
  const second = http.request({ ...get, path: "/second", signal: stop.signal });
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await expect(second).rejects.toMatchObject({ name: "AbortError" });
  answers[0]?.();
  await textOf(await first);
  const third = http.request({ ...get, path: "/third" });
  while (asked.length === 1) await new Promise((resolve) => setImmediate(resolve));
  answers[1]?.();
  await textOf(await third);
  expect(asked).toEqual(["/first", "/third"]);
});
