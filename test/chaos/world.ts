import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../src/fake-upstash/fault.ts";
import { type OtlpReceiver, type ReceivedRequest, type Reply, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import type { ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import { type FakeUpstash, type FakeUpstashOptions, type RecordedRequest, startFakeUpstash } from "../../src/fake-upstash/server.ts";
import type { Program as Workflow } from "../support/scenarios/program.ts";
import { between, type Random, seeded } from "../support/scenarios/random.ts";
import { record } from "../support/scenarios/scenario.ts";
import { type Canaries, newCanaries } from "./canaries.ts";
import { type Daemon, type Program, type SpawnOptions, startDaemon, stopDaemon } from "./daemon.ts";
import { type Flavour, happenFrom, happenTo, randomProgram } from "./programs.ts";

/** One scenario's surroundings: a log API, backends, a folder with configuration, secrets and state, and the daemon among them. */
export interface World {
  readonly random: Random;
  readonly canaries: Canaries;
  readonly api: FakeUpstash;
  readonly clock: ApiClock;
  readonly backends: readonly Backend[];
  /** What the daemon's configuration says; `start` writes it anew. */
  readonly config: ChaosConfig;
  readonly folder: string;
  readonly stateFolder: string;
  readonly statePath: string;
  /** What goes wrong with the API's answer to a request. */
  apiFault: (request: RecordedRequest) => Fault | undefined;
  /** Told of every event that a kill can be placed at. */
  onEvent: (event: WorldEvent) => void;
  /** Runs that the API has shown as ended in a whole answer, `id@createdAt`. */
  readonly shown: Set<string>;
  /** Those of them that the state has dealt with. */
  readonly settledKeys: Set<string>;
  /** How often each fault was injected. */
  readonly faults: Map<string, number>;
  /** Runs of which nothing is expected, with the reason. */
  readonly exempt: Map<string, string>;
  readonly daemons: Daemon[];
  /** The start of the first daemon, on the API's clock. */
  firstStart: number | undefined;
  crashes: number;
  fault(name: string): void;
  start(options?: StartOptions): Daemon;
  /** kill -9, and waits until it is gone. */
  kill(daemon?: Daemon): Promise<void>;
  /** SIGTERM; anything but exit 0 is a failure. */
  stop(daemon?: Daemon): Promise<void>;
  /** Any other command, to its end. */
  command(...args: string[]): Promise<{ end: string; output: string }>;
  /** Runs of the past that ended up to `agoMs` before now. */
  history(count: number, agoMs?: number, over?: Partial<Flavour>): void;
  /** Old runs that are open now and end `fromMs` to `toMs` from now. */
  sleepers(count: number, fromMs: number, toMs: number): void;
  /** Runs that begin now and end within moments. */
  flow(count: number, over?: Partial<Flavour>): void;
  put(workflow: Workflow, endsAt: number): void;
  /** Secrets as Kubernetes mounts them: `token` → `..data/token` → a folder that is swapped whole. */
  rotateSecrets(token: string, header: string): void;
  /** What else went wrong. */
  readonly failures: string[];
  close(): Promise<void>;
}

export type WorldEvent = "api request" | "api reply" | "otlp request" | "otlp reply";

export interface StartOptions extends Partial<SpawnOptions> {
  /** It is part of the scenario that it ends by itself. */
  readonly mayExit?: boolean;
  /** In front of everything else, as `--import`. */
  readonly nodeOptions?: readonly string[];
}

export interface ApiClock {
  now(): number;
  /** Leaps by so many ms. */
  jump(ms: number): void;
  /** From now on the API's time goes so many times faster. */
  speed(rate: number): void;
}

export interface Backend {
  readonly name: string;
  readonly receiver: OtlpReceiver;
  /** Anything but the normal answer. */
  respond: (request: ReceivedRequest, n: number) => Reply | undefined;
  /** Accepted although the request as a whole does not count. */
  readonly partly: ReceivedSpan[];
  accepted(): readonly ReceivedSpan[];
}

export interface ChaosConfig {
  source: Record<string, unknown>;
  destinations: Record<string, unknown>[];
  rest: Record<string, unknown>;
}

export interface WorldOptions {
  readonly backends?: number;
  readonly source?: Record<string, unknown>;
  readonly destination?: Record<string, unknown>;
  readonly rest?: Record<string, unknown>;
  readonly api?: FakeUpstashOptions;
}

/** Long enough for a transition to be seen in the log: the fake counts in ms. */
const STEP_MS = 12;

export async function openWorld(program: Program, seed: number, options: WorldOptions): Promise<World> {
  const random = seeded(seed);
  const canaries = newCanaries();
  const folder = mkdtempSync(join(tmpdir(), "wfotel-chaos-"));
  const clock = apiClock();
  const hooks: Hooks = { world: undefined };
  const api = await startFakeUpstash({
    ...options.api,
    token: canaries.token,
    now: clock.now,
    onRequest: (request) => apiAnswer(hooks, request),
  });
  const backends: Backend[] = [];
  for (let i = 0; i < (options.backends ?? 1); i += 1) backends.push(await startBackend(`backend-${i}`, canaries, hooks));
  const config: ChaosConfig = {
    source: sourceConfig(api.url, options),
    destinations: backends.map((backend) => destinationConfig(backend, options)),
    rest: { server: { listen: "" }, telemetry: { log: { level: "debug", format: "json" } }, ...options.rest },
  };
  const stateFolder = join(folder, "state");
  const world: World = {
    random,
    canaries,
    api,
    clock,
    backends,
    config,
    folder,
    stateFolder,
    statePath: join(stateFolder, "wfotel.db"),
    apiFault: () => undefined,
    onEvent: () => undefined,
    shown: new Set(),
    settledKeys: new Set(),
    faults: new Map(),
    exempt: new Map(),
    daemons: [],
    firstStart: undefined,
    crashes: 0,
    failures: [],
    fault: (name) => void world.faults.set(name, (world.faults.get(name) ?? 0) + 1),
    ...processes(program, () => world),
    ...runs(() => world),
    rotateSecrets: (token, header) => writeSecrets(folder, { token, header }),
    async close() {
      open.delete(world);
      for (const daemon of world.daemons) daemon.child.kill("SIGKILL");
      await Promise.all([...world.daemons.map((daemon) => daemon.ended), api.close(), ...backends.map(({ receiver }) => receiver.close())]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  hooks.world = world;
  open.add(world);
  writeSecrets(folder, { token: canaries.token, header: canaries.header });
  return world;
}

const open = new Set<World>();

/** The harness is being stopped: nothing of it may stay behind, neither a daemon nor a folder. */
export function abandonWorlds(): void {
  for (const { daemons, folder, stateFolder } of open) {
    for (const { child } of daemons) child.kill("SIGKILL");
    spawnSync("umount", ["-l", stateFolder], { stdio: "ignore" }); // of the scenario that fills a disk
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Hooks {
  world: World | undefined;
}

function sourceConfig(url: string, options: WorldOptions): Record<string, unknown> {
  const pace = { poll_interval: "50ms", poll_interval_idle: "50ms", open_run_max_interval: "400ms", max_requests_per_second: 1_000 };
  return { name: "main", url, token: "${file:./secrets/token}", detail: "runs", ...pace, ...options.source };
}

function destinationConfig({ name, receiver }: Backend, options: WorldOptions): Record<string, unknown> {
  const headers = { authorization: "Bearer ${file:./secrets/header}" };
  return { name, type: "otlp-http", endpoint: receiver.url, headers, timeout: "2s", ...options.destination };
}

function apiClock(): ApiClock {
  let base = Date.now();
  let since = base;
  let rate = 1;
  const now = () => Math.round(base + (Date.now() - since) * rate);
  const rebase = (change: () => void) => {
    base = now();
    since = Date.now();
    change();
  };
  return {
    now,
    jump: (ms) => rebase(() => (base += ms)),
    speed: (faster) => rebase(() => (rate = faster)),
  };
}

function apiAnswer({ world }: Hooks, request: RecordedRequest): Fault | undefined {
  if (world === undefined) return undefined;
  world.onEvent("api request");
  const fault = world.apiFault(request) ?? {};
  if (fault.hang || fault.reset || fault.status !== undefined || fault.body !== undefined || fault.truncate !== undefined) return fault;
  const rewrite = (body: unknown) => {
    const sent = fault.rewrite === undefined ? body : fault.rewrite(body);
    noteShown(world, sent);
    setImmediate(() => world.onEvent("api reply"));
    return sent;
  };
  return { ...fault, rewrite };
}

function noteShown(world: World, body: unknown): void {
  const { runs = [] } = body as { runs?: { workflowRunId?: string; workflowRunCreatedAt?: number; workflowState?: string }[] };
  for (const run of Array.isArray(runs) ? runs : []) {
    if (run?.workflowState === "RUN_STARTED" || run?.workflowRunId === undefined) continue;
    world.shown.add(`${run.workflowRunId}@${run.workflowRunCreatedAt}`);
  }
}

async function startBackend(name: string, canaries: Canaries, hooks: Hooks): Promise<Backend> {
  const partly: ReceivedSpan[] = [];
  const auth = { authorization: `Bearer ${canaries.header}` };
  const receiver = await startOtlpReceiver({
    auth,
    respond: (request, n) => {
      hooks.world?.onEvent("otlp request");
      setImmediate(() => hooks.world?.onEvent("otlp reply"));
      return backend.respond(request, n);
    },
  });
  const backend: Backend = { name, receiver, partly, respond: () => undefined, accepted: () => [...receiver.spans, ...partly] };
  return backend;
}

/** The files of one generation in a folder of their own, and a symlink that is renamed over the old one. */
function writeSecrets(folder: string, secrets: Readonly<Record<string, string>>): void {
  const generation = `v${Date.now()}-${Math.floor(performance.now() * 1_000)}`;
  const base = join(folder, "secrets");
  mkdirSync(join(base, generation), { recursive: true });
  for (const [name, value] of Object.entries(secrets)) writeFileSync(join(base, generation, name), `${value}\n`);
  symlinkSync(generation, join(base, "..new"));
  renameSync(join(base, "..new"), join(base, "..data"));
  for (const name of Object.keys(secrets)) {
    rmSync(join(base, name), { force: true });
    symlinkSync(join("..data", name), join(base, name));
  }
}

function processes(program: Program, get: () => World) {
  const last = () => get().daemons.at(-1);
  const args = (world: World) => ["--config", join(world.folder, "wfotel.yaml"), "--state", world.statePath];
  const env = { TMPDIR: tmpdir() };
  return {
    start(options: StartOptions = {}) {
      const world = get();
      writeConfig(world);
      world.firstStart ??= world.clock.now();
      const { mayExit, nodeOptions = [], ...spawnOptions } = options;
      const daemon = startDaemon([...nodeOptions, ...program], ["run", ...args(world)], { cwd: world.folder, env, ...spawnOptions });
      world.daemons.push(daemon);
      const { failures } = world;
      const asked = () => daemon.child.killed;
      void daemon.ended.then(() => {
        if (!mayExit && !asked()) failures.push(`the daemon ended by itself (${daemon.end()}): ${daemon.output().slice(-500)}`);
      });
      return daemon;
    },
    async kill(daemon = last()) {
      daemon?.child.kill("SIGKILL");
      await daemon?.ended;
      get().crashes += 1;
    },
    async stop(daemon = last()) {
      if (daemon === undefined || daemon.exited()) return;
      const end = await stopDaemon(daemon);
      if (end !== "exit 0") get().failures.push(`SIGTERM ended with ${end}: ${daemon.output().slice(-500)}`);
    },
    async command(...words: string[]) {
      const world = get();
      const daemon = startDaemon(program, [...words, ...args(world)], { cwd: world.folder, env });
      const timer = setTimeout(() => daemon.child.kill("SIGKILL"), 20_000);
      await daemon.ended;
      clearTimeout(timer);
      return { end: daemon.end(), output: daemon.output() };
    },
  };
}

function writeConfig({ folder, config }: World): void {
  const yaml = { sources: [config.source], destinations: config.destinations, ...config.rest };
  writeFileSync(join(folder, "wfotel.yaml"), JSON.stringify(yaml)); // JSON is YAML
}

function runs(get: () => World) {
  const flavour = (over: Partial<Flavour>): Flavour => ({ canaries: get().canaries, stepMs: STEP_MS, ...over });
  return {
    history(count: number, agoMs = 600_000, over: Partial<Flavour> = {}) {
      const { random, clock } = get();
      for (let i = 0; i < count; i += 1) {
        const program = randomProgram(random, flavour({ stepMs: 20_000, ...over }));
        record(get().api.store, happenTo(program, clock.now() - 1 - between(random, 1, agoMs), random));
      }
    },
    sleepers(count: number, fromMs: number, toMs: number) {
      const { random, clock } = get();
      for (let i = 0; i < count; i += 1) {
        const program = randomProgram(random, flavour({ kinds: ["plain"] }));
        const night = { kind: "sleep", name: "night", ms: between(random, 1, 20) * 3_600_000 } as const;
        record(
          get().api.store,
          happenTo({ ...program, steps: [night, ...program.steps] }, clock.now() + between(random, fromMs, toMs), random),
        );
      }
    },
    flow(count: number, over: Partial<Flavour> = {}) {
      const { random, clock } = get();
      for (let i = 0; i < count; i += 1) record(get().api.store, happenFrom(randomProgram(random, flavour(over)), clock.now(), random));
    },
    put(workflow: Workflow, endsAt: number) {
      record(get().api.store, happenTo(workflow, endsAt, get().random));
    },
  };
}

/** Waits until the API's clock has passed every run's last change. */
export async function untilEverythingHappened(world: World, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  const last = Math.max(0, ...world.api.store.allRuns().map((run) => run.workflowRunCompletedAt ?? 0));
  while (world.clock.now() < last && Date.now() < end) await sleep(20);
}
