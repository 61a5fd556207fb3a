import { setTimeout as sleep } from "node:timers/promises";
import type { ReceivedRequest, Reply } from "../../../src/fake-upstash/otlp-receiver.ts";
import type { RecordedRequest } from "../../../src/fake-upstash/server.ts";
import { run } from "../../support/scenarios/program.ts";
import { between } from "../../support/scenarios/random.ts";
import type { Verdict } from "../judge.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** Single answers and what must follow from each: the rows of delivery.md's table that need more than time to pass. */

const JSON_TYPE = { "content-type": "application/json" };
const PROTOBUF_TYPE = { "content-type": "application/x-protobuf" };

/** Every form in which a backend says that it has taken all of it. */
const TAKEN: readonly Reply[] = [
  { status: 200 },
  { status: 202 },
  { status: 204 },
  { status: 200, headers: JSON_TYPE, body: "{}" },
  { status: 200, headers: { "content-type": "application/json; charset=utf-8" }, body: '{"partialSuccess":{}}' },
  { status: 200, headers: JSON_TYPE, body: '{"partialSuccess":{"rejectedSpans":"0","errorMessage":"be careful"}}' },
  { status: 200, headers: PROTOBUF_TYPE },
  { status: 200, headers: PROTOBUF_TYPE, body: Buffer.from([0x0a, 0x00]) },
];

async function taken(world: World, stage: Stage): Promise<void> {
  world.history(20);
  for (const backend of world.backends) {
    backend.respond = (_, n) => {
      world.fault("2xx in another form");
      return TAKEN[n % TAKEN.length];
    };
  }
  world.start();
  const enough = () => (world.faults.get("2xx in another form") ?? 0) >= TAKEN.length;
  const tide = setInterval(() => world.flow(between(world.random, 0, 2)), 100);
  await stage.until(enough, "too few answers", 30_000);
  clearInterval(tide);
}

const POISON = "poison";
const carriesPoison = ({ spans }: ReceivedRequest) => spans.some((span) => span.name === POISON);

/** One run among others whose one span no answer accepts; others come in all the while. */
function poisoned(name: string, reply: Reply) {
  return async (world: World, stage: Stage): Promise<void> => {
    world.history(20, 600_000, { kinds: ["plain"] });
    const steps = [run("before", 20), run(POISON, 10), run("after", 20)];
    world.put({ url: "https://poisoned.example.com/api/job", steps }, world.clock.now() - 1_000);
    world.history(20, 600_000, { kinds: ["plain"] });
    for (const backend of world.backends) {
      backend.respond = (request) => {
        if (!carriesPoison(request)) return undefined;
        world.fault(name);
        return reply;
      };
    }
    world.start();
    const tide = setInterval(() => world.flow(1, { kinds: ["plain"] }), 250);
    const isQuarantined = () => world.daemons.some(({ output }) => /"msg":"quarantined"/.test(output()));
    await stage.until(isQuarantined, "nothing was quarantined", 90_000);
    clearInterval(tide);
  };
}

/** Of the poisoned run the one span is kept from the backend, of the others nothing. */
const oneSpanOnly = ({ quarantined }: Verdict, world: World): (string | false)[] => {
  const names = world.backends.flatMap((backend) => backend.accepted().map(({ name }) => name));
  return [
    quarantined !== 1 && `${quarantined} runs are in quarantine, not 1`,
    ...["before", "after"].map((name) => !names.includes(name) && `the span ${name} of the poisoned run was not delivered`),
  ];
};

/** What a clock of whole seconds and an answer on its way may take off a pause. */
const SLACK_MS = 500;
const PATIENCE_S = 30;

/** Those of the times at which a request came although a pause of 30 s, begun at one of the others, was not over. */
function tooSoon(requests: readonly number[], pauses: readonly number[]): string[] {
  const hurried = requests.filter((at) => pauses.some((from) => at > from + SLACK_MS && at < from + PATIENCE_S * 1_000 - SLACK_MS));
  return hurried.length === 0 ? [] : [`${hurried.length} requests came before Retry-After: ${PATIENCE_S} was over`];
}

