import { expect, test } from "vitest";
import type { DateReading } from "../../src/state/source-state.ts";
import type { Program } from "../support/log-api.ts";
import { DAY, HOUR, readRig } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

/** The rig starts at T0 + 1 h. */
const START = T0 + HOUR;

/** Parents that invoked a child each, evenly over so long. */
function families(count: number, over: number): Program[] {
  return Array.from({ length: count }, (_, n) => {
    const parent = { id: `r${n}`, createdAt: START + HOUR + Math.floor((n * over) / count), endsAt: 0 };
    const child = { id: `${parent.id}.child`, createdAt: parent.createdAt + 1_000 };
    return [
      { ...parent, endsAt: parent.createdAt + 20_000, invokes: [child] },
      { ...child, endsAt: child.createdAt + 5_000, invoker: parent },
    ];
  }).flat();
}

test.each<DateReading>(["creation", "event", "last-event"])(
  "after an outage everything is listed again, whatever the dates mean; where they mean the creation in windows, parents first (%s)",
  async (reading) => {
    const rig = await readRig({ config: { sweep_interval: "0ms" } });
    rig.api.dates = reading;
    rig.api.programs.push({ id: "first", createdAt: START - 60_000, endsAt: START - 10_000 });
    await rig.runFor(60_000);
    const programs = families(500, 6 * HOUR);
    rig.api.programs.push(...programs);
    await rig.clock.advance(8 * HOUR); // nobody reads
    rig.api.calls.length = 0;
    await rig.runFor(60_000);
    expect(Object.keys(await rig.collected())).toHaveLength(1_001);
    const calls = rig.api.calls.filter((call) => call.method === "list" && call.purpose === "newest");
    expect(calls.length).toBeLessThan(150);
    const ancestors = rig.api.calls.filter((call) => call.purpose === "ancestors").length;
    if (reading === "creation") expect(ancestors).toBeLessThan(30);
    expect((await rig.store.readSource("eu"))?.dates).toBe(reading);
    expect((await rig.store.readSource("eu"))?.watermark).toBe(Math.max(...programs.map(({ createdAt }) => createdAt)));
  },
);

test("what an outage of the API itself cuts short begins again, and nothing is lost", async () => {
  const rig = await readRig({ config: { sweep_interval: "0ms" } });
  await rig.runFor(60_000);
  rig.api.programs.push(...families(500, DAY / 4));
  await rig.clock.advance(8 * HOUR);
  let left = 60;
  rig.api.fault = ({ purpose }) => {
    left -= purpose === "newest" ? 1 : 0;
    return left < 0 && left > -20 ? { kind: "unavailable", reason: "server_error", message: "HTTP 500" } : undefined;
  };
  await rig.runFor(HOUR);
  expect(Object.keys(await rig.collected())).toHaveLength(1_000);
});
