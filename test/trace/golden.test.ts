import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Step, WorkflowRun } from "../../src/model/run.ts";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { ATTRIBUTES } from "../../src/trace/attributes.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { linkedPlacement, nestedPlacement, ownPlacement } from "../../src/trace/placement.ts";
import { runsFromEvents } from "../../src/trace/run-from-events.ts";
import { readable } from "../support/readable-trace.ts";
import { aRun, at, group, initial, settingsWith, step, T0 } from "../support/run-builder.ts";
import { SITUATIONS } from "../support/situations.ts";

/** Golden traces are reviewed by hand, and never written in CI. */
const golden = (name: string) => `../golden/${name.replace(/[^a-z0-9]+/gi, "-")}.json`;
const settings = settingsWith();

function fixture(name: string): readonly WorkflowRun[] {
  const body = JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8"));
  return decodeRunsBody(body).runs;
}

test("the published sample: a root of 1,623 ms and two siblings that start together", async () => {
  const [run] = fixture("runs-documented.json");
  const mapped = mapRun(run!, ownPlacement(run!, settings), settings);
  const [root, first, second] = mapped.spans;
  expect(root!.end - root!.start).toBe(1_623);
  expect(first!.start).toBe(second!.start);
  expect([first!.end, second!.end]).toEqual([1736340464111, 1736340463895]);
  await expect(readable(mapped)).toMatchFileSnapshot(golden("published sample"));
});

test.each(fixture("engine-runs.json"))("engine run $url", async (run) => {
  await expect(readable(mapRun(run, ownPlacement(run, settings), settings))).toMatchFileSnapshot(
    golden(`engine ${new URL(run.url).pathname.slice(4)}`),
  );
});

/** The same six runs by their message log alone. */
const engineEvents = decodeEventsBody(JSON.parse(readFileSync(new URL("../fixtures/engine-events.json", import.meta.url), "utf8"))).events;

test.each(runsFromEvents(engineEvents))("engine run $url, by its message log", async (run) => {
  const events = engineEvents.filter(({ id }) => id === run.id);
  const mapped = mapRun(run, ownPlacement(run, settings), settings, { events });
  await expect(readable(mapped)).toMatchFileSnapshot(golden(`engine log ${new URL(run.url).pathname.slice(4)}`));
});

test.each(runsFromEvents(engineEvents))("engine run $url: the grouped log adds nothing but what only it holds", (alone) => {
  const beside = fixture("engine-runs.json").find(({ id }) => id === alone.id)!;
  const events = engineEvents.filter(({ id }) => id === alone.id);
  const map = (run: WorkflowRun) =>
    mapRun(run, ownPlacement(run, settings), settings, { events })
      .spans.filter((span) => span.role !== "failure")
      .map(({ attributes: { [ATTRIBUTES.RUN_LABELS.name]: _, [ATTRIBUTES.RUN_DLQ_ID.name]: __, ...attributes }, ...span }) => ({
        ...span,
        attributes,
      }));
  if (!alone.url.endsWith("/always")) return void expect(map(alone)).toEqual(map(beside));
  // The engine's ERROR has no headers, which would name the step, and it shows the retries of the trigger.
  const withoutName = map(beside).map((span) => {
    const { [ATTRIBUTES.STEP_NAME.name]: _, [ATTRIBUTES.STEP_RETRIES.name]: __, ...attributes } = span.attributes;
    return span.role === "delivery" ? { ...span, name: "delivery", attributes } : span;
  });
  expect(map(alone)).toEqual(withoutName);
});

test.each(Object.entries(SITUATIONS))("%s", async (name, run) => {
  await expect(readable(mapRun(run, ownPlacement(run, settings), settings))).toMatchFileSnapshot(golden(name));
});

test.each(Object.entries(SITUATIONS))("%s: the same without bodies", (_, run) => {
  const map = (one: WorkflowRun) => mapRun(one, ownPlacement(one, settings), settings);
  expect(map(withoutBodies(run))).toEqual(map(run));
});

