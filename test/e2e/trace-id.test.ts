import { expect, test } from "vitest";
import { traceId } from "../../src/trace/ids.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { sequential, started, type WireRunOptions, wireRun, wireStep } from "../support/wire-run.ts";

const T0 = Date.now() - 60_000;
const LINK = "http://127.0.0.1:16686/trace/";
const here = useSurroundings();

const traceIdOf = (...args: string[]) => wfotel(["trace-id", ...args], { cwd: here.folder, env: here.env() });

/** A parent that invoked a child; its trace holds both. */
function putFamily() {
  const invoke = wireStep("wfr_parent", {
    stepId: 1,
    stepName: "invoke",
    stepType: "Invoke",
    createdAt: T0 + 900,
    invokedWorkflowRunId: "wfr_child",
    invokedWorkflowCreatedAt: T0 + 10,
  });
  const parent: WireRunOptions = { length: 1_000, steps: [started("wfr_parent", T0), sequential(invoke)] };
  const invoker = { workflowRunId: "wfr_parent", workflowUrl: "https://shop.example.com/api/order", workflowRunCreatedAt: T0 };
  here.api.store.putRun(wireRun("wfr_parent", T0, parent));
  here.api.store.putRun(wireRun("wfr_child", T0 + 10, { length: 800, invoker }));
}

test("offline it is the run's own id, as the published rule has it; nobody is asked and no token is needed", async () => {
  const { code, stdout, stderr } = await wfotel(["trace-id", "wfr_x@1736340463061", "--offline"], { cwd: here.folder });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "a19f19e9274fe217d1ec7503714917b4\n" });
  expect(stderr).toContain("the run's own trace");
  expect(here.api.requests).toEqual([]);
});

test("offline needs the time of creation", async () => {
  expect(await traceIdOf("wfr_x", "--offline")).toMatchObject({
    code: 2,
    stdout: "",
    stderr: "--offline needs RUN_ID@CREATED_AT (milliseconds)\n",
  });
});

test("from the API: an invoked run lies in its invoker's trace", async () => {
  putFamily();
  const parent = await traceIdOf("wfr_parent");
  expect(parent).toMatchObject({ code: 0, stdout: `${traceId("wfr_parent", T0)}\n`, stderr: "from the API\n" });
  expect((await traceIdOf(`wfr_child@${T0 + 10}`)).stdout).toBe(parent.stdout);
  expect((await traceIdOf("wfr_child")).stdout).toBe(parent.stdout);
});

