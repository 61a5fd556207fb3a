import { setTimeout as sleep } from "node:timers/promises";
import type { ReceivedRequest, Reply } from "../../../src/fake-upstash/otlp-receiver.ts";
import { run } from "../../support/scenarios/program.ts";
import { between } from "../../support/scenarios/random.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** What a destination can do to its sender. */

/** Runs of the past, a daemon, and runs that come in until so many answers were spoilt; then the backend is well again. */
function spoilt(respond: (world: World, request: ReceivedRequest, n: number) => Reply | undefined, name: string, times: number) {
  return async (world: World, stage: Stage): Promise<void> => {
    world.history(25);
    for (const backend of world.backends) {
      backend.respond = (request, n) => {
        const reply = respond(world, request, n);
        if (reply !== undefined) world.fault(name);
        return reply;
      };
    }
    world.start();
    const tide = setInterval(() => world.flow(between(world.random, 0, 2)), 100);
    await stage.until(() => (world.faults.get(name) ?? 0) >= times, `less than ${times} × ${name}`, 30_000);
    clearInterval(tide);
    for (const backend of world.backends) backend.respond = () => undefined;
  };
}

const OUTAGE: readonly Reply[] = [
  { status: 200, reset: true },
  { status: 503 },
  { status: 502, body: "<html>bad gateway</html>" },
  { status: 504 },
  { status: 408 },
];

/** A day in steps of hours on the API's clock; the daemon is killed or stopped in between, as daemons are. */
async function aDayDown(world: World, stage: Stage): Promise<void> {
  world.history(10);
  world.sleepers(5, 3_600_000, 23 * 3_600_000);
  for (const backend of world.backends) {
    backend.respond = (_, n) => {
      world.fault("destination down");
      return OUTAGE[n % OUTAGE.length];
    };
  }
  const polled = async (start: boolean) => {
    const before = world.api.requests.length + 12;
    if (start) world.start();
    await stage.until(() => world.api.requests.length >= before, "the daemon does not read");
  };
  await polled(true);
  for (let hour = 0; hour < 24; hour += 1) {
    world.flow(3);
    await sleep(150);
    world.clock.jump(3_600_000);
    if (hour % 8 === 3) await world.kill();
    else if (hour % 8 === 7) await world.stop();
    await polled(hour % 4 === 3);
  }
  for (const backend of world.backends) backend.respond = () => undefined;
  await world.stop(); // whoever mends a backend restarts what waits for it; that it comes back by itself is shown elsewhere
  world.start();
}

function tooMany({ random }: World): Reply | undefined {
  if (random() < 0.4) return undefined;
  const after = [undefined, "0", "1", new Date(Date.now() + 1_000).toUTCString()][between(random, 0, 3)];
  return { status: 429, headers: after === undefined ? {} : { "retry-after": after } };
}

const JSON_TYPE = { "content-type": "application/json" };

function slow({ random }: World): Reply | undefined {
  const dice = random();
  if (dice < 0.5) return { status: 200, delayMs: between(random, 50, 400) };
  if (dice < 0.7) return { status: 200, headers: JSON_TYPE, body: "{}", drip: 200 };
  if (dice < 0.85) return { status: 200, headers: JSON_TYPE, body: `{"partialSuccess":{}}${" ".repeat(60)}`, drip: 50 };
  return { status: 200, hang: true, accept: random() < 0.5 };
}

const html = (_: World, __: ReceivedRequest, n: number): Reply | undefined =>
  n > 2 ? undefined : { status: 200, headers: { "content-type": "text/html" }, body: "<html>Sign in</html>", accept: false };

/** The span that no answer accepts; which one it is stands in its name. */
const isPoisoned = (name: string) => name === "poison";
const carriesPoison = (request: ReceivedRequest) => request.spans.some((span) => isPoisoned(span.name));