test("the same run under all that a user can switch on", async () => {
  const everything = settingsWith(
    {
      run_kind: "server",
      trace_context: "join",
      gen_ai: true,
      capture: {
        outputs: true,
        call_bodies: true,
        run_request: true,
        run_response: true,
        request_headers: ["x-trace", "Authorization"],
        response_headers: ["content-type"],
      },
    },
    {
      environment: "production",
      resource: { "k8s.namespace.name": "shop" },
      workflows: [
        {
          match: { url: "https://shop.example.com/*" },
          set: {
            name: "order",
            service_name: "shop",
            service_namespace: "retail",
            environment: "staging",
            attributes: { team: "payments" },
            step_names: [{ match: "o*", name: "first" }],
          },
        },
      ],
    },
  );
  const run = SITUATIONS["everything a run can carry"]!;
  await expect(readable(mapRun(run, ownPlacement(run, everything), everything))).toMatchFileSnapshot(golden("switched on run"));
  const call = SITUATIONS["call, createdAt its end"]!;
  await expect(readable(mapRun(call, ownPlacement(call, everything), everything))).toMatchFileSnapshot(golden("switched on call"));
});

test("an invoked run, nested in its invoker's trace or linked to it", async () => {
  const invoker = SITUATIONS["invoke, createdAt its end"]!;
  const childGroups = [group(initial({ createdAt: at(103) })), group(step("Run", "work", 4_900, { id: 1 }))];
  const invokedBy = { id: invoker.id, createdAt: T0 };
  const child = aRun(4_950, [], { id: "wfr_child", createdAt: at(101), groups: childGroups, invoker: invokedBy });
  const nested = mapRun(child, nestedPlacement(child, ownPlacement(invoker, settings), settings), settings);
  await expect(readable(nested)).toMatchFileSnapshot(golden("invoked nested"));
  const invokeSpan = mapRun(invoker, ownPlacement(invoker, settings), settings).spans.find((span) => span.name === "child");
  expect(nested.spans[0]).toMatchObject({ traceId: invokeSpan!.traceId, parentSpanId: invokeSpan!.spanId, kind: "server" });
  await expect(readable(mapRun(child, linkedPlacement(child, settings), settings))).toMatchFileSnapshot(golden("invoked linked"));
});

test("a run too large for one trace goes on in another", async () => {
  const steps = Array.from({ length: 14 }, (_, i) =>
    group(
      step(i % 7 === 6 ? "Invoke" : "Run", `step ${i}`, (i + 1) * 1_000, {
        id: i + 1,
        ...(i % 7 === 6 && { invoked: { id: `wfr_${i}` } }),
      }),
    ),
  );
  const large = aRun(15_000, steps);
  const small = settingsWith({ max_spans_per_trace: 10 });
  await expect(readable(mapRun(large, ownPlacement(large, small), small))).toMatchFileSnapshot(golden("continued"));
});

/** What `trimBody=0` may drop. */
function withoutBodies(run: WorkflowRun): WorkflowRun {
  const strip = ({ out: _, call, invoked, errors, ...rest }: Step): Step => {
    const { requestBody: _1, responseBody: _2, ...details } = call ?? {};
    const { body: _3, ...started } = invoked ?? {};
    return {
      ...rest,
      errors: errors.map(({ body: _4, ...error }) => error),
      ...(call !== undefined && { call: details }),
      ...(invoked !== undefined && { invoked: started }),
    };
  };
  const { response: _, failureFunction, ...rest } = run;
  const { failResponse: _5, responseBody: _6, ...failure } = failureFunction ?? { state: "", errors: [] };
  return {
    ...rest,
    ...(failureFunction !== undefined && { failureFunction: failure }),
    groups: run.groups.map((one) => ({ ...one, steps: one.steps.map(strip) })),
  };
}