/** The first answer of each backend asks for 30 s of patience; nothing comes before. */
async function patience(world: World, stage: Stage): Promise<void> {
  world.history(25);
  const heard = world.backends.map(() => ({ requests: [] as number[], pauses: [] as number[] }));
  for (const [index, backend] of world.backends.entries()) {
    backend.respond = () => {
      const { requests, pauses } = heard[index] ?? { requests: [], pauses: [] };
      const now = performance.now();
      requests.push(now);
      if (now > (requests[0] ?? now) + SLACK_MS) return undefined;
      pauses.push(now);
      world.fault(`429 with Retry-After: ${PATIENCE_S}`);
      return { status: 429, headers: { "retry-after": String(PATIENCE_S) } };
    };
  }
  world.start();
  const tide = setInterval(() => world.flow(between(world.random, 0, 2)), 300);
  await stage.until(() => heard.every(({ requests, pauses }) => requests.length > pauses.length), "it never came back", 60_000);
  clearInterval(tide);
  world.failures.push(...heard.flatMap(({ requests, pauses }) => tooSoon(requests, pauses)));
}

/** The same of the API: one answer, and nothing at all is asked for 30 s, whatever for. */
async function apiPatience(world: World, stage: Stage): Promise<void> {
  world.history(25);
  world.sleepers(3, 1_000, 4_000);
  const requests: number[] = [];
  const pauses: number[] = [];
  const isFault = ({ n }: RecordedRequest) => n === 12;
  world.apiFault = (request) => {
    requests.push(performance.now());
    if (!isFault(request)) return undefined;
    pauses.push(performance.now());
    world.fault(`API 429 with Retry-After: ${PATIENCE_S}`);
    return { status: 429, body: '{"error":"slow down"}', headers: { "Retry-After": String(PATIENCE_S) } };
  };
  world.start();
  for (const end = Date.now() + 5_000; Date.now() < end; await sleep(200)) world.flow(between(world.random, 0, 2));
  await stage.until(() => requests.some((at) => at > (pauses[0] ?? at) + SLACK_MS), "it never came back", 60_000);
  world.failures.push(...tooSoon(requests, pauses));
}

/** Answers that no repetition mends: paused, shown, and all of it there when they end. */
const UNWANTED: readonly Reply[] = [301, 302, 402, 410, 418, 451].map((status) => ({
  status,
  ...(status < 400 && { headers: { location: "https://elsewhere.example.com/v1/traces" } }),
}));

async function unwanted(world: World, stage: Stage): Promise<void> {
  world.history(25);
  const first = between(world.random, 0, UNWANTED.length - 1);
  for (const backend of world.backends) {
    backend.respond = (_, n) => {
      if (n > 2) return undefined;
      world.fault("another 3xx or 4xx");
      return UNWANTED[(first + n) % UNWANTED.length];
    };
  }
  world.start();
  await stage.until(() => (world.faults.get("another 3xx or 4xx") ?? 0) >= 2, "too few answers", 30_000);
}

/** Retry-After: 0 keeps ten failures within seconds; the back-off itself would take a quarter of an hour. */
const fails = { status: 500, headers: { "retry-after": "0" } };

export const ANSWERS: readonly Scenario[] = [
  { name: "backend-2xx-forms", fault: "every form of a 2xx that means delivered", noDuplicates: true, play: taken },
  {
    name: "backend-one-run-500-for-ever",
    fault: "one run that makes the backend answer 500 for ever: isolated after ten failures, the rest goes on",
    settleMs: 60_000,
    play: poisoned("500 for one run", fails),
    check: (verdict, world) => [
      ...oneSpanOnly(verdict, world),
      (world.faults.get("500 for one run") ?? 0) < 10 && "it was isolated before it had failed ten times",
    ],
  },
  ...[413, 422].map(
    (status): Scenario => ({
      name: `backend-one-run-${status}`,
      fault: `one run that the backend refuses with ${status}`,
      play: poisoned(`${status} for one run`, { status, body: "no" }),
      check: oneSpanOnly,
    }),
  ),
  {
    name: "backend-429-patience",
    fault: "429 with Retry-After 30",
    options: { destination: { timeout: "20s" } },
    settleMs: 60_000,
    noDuplicates: true,
    play: patience,
  },
  { name: "api-429-patience", fault: "429 of the API with Retry-After 30", settleMs: 60_000, noDuplicates: true, play: apiPatience },
  { name: "backend-3xx-4xx", fault: "other 3xx and 4xx for a while", noDuplicates: true, play: unwanted },
];
