import { expect, test } from "vitest";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();

/** `wfotel check` of a configuration with these destinations beside the API. */
function check(destinations: readonly object[], ...args: string[]) {
  const sources = [{ name: "eu", url: here.api.url, token: "${env:TOKEN}" }];
  const config = here.configure({ sources, destinations, workflows: [{ match: { label: "billing" }, set: { service_name: "bills" } }] });
  return wfotel(["check", "--config", config, ...args], { cwd: here.folder, env: { TOKEN: CANARY_TOKEN } });
}

const otlp = (endpoint: string, over: object = {}) => ({ name: "backend", type: "otlp-http", endpoint, ...over });

test("without --connect nothing is asked", async () => {
  const { code, stdout, stderr } = await check([otlp(here.backend.url)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^.*wfotel\.yaml: valid\nsource eu: upstash http.*\ndestination backend: otlp-http http.*, protobuf\n$/);
  expect([here.api.requests, here.backend.requests]).toEqual([[], []]);
});

test.each(["protobuf", "json"])("--connect says what every source and destination answered (%s)", async (encoding) => {
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  const { code, stdout } = await check([otlp(here.backend.url, { encoding })], "--connect");
  expect(code).toBe(0);
  expect(stdout).toContain("ok source eu: reachable, newest run wfr_1; message log: answers\n");
  expect(stdout).toContain(`ok destination backend: accepts OTLP (${encoding})`);
  expect(here.backend.spans).toEqual([]);
  expect(here.backend.violations).toEqual([]);
});

test("--connect tries all, names every failure without a secret, and is exit code 2", async () => {
  here.api.options.token = "another";
  const guarded = await here.startBackend({ auth: { "x-key": "right" } });
  const page = await here.startBackend({
    respond: () => ({ status: 200, headers: { "content-type": "text/html" }, body: "<html>a login page</html>" }),
  });
  const gone = await here.startBackend();
  await gone.close();
  const { code, stdout, stderr } = await check(
    [
      otlp(guarded.url, { name: "guarded", headers: { "x-key": "canary-wrong" } }),
      otlp(page.url, { name: "page" }),
      otlp(gone.url, { name: "gone" }),
      otlp(here.backend.url, { name: "good" }),
    ],
    "--connect",
  );
  expect(code).toBe(2);
  const lines = stdout.split("\n").filter((line) => /^(ok|FAILED)/.test(line));
  expect(lines).toEqual([
    expect.stringMatching(/^FAILED source eu: refused \(unauthorized\): .*401/),
    expect.stringMatching(/^FAILED destination guarded: misconfigured.*401/),
    expect.stringMatching(/^FAILED destination page: misconfigured/),
    expect.stringMatching(/^FAILED destination gone: unavailable.*ECONNREFUSED/),
    "ok destination good: accepts OTLP (protobuf)",
  ]);
  expect(stdout + stderr).not.toMatch(/canary/);
});

test("--connect warns once of each host whose service name is a guess, and says where there is no message log", async () => {
  here.api.options.messageLog = { paths: [] };
  const workflowUrl = "https://shop-git-fix-team.vercel.app/api/order";
  for (const n of [1, 2]) here.api.store.putRun(wireRun(`wfr_${n}`, Date.now() - n * 60_000, { workflowUrl, length: 5 }));
  here.api.store.putRun(wireRun("wfr_3", Date.now() - 180_000));
  const { code, stdout, stderr } = await check([otlp(here.backend.url)], "--connect");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ok source eu: reachable, newest run wfr_1; message log: refused \(not_found\)/m);
  expect(stderr).toBe(
    "warning: source eu: runs of shop-git-fix-team.vercel.app, which is no stable name, are of service shop.vercel.app; a rule under workflows: may set a service_name\n",
  );
});

test("--explain says which rule a run meets and what it is called then", async () => {
  const url = "https://shop.example.com/api/orders/12345678";
  const plain = await check([otlp(here.backend.url)], "--explain", url);
  expect(plain.stdout).toContain("workflow: /api/orders/{id}\nservice.name: shop.example.com\n");
  const labelled = await check([otlp(here.backend.url)], "--explain", url, "--label", "billing");
  expect(labelled.stdout).toContain("rule: workflows[0]\nworkflow: /api/orders/{id}\nservice.name: bills\n");
});

test("every error of a configuration comes at once, each with its place: exit code 2", async () => {
  const config = here.configure({ sources: [{ name: "eu", tokn: CANARY_TOKEN }], destinations: [{ name: "x", type: "otlp" }], stat: 1 });
  const { code, stdout, stderr } = await wfotel(["check", "--config", config]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr.trimEnd().split("\n").length).toBeGreaterThanOrEqual(3);
  for (const line of stderr.trimEnd().split("\n")) expect(line).toMatch(/wfotel\.yaml:1:\d+ /);
  expect(stderr).not.toContain(CANARY_TOKEN);
});

test("with nothing but a token the environment is valid, and the default destination is named", async () => {
  const { code, stderr } = await wfotel(["check"], { cwd: here.folder, env: { QSTASH_TOKEN: CANARY_TOKEN } });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: "warning: nothing names a destination: sending to http://localhost:4318, OpenTelemetry's default\n",
  });
  const nothing = await wfotel(["check"], { cwd: here.folder });
  expect(nothing).toMatchObject({ code: 2, stdout: "" });
  expect(nothing.stderr).toMatch(/^QSTASH_TOKEN: expected/);
});
