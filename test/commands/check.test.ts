import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Connections, check } from "../../src/commands/check.ts";
import type { Destination, Outcome } from "../../src/destinations/destination.ts";
import type { Reply, RunPage, RunSource } from "../../src/sources/source.ts";
import { commandIo } from "../support/command-io.ts";
import { aRun } from "../support/run-builder.ts";

const fixtures = join(import.meta.dirname, "../fixtures/config");
const env = { QSTASH_TOKEN: "canary-token", HONEYCOMB_API_KEY: "canary-key" };

/** Sources that answer a listing and destinations that answer a request; `asked` says what they were asked, `closed` how many were closed. */
function connections(reply: Reply<RunPage>, outcome: Outcome) {
  const asked: string[] = [];
  let closed = 0;
  const close = async () => {
    closed += 1;
  };
  const source = (name: string): Pick<RunSource, "list" | "events" | "close"> => ({
    list: async (query, purpose) => {
      asked.push(`${name} ${JSON.stringify(query)} ${purpose}`);
      return reply;
    },
    events: async (query, purpose) => {
      asked.push(`${name} events ${JSON.stringify(query)} ${purpose}`);
      return { kind: "ok", value: { events: [], unreadable: [] } };
    },
    close,
  });
  const destination = (name: string): Pick<Destination, "encoding" | "send" | "close"> => ({
    encoding: "json",
    send: async (body) => {
      asked.push(`${name} ${new TextDecoder().decode(body)}`);
      return outcome;
    },
    close,
  });
  const made: Connections = {
    source: (config) => source(config.name) as RunSource,
    destination: (config) => destination(config.name) as Destination,
  };
  return { made, asked, closed: () => closed };
}

const emptyPage: Reply<RunPage> = { kind: "ok", value: { runs: [], unreadable: [] } };
const never = connections(emptyPage, { kind: "delivered" }).made;

async function checked(args: string[], parts: Connections = never, environment: Record<string, string> = env) {
  const { io, out, err } = commandIo({ env: environment, cwd: fixtures });
  return { code: await check(args, io, parts), out: out(), err: err() };
}

test("a valid file is said to be, with what it names and no secret", async () => {
  const { code, out } = await checked(["--config", "interface.ok.yaml"]);
  expect(code).toBe(0);
  expect(out).toBe(
    "interface.ok.yaml: valid\nsource eu: upstash https://qstash-eu-central-1.upstash.io\ndestination jaeger: otlp-http http://127.0.0.1:4318, protobuf\n",
  );
});

test("environment variables alone are checked too, and warnings go to stderr", async () => {
  const { code, out, err } = await checked([]);
  expect([code, out.split("\n")[0]]).toEqual([0, "environment variables: valid"]);
  expect(err).toBe("warning: nothing names a destination: sending to http://localhost:4318, OpenTelemetry's default\n");
});

