import { keyOf, type RunKey } from "../../src/model/run.ts";
import { failureSpanId, invokeSpanId, runSpanId, traceId } from "../../src/trace/ids.ts";
import type { Program } from "./log-api.ts";
import { HOUR } from "./pipeline.ts";
import type { Simulation } from "./simulation.ts";

/** What must hold when a simulation has come to rest: every violation as a sentence; none is what is wanted. */
export async function violations(simulation: Simulation): Promise<string[]> {
  return [
    ...(await conservation(simulation)),
    ...identical(simulation),
    ...placements(simulation),
    ...(await wholeTrees(simulation)),
    ...(await rest(simulation)),
    ...frugality(simulation),
  ];
}

/** An hour before the API first answered; a second more, since its clock shows whole ones. */
const ours = async ({ store }: Simulation) => ((await store.readSource("eu"))?.epoch ?? 0) + 1_000;

const ended = ({ api }: Simulation, since: number) =>
  api.programs.filter(({ endsAt }) => endsAt !== undefined && endsAt >= since && endsAt < api.now() - 15 * 60_000);
const wireOf = (spans: Simulation["backends"][number]["spans"], id: string) =>
  [...(spans.get(id) ?? [])].map((text) => JSON.parse(text).span);

/** input = delivered ∪ quarantined ∪ excluded */
async function conservation(simulation: Simulation): Promise<string[]> {
  const { store, backends } = simulation;
  const runs = ended(simulation, await ours(simulation));
  const outcomes = await store.outcomes("eu", runs);
  const quarantined = await store.quarantined({});
  return runs.flatMap((run, index) =>
    backends.flatMap(({ destination: { name }, spans }) => {
      const outcome = outcomes[index]?.destinations[name];
      const held = quarantined.some((entry) => entry.destination === name && keyOf(entry.key) === keyOf(run));
      if (outcome?.startsWith("excluded")) return [];
      if (outcome === "partial" || outcome === "quarantined")
        return held ? [] : [`${run.id}: ${outcome} for ${name}, but nothing of it is in quarantine`];
      if (outcome !== "delivered") return [`${run.id}: ${outcome ?? "unknown"} for ${name}`];
      return spansOf(run).flatMap((id) => (spans.has(id) ? [] : [`${run.id}: delivered to ${name}, which never accepted its span ${id}`]));
    }),
  );
}

function spansOf({ id, createdAt, failure }: Program): string[] {
  return [runSpanId(id, createdAt), ...(failure ? [failureSpanId(id, createdAt)] : [])];
}

/** However often a span comes, it is the same bytes. */
function identical({ backends }: Simulation): string[] {
  return backends.flatMap(({ destination: { name }, spans }) =>
    [...spans].flatMap(([id, contents]) => (contents.size === 1 ? [] : [`span ${id} came to ${name} in ${contents.size} forms`])),
  );
}

/** Every run lies in its top ancestor's trace, below the Invoke step that started it. */
function placements({ api, backends }: Simulation): string[] {
  const byKey = new Map(api.programs.map((run) => [keyOf(run), run]));
  const topOf = (run: Program): RunKey => {
    const invoker = run.invoker === undefined ? undefined : byKey.get(keyOf(run.invoker));
    return invoker === undefined ? run : topOf(invoker);
  };
  return backends.flatMap(({ destination: { name }, spans }) =>
    api.programs.flatMap((run) => {
      const top = topOf(run);
      const parent = run.invoker === undefined ? "" : invokeSpanId(run.invoker.id, run.invoker.createdAt, run.id);
      return wireOf(spans, runSpanId(run.id, run.createdAt)).flatMap((span) => {
        if (span.traceId !== traceId(top.id, top.createdAt)) return [`${run.id} does not lie in the trace of ${top.id} (${name})`];
        return (span.parentSpanId ?? "") === parent ? [] : [`${run.id} does not hang below its Invoke step (${name})`];
      });
    }),
  );
}

/** Sampling takes or leaves whole trees, if an honest API named their runs in time. */
async function wholeTrees(simulation: Simulation): Promise<string[]> {
  const { api, store, plans, honest } = simulation;
  if (!honest) return [];
  const since = await ours(simulation);
  const outcomes = await store.outcomes("eu", api.programs);
  const sampled = plans.filter((plan) => plan.sampling.ratio < 1);
  return sampled.flatMap(({ name }) =>
    api.programs.flatMap((root) => {
      const tree = api.programs.flatMap((run, index) => {
        return run.id === root.id || run.id.startsWith(`${root.id}.`) ? [{ run, outcome: outcomes[index]?.destinations[name] }] : [];
      });
      if (root.invoker !== undefined || tree.some(({ run: { endsAt } }) => endsAt === undefined || endsAt < since)) return [];
      const kept = tree.filter(({ outcome }) => outcome !== undefined && !outcome.startsWith("excluded"));
      const wanted = tree.some(({ run }) => run.state === "RUN_FAILED") || kept.length > 0 ? tree.length : 0;
      const words = tree.map(({ run, outcome }) => `${run.id} ${outcome}`).join(", ");
      return kept.length === wanted ? [] : [`${kept.length} of the ${tree.length} runs of ${root.id} were kept for ${name}: ${words}`];
    }),
  );
}

/** Nothing is left to be done. */
async function rest({ store, api, clock }: Simulation): Promise<string[]> {
  const queued = (await store.status(clock.now())).destinations.flatMap((one) =>
    one.queued > 0 ? [`${one.queued} deliveries are left for ${one.name}`] : [],
  );
  const waiting = await store.dueRuns("eu", Number.MAX_SAFE_INTEGER, 10_000);
  const open = new Set(api.programs.filter(({ endsAt }) => endsAt === undefined || endsAt > api.now() - 15 * 60_000).map(keyOf));
  return [
    ...queued,
    ...waiting.flatMap(({ key, phase, watch }) => (open.has(keyOf(key)) ? [] : [`${key.id} still waits: ${phase}, ${watch.reason}`])),
  ];
}

/** No busy loop: requests of any simulated hour. */
function frugality({ api, backends }: Simulation): string[] {
  const most = (times: readonly number[]) => {
    const hours = new Map<number, number>();
    for (const time of times) hours.set(Math.floor(time / HOUR), (hours.get(Math.floor(time / HOUR)) ?? 0) + 1);
    return Math.max(0, ...hours.values());
  };
  const sent = backends.flatMap(({ destination: { name }, requests }) => {
    const count = most(requests.map(({ at }) => at));
    return count > 4_000 ? [`${count} requests to ${name} in one hour`] : [];
  });
  const asked = most(api.callTimes);
  return [...sent, ...(asked > 9_000 ? [`${asked} requests to the API in one hour`] : [])];
}