function withPoison(others: number) {
  return (world: World): void => {
    world.history(Math.floor(others / 2), 600_000, { kinds: ["plain"] });
    const steps = [run("before", 20), run("poison", 10), run("after", 20)];
    world.put({ url: "https://poisoned.example.com/api/job", steps }, world.clock.now() - 1_000);
    world.history(Math.ceil(others / 2), 600_000, { kinds: ["plain"] });
  };
}

/** The words of the refusal repeat the secret header, as some proxies do. */
function poisoned(others: number, reply: (request: ReceivedRequest) => Reply, untilMs = Number.POSITIVE_INFINITY) {
  return async (world: World, stage: Stage): Promise<void> => {
    withPoison(others)(world);
    const mendedAt = Date.now() + untilMs;
    for (const backend of world.backends) {
      backend.respond = (request) => {
        if (!carriesPoison(request) || Date.now() > mendedAt) return undefined;
        world.fault("poisoned request");
        return reply(request);
      };
    }
    world.start();
    await stage.until(() => (world.faults.get("poisoned request") ?? 0) > 0, "the poison was never sent");
    if (Number.isFinite(untilMs)) await sleep(untilMs);
  };
}

const refuse = ({ headers }: ReceivedRequest): Reply => ({
  status: 400,
  headers: JSON_TYPE,
  body: JSON.stringify({ message: `bad span, ${headers.authorization}` }),
});

/** Of every request with the poison the poisoned span is rejected, the others are taken. */
async function partial(world: World): Promise<void> {
  withPoison(40)(world);
  for (const backend of world.backends) {
    backend.respond = (request) => {
      const rejected = request.spans.filter((span) => isPoisoned(span.name));
      if (rejected.length === 0) return undefined;
      world.fault("partial success");
      backend.partly.push(...request.spans.filter((span) => !isPoisoned(span.name)));
      const partialSuccess = { rejectedSpans: rejected.length, errorMessage: "one span is bad" };
      return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ partialSuccess }), accept: false };
    };
  }
  world.start();
}

const auth = (_: World, __: ReceivedRequest, n: number): Reply | undefined =>
  n > 2 ? undefined : { status: [401, 403, 404][n % 3] ?? 401 };

export const BACKEND: readonly Scenario[] = [
  { name: "backend-down-24h", fault: "destination down for a simulated 24 h", settleMs: 60_000, play: aDayDown },
  { name: "backend-429", fault: "429 storms (Retry-After 0, 1, a date)", noDuplicates: true, play: spoilt(tooMany, "429", 6) },
  {
    name: "backend-slow",
    fault: "slow, dripping and hung servers",
    options: { destination: { timeout: "700ms" } },
    play: spoilt(slow, "slow, dripping or hung answer", 20),
  },
  { name: "backend-html", fault: "200-HTML", noDuplicates: true, play: spoilt(html, "200 with HTML", 2) },
  { name: "backend-auth", fault: "401, 403, 404 for a while", noDuplicates: true, play: spoilt(auth, "401/403/404", 2) },
  {
    name: "backend-partial",
    fault: "partial success",
    play: partial,
    check: ({ delivered, runs }) => [delivered < runs - 45 && "too many runs were not delivered"],
  },
  {
    name: "backend-refuses-everything",
    fault: "a destination that refuses everything with 400",
    noDuplicates: true,
    play: spoilt((_, request) => refuse(request), "400 for everything", 12),
    check: ({ quarantined }) => [quarantined > 0 && `${quarantined} runs were quarantined, though it was the backend's fault`],
  },
  {
    name: "backend-one-run-500",
    fault: "one run that makes the backend answer 500",
    settleMs: 60_000,
    play: poisoned(40, () => ({ status: 500 }), 5_000),
    check: ({ delivered, runs }) => [delivered !== runs && "the mended backend did not get everything"],
  },
  {
    name: "backend-one-poisoned-of-many",
    fault: "one poisoned run of 1,000",
    settleMs: 90_000,
    play: poisoned(1_000, refuse),
    check: ({ quarantined }) => [quarantined !== 1 && `${quarantined} runs are in quarantine, not 1`],
  },
];
