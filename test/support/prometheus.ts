import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../backends/command.ts";

/** Debian's `prometheus` package, installed where that is possible: why its programs cannot be had, or undefined. */
export function missingPrometheus(): string | undefined {
  const installed = () => command("promtool", ["--version"]).ok && command("prometheus", ["--version"]).ok;
  if (installed()) return undefined;
  if (process.getuid?.() !== 0) return "prometheus and promtool are not installed (apt-get install prometheus)";
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = () => command("apt-get", ["install", "-y", "--no-install-recommends", "prometheus"], { env }).ok;
  if (!install()) command("apt-get", ["update"], { env });
  return installed() || (install() && installed()) ? undefined : "prometheus is not installed, and apt-get cannot install it here";
}

/** Says on stdout that tests are skipped, and fails where WFOTEL_BACKENDS=required. */
export function announceSkip(reason: string | undefined): void {
  if (reason === undefined) return;
  if (process.env.WFOTEL_BACKENDS === "required") throw new Error(reason);
  process.stdout.write(`SKIPPED: every test that needs Prometheus: ${reason}\n`);
}

export interface Prometheus {
  /** The series of an instant query: their labels and values. */
  query(expr: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  /** The alerts that fire now, by name. */
  firing(): Promise<Set<string>>;
  /** What is wrong with the last scrape of the target; "" where nothing is. */
  scrapeError(): Promise<string>;
  labelValues(metric: string, label: string): Promise<string[]>;
  exemplars(metric: string): Promise<{ labels: Record<string, string>; value: string }[]>;
  stop(): Promise<void>;
}

/** A real Prometheus on a free port that scrapes `target` (`host:port`) and evaluates `rules` every second. */
export async function startPrometheus(target: string, rules: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-prometheus-"));
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: ["rules.yaml"],
    scrape_configs: [{ job_name: "wfotel", static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, "prometheus.yaml"), JSON.stringify(config)); // JSON is YAML
  writeFileSync(join(folder, "rules.yaml"), rules);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
      "--enable-feature=exemplar-storage",
    ],
    { stdio: "ignore" },
  );
  const api = async (path: string, query: Record<string, string> = {}) => {
    const response = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(query)}`);
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error?: string };
    if (status !== "success") throw new Error(`${error}: ${JSON.stringify(query)}`);
    return data;
  };
  return {
    async query(expr) {
      const { result } = (await api("query", { query: expr })) as { result: { metric: Record<string, string>; value: [number, string] }[] };
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    async firing() {
      const { alerts } = (await api("alerts")) as { alerts: { state: string; labels: { alertname: string } }[] };
      return new Set(alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels.alertname));
    },
    async scrapeError() {
      const { activeTargets } = (await api("targets")) as { activeTargets: { lastError: string }[] };
      return activeTargets.map(({ lastError }) => lastError).join("\n");
    },
    labelValues: async (metric, label) => (await api(`label/${label}/values`, { "match[]": metric })) as string[],
    async exemplars(metric) {
      const now = Date.now() / 1_000;
      const series = await api("query_exemplars", { query: metric, start: String(now - 600), end: String(now + 60) });
      return (series as { exemplars: { labels: Record<string, string>; value: string }[] }[]).flatMap(({ exemplars }) => exemplars);
    },
    async stop() {
      const ended = once(child, "close");
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