describe("what is shown of a URL", () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  const SECRET = "canary-env-12345";
  const environment = {
    CANARY: SECRET,
    CANARY_URL: `https://otlp.example.com:4318/${SECRET}?k=${SECRET}`,
    REGION: "https://qstash.example.com",
  };

  /** What stdout says of one source's and one destination's URL. */
  async function shown(source: object, destination: object): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), "wfotel-check-"));
    folders.push(folder);
    const file = join(folder, "c.yaml");
    writeFileSync(
      file,
      JSON.stringify({ sources: [{ name: "eu", token: "t", ...source }], destinations: [{ name: "a", ...destination }] }),
    );
    const { code, out, err } = await checked(["--config", file], never, environment);
    expect(code).toBe(0);
    expect(out + err).not.toContain(SECRET);
    return out.split("\n").slice(1, -1);
  }
  const otlp = (over: object) => ({ type: "otlp-http", ...over });

  test.each([
    ["written in the file is as written", { traces_endpoint: "https://h.example.com/v1/traces" }, "https://h.example.com/v1/traces"],
    [
      "written with a key in its query is without that",
      { endpoint: "https://h.example.com/x?api-key=abc&tenant=7" },
      "https://h.example.com/x?api-key=REDACTED&tenant=7",
    ],
    [
      "with a reference in its path is as written",
      { endpoint: "https://h.example.com/${env:CANARY}/otlp" },
      "https://h.example.com/${env:CANARY}/otlp",
    ],
    [
      "with a reference in its query is as written",
      { traces_endpoint: "https://h.example.com/v1/traces?k=${env:CANARY}" },
      "https://h.example.com/v1/traces?k=${env:CANARY}",
    ],
    ["with a reference as its host is as written", { endpoint: "https://${env:CANARY}.example.com" }, "https://${env:CANARY}.example.com"],
    ["that is one reference is its origin alone", { endpoint: "${env:CANARY_URL}" }, "https://otlp.example.com:4318/…"],
  ])("one %s", async (_, destination, url) => {
    expect(await shown({}, otlp(destination))).toEqual([
      "source eu: upstash https://qstash.upstash.io",
      `destination a: otlp-http ${url}, protobuf`,
    ]);
  });

  test("a source's is treated alike, and so is a file's path", async () => {
    const file = (path: string) => ({ type: "file", path });
    expect(await shown({ url: "https://q.example.com/${env:CANARY}" }, file("${env:CANARY}.json"))).toEqual([
      "source eu: upstash https://q.example.com/${env:CANARY}",
      "destination a: file ${env:CANARY}.json",
    ]);
    const lines = await shown({ url: "${env:REGION:-https://qstash.upstash.io}" }, file("/var/out.json"));
    expect(lines).toEqual(["source eu: upstash https://qstash.example.com", "destination a: file /var/out.json"]);
  });

  test("that is a variable's is its origin alone", async () => {
    const { out } = await checked([], never, {
      QSTASH_TOKEN: "t",
      QSTASH_URL: `http://127.0.0.1:8080/${SECRET}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
    });
    expect(out.split("\n").slice(1, -1)).toEqual([
      "source upstash: upstash http://127.0.0.1:8080/…",
      "destination otlp: otlp-http http://127.0.0.1:4318, protobuf",
    ]);
  });
});

test("every error of a bad file ends it with exit code 2", async () => {
  const failure = checked(["--config", "duplicate-names.bad.yaml"]);
  await expect(failure).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^(?:duplicate-names.*\n){3}duplicate-names.*$/),
  });
});

test("an unknown option is a mistake of usage", async () => {
  await expect(checked(["--conect"])).rejects.toMatchObject({ exitCode: 2 });
});

test("a label without a URL to explain is a mistake of usage", async () => {
  await expect(checked(["--label", "billing"])).rejects.toMatchObject({ exitCode: 2, message: "--label needs --explain URL" });
});

describe("--explain", () => {
  test.each(["", "notaurl", "shop.example.com/api", "mailto:a@example.com"])("asked for %j expects a URL", async (text) => {
    const message = `--explain: expected a URL such as https://app.example.com/api/order, found ${JSON.stringify(text)}`;
    await expect(checked(["--explain", text])).rejects.toMatchObject({ exitCode: 2, message });
  });

  test("does without secrets, and says which are not set; without it, or with --connect, they are errors", async () => {
    const args = ["--config", "interface.ok.yaml", "--explain", "https://app.example.com/api/orders"];
    const { code, out, err } = await checked(args, never, { QSTASH_TOKEN: "canary-token" });
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(
        /^warning: interface\.ok\.yaml:\d+:\d+ destinations\[0\]\.headers\S+: .*HONEYCOMB_API_KEY, found it unset\n$/,
      ),
    });
    expect(out).toMatch(/^interface\.ok\.yaml: valid, but for secrets that are not set here\n/);
    expect(out).toContain("service.name: ");
    await expect(checked([...args, "--connect"], never, {})).rejects.toMatchObject({ exitCode: 2 });
    await expect(checked(args.slice(0, 2), never, {})).rejects.toMatchObject({ exitCode: 2 });
    const alone = await checked(args.slice(2), never, {});
    expect(alone.err).toContain("warning: QSTASH_TOKEN: expected the token");
  });

  const explain = async (...args: string[]) =>
    (await checked(["--config", "interface.ok.yaml", "--explain", ...args])).out.split("\n").slice(3, -1);

  test("names the rule and what a run is called then", async () => {
    expect(await explain("https://app.example.com/api/orders", "--label", "x", "--label", "billing")).toEqual([
      "rule: workflows[0]",
      "workflow: order",
      "service.name: shop",
      "service.namespace: retail",
      "deployment.environment.name: production",
      "trace_context: join",
      "attribute team: payments",
      "step charge-*: charge",
    ]);
  });

  test("says that a run is dropped", async () => {
    expect(await explain("https://app.example.com/internal/x")).toEqual(["rule: workflows[1]", "dropped: such runs are not exported"]);
  });

  test("says that no rule matches, and what the defaults make of it", async () => {
    expect(await explain("https://app.example.com/api/orders/123456789")).toEqual([
      "rule: none: named after its URL; a rule under workflows: may set a service_name",
      "workflow: /api/orders/{id}",
      "service.name: app.example.com",
      "deployment.environment.name: production",
      "trace_context: link",
    ]);
  });
});