test("from the API: where its invoker is dropped by a rule, an invoked run lies in its own trace", async () => {
  putFamily();
  const config = here.configure({
    sources: [{ name: "eu", url: here.api.url, token: CANARY_TOKEN }],
    workflows: [{ match: { url: "https://shop.example.com/api/order" }, drop: true }],
    destinations: [{ name: "x", type: "console" }],
  });
  const url = "https://shop.example.com/api/child";
  const invoker = { workflowRunId: "wfr_parent", workflowUrl: "https://shop.example.com/api/order", workflowRunCreatedAt: T0 };
  here.api.store.putRun({ ...wireRun("wfr_parent", T0), workflowUrl: "https://shop.example.com/api/order" });
  here.api.store.putRun({ ...wireRun("wfr_child", T0 + 10, { length: 800, invoker }), workflowUrl: url });
  const { code, stdout } = await wfotel(["trace-id", "wfr_child", "--config", config], { cwd: here.folder });
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${traceId("wfr_child", T0 + 10)}\n` });
  const told = "a rule drops it: it is not exported\n";
  const dropped = await wfotel(["trace-id", "wfr_parent", "--config", config], { cwd: here.folder });
  expect(dropped).toMatchObject({ code: 0, stderr: `from the API; ${told}` });
  expect(await wfotel(["show", "wfr_parent", "--config", config], { cwd: here.folder })).toMatchObject({ code: 0, stderr: told });
});

test("of runs that invoke each other in a circle every one is said to lie below the one created first", async () => {
  const invokers = { wfr_a: "wfr_c", wfr_b: "wfr_a", wfr_c: "wfr_b" };
  for (const [id, invoker] of Object.entries(invokers))
    here.api.store.putRun(
      wireRun(id, T0, {
        length: 800,
        invoker: { workflowRunId: invoker, workflowUrl: "https://shop.example.com/x", workflowRunCreatedAt: T0 },
      }),
    );
  for (const id of Object.keys(invokers)) expect(await traceIdOf(id)).toMatchObject({ code: 0, stdout: `${traceId("wfr_a", T0)}\n` });
});

test("a run that the source's filters leave out is said not to be exported", async () => {
  here.api.store.putRun(wireRun("wfr_x", T0));
  const filters = { workflow_urls: ["https://elsewhere.example.com/api"] };
  const config = here.configure({
    sources: [{ name: "eu", url: here.api.url, token: CANARY_TOKEN, filters }],
    destinations: [{ name: "x", type: "console" }],
  });
  expect(await wfotel(["trace-id", "wfr_x", "--config", config], { cwd: here.folder })).toMatchObject({
    code: 0,
    stderr: "from the API; the source's filters leave it out: it is not exported\n",
  });
});

test("from the state, also when the API has forgotten the run or cannot be asked", async () => {
  putFamily();
  expect((await wfotel(["run", "--once"], { cwd: here.folder, env: here.env() })).code).toBe(0);
  expect(new Set(here.backend.spans.map((span) => span.traceId))).toEqual(new Set([traceId("wfr_parent", T0)]));
  await here.api.close();
  const child = await traceIdOf("wfr_child");
  expect(child).toMatchObject({ code: 0, stdout: `${traceId("wfr_parent", T0)}\n`, stderr: "from the state\n" });
  const { QSTASH_TOKEN: _, ...withoutToken } = here.env();
  expect(await wfotel(["trace-id", `wfr_child@${T0 + 10}`], { env: withoutToken })).toEqual(child);
});

test("an id that was used again means the newest run, unless the time says otherwise", async () => {
  here.api.store.putRun(wireRun("order@7", T0));
  here.api.store.putRun(wireRun("order@7", T0 + 5_000));
  expect((await traceIdOf("order@7")).stdout).toBe(`${traceId("order@7", T0 + 5_000)}\n`);
  expect((await traceIdOf(`order@7@${T0}`)).stdout).toBe(`${traceId("order@7", T0)}\n`);
  expect((await wfotel(["run", "--once"], { cwd: here.folder, env: here.env() })).code).toBe(0);
  expect((await traceIdOf("order@7")).stdout).toBe(`${traceId("order@7", T0 + 5_000)}\n`);
});

test("--url prints the link of each destination that has one", async () => {
  const destinations = [
    { name: "jaeger", type: "otlp-http", endpoint: here.backend.url, trace_url: `${LINK}{trace_id}` },
    { name: "console", type: "console" },
  ];
  const config = here.configure({ destinations });
  const id = "a19f19e9274fe217d1ec7503714917b4";
  expect((await traceIdOf("wfr_x@1736340463061", "--offline", "--url", "--config", config)).stdout).toBe(`${id}\n${LINK}${id}\n`);
  for (const offline of [["--offline"], []]) {
    expect(await traceIdOf("wfr_x@1736340463061", "--url", ...offline)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: "--url needs a destination with a trace_url in the configuration; none has one\n",
    });
  }
});

test("a run that nobody knows is exit code 4; an API that cannot be asked is exit code 1 and says why", async () => {
  expect(await traceIdOf("wfr_nobody")).toMatchObject({ code: 4, stdout: "", stderr: 'no source shows a run "wfr_nobody"\n' });
  here.api.options.token = "another";
  const refused = await traceIdOf("wfr_nobody");
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^source upstash: .*401/);
  expect(refused.stderr).not.toContain(CANARY_TOKEN);
});
