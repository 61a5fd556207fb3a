import pino from "pino";
import { expect, test } from "vitest";
import { CommandError } from "../../src/commands/io.ts";
import { createReloadRequests, nextPlan, type Reloading, withoutRestart } from "../../src/commands/reload.ts";
import type { Plan } from "../../src/commands/work.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";

const CONFIG: Config = configSchema.parse({});
const NEVER = new AbortController().signal;

function setUp(change: Partial<Reloading> = {}) {
  const told: boolean[] = [];
  const lines: { level: number; reasons?: string[]; keys?: string[] }[] = [];
  const requests = createReloadRequests();
  const reloading: Reloading = {
    requests,
    load: () => ({ config: CONFIG }),
    plan: (config, serviceName) => Promise.resolve({ config, serviceName, destinations: [], instruments: {} as Plan["instruments"] }),
    onReload: (ok) => void told.push(ok),
    log: pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    ...change,
  };
  return { reloading, requests, told, lines };
}

test("a request before anybody waits is not lost, and counts once", async () => {
  const requests = createReloadRequests();
  requests.request();
  requests.request();
  await requests.next(NEVER);
  const over = new AbortController();
  const second = requests.next(over.signal).then(() => "asked or over");
  over.abort();
  expect(await second).toBe("asked or over");
});

test("a configuration that is valid is put to work", async () => {
  const { reloading, requests, told } = setUp({ load: () => ({ config: { ...CONFIG, environment: "new" }, serviceName: "shop" }) });
  requests.request();
  expect(await nextPlan(reloading, CONFIG, NEVER)).toMatchObject({ config: { environment: "new" }, serviceName: "shop" });
  expect(told).toEqual([true]);
});

test("one with errors is said so, each error by itself; the next request tries again", async () => {
  const answers = [new CommandError("a.yaml:1:1 x: wrong\na.yaml:2:1 y: wrong"), new Error("tls.ca_file cannot be read"), undefined];
  const { reloading, requests, told, lines } = setUp({
    load() {
      const error = answers.shift();
      requests.request();
      if (error !== undefined) throw error;
      return { config: CONFIG };
    },
  });
  requests.request();
  expect(await nextPlan(reloading, CONFIG, NEVER)).toMatchObject({ config: CONFIG });
  expect(told).toEqual([false, false, true]);
  expect(lines.map(({ reasons }) => reasons)).toEqual([["a.yaml:1:1 x: wrong", "a.yaml:2:1 y: wrong"], ["tls.ca_file cannot be read"]]);
});

test("a bridge that ends meanwhile waits for no request", async () => {
  const over = new AbortController();
  const waiting = nextPlan(setUp().reloading, CONFIG, over.signal);
  over.abort();
  expect(await waiting).toBeUndefined();
});

test("what a running bridge cannot change stays, and is named", () => {
  const next = configSchema.parse({
    environment: "new",
    state: { path: "/other.db" },
    server: { listen: "127.0.0.1:1" },
    telemetry: { log: { format: "json", level: "debug" } },
  });
  const { config, restart } = withoutRestart(CONFIG, next);
  expect(restart).toEqual(["state", "server.listen", "telemetry.log.format"]);
  expect(config).toEqual({
    ...next,
    state: CONFIG.state,
    server: CONFIG.server,
    telemetry: { ...next.telemetry, log: { format: "auto", level: "debug" } },
  });
  expect(withoutRestart(CONFIG, { ...CONFIG, environment: "new" }).restart).toEqual([]);
});