describe("--connect", () => {
  const connect = (reply: Reply<RunPage>, outcome: Outcome) => {
    const parts = connections(reply, outcome);
    return checked(["--config", "interface.ok.yaml", "--connect"], parts.made).then(({ code, out }) => ({
      code,
      lines: out.split("\n").slice(3, -1),
      ...parts,
    }));
  };

  test("asks each source for its newest runs and its message log, each destination for nothing, and closes them", async () => {
    const { code, lines, asked, closed } = await connect(emptyPage, { kind: "delivered" });
    expect([code, lines]).toEqual([
      0,
      ["ok source eu: reachable, no runs yet; message log: answers", "ok destination jaeger: accepts OTLP (json)"],
    ]);
    expect(asked).toEqual(['eu {"count":10} probe', 'eu events {"count":1} probe', 'jaeger {"resourceSpans":[]}']);
    expect(closed()).toBe(2);
  });

  test("shows the newest run, or why it cannot be read, and a backend's warning", async () => {
    const page = { kind: "ok", value: { runs: [aRun(1, [], { id: "wfr_1" })], unreadable: [] } } as const;
    expect((await connect(page, { kind: "delivered", warning: "slow down" })).lines).toEqual([
      "ok source eu: reachable, newest run wfr_1; message log: answers",
      "ok destination jaeger: accepts OTLP (json); it says: slow down",
    ]);
    const odd = { kind: "ok", value: { runs: [], unreadable: [{ position: 0, reason: "steps: expected a list" }] } } as const;
    expect((await connect(odd, { kind: "delivered" })).lines[0]).toBe(
      "ok source eu: reachable, no runs yet, 1 of the newest cannot be read (steps: expected a list); message log: answers",
    );
  });

  test.each<[Reply<RunPage>, Outcome, string[]]>([
    [
      { kind: "refused", reason: "unauthorized", status: 401, message: "the token is not accepted" },
      { kind: "misconfigured", status: 404, reason: "no such path" },
      [
        "FAILED source eu: refused (unauthorized): the token is not accepted",
        "FAILED destination jaeger: misconfigured (status 404): no such path",
      ],
    ],
    [
      { kind: "unavailable", reason: "connection", message: "ECONNREFUSED" },
      { kind: "retry", scope: "destination", reason: "ECONNREFUSED", suspect: false },
      ["FAILED source eu: unavailable (connection): ECONNREFUSED", "FAILED destination jaeger: unavailable: ECONNREFUSED"],
    ],
    [
      { kind: "aborted" },
      { kind: "refused", status: 400, message: "bad data" },
      ["FAILED source eu: aborted", "FAILED destination jaeger: refused (status 400): bad data"],
    ],
    [
      emptyPage,
      { kind: "partial", rejectedSpans: 1, message: "why" },
      ["ok source eu: reachable, no runs yet; message log: answers", "FAILED destination jaeger: partly refused an empty request: why"],
    ],
  ])("what fails is said, and exit code 2", async (reply, outcome, expected) => {
    const { code, lines, closed } = await connect(reply, outcome);
    expect([code, lines, closed()]).toEqual([2, expected, 2]);
  });

  test("the console is said to be stdout, and is not written to", async () => {
    const parts = connections(emptyPage, { kind: "delivered" });
    const { out } = await checked(["--config", "minimal.ok.yaml", "--connect"], parts.made);
    expect(out).toContain("ok destination out: writes to stdout\n");
    expect(parts.asked).toEqual(['eu {"count":10} probe', 'eu events {"count":1} probe']);
  });
});
