import type { Origin } from "../config/origin.ts";
import type { Config } from "../config/schema.ts";
import type { Path } from "../config/tree.ts";
import { createRedactor } from "../trace/redact.ts";

/** Where a value of the configuration came from, by its path. */
type OriginOf = (path: Path) => Origin;

/** One line a source and a destination: where it is, without secrets and without what a reference gave. */
export function describeConfig({ sources, destinations, traces }: Config, originOf: OriginOf): string[] {
  const redact = createRedactor(traces.redact).url;
  const shownUrl = (url: string, path: Path) => urlText(url, originOf(path), redact);
  return [
    ...sources.map(({ name, type, url }, index) => `source ${name}: ${type} ${shownUrl(url, ["sources", index, "url"])}`),
    ...destinations.map((one, index) => {
      const at = (key: string): Path => ["destinations", index, key];
      if (one.type === "console") return `destination ${one.name}: console`;
      if (one.type === "file") return `destination ${one.name}: file ${pathText(one.path, originOf(at("path")))}`;
      const key = one.traces_endpoint === undefined ? "endpoint" : "traces_endpoint";
      return `destination ${one.name}: ${one.type} ${shownUrl(one[key] ?? "", at(key))}, ${one.encoding}`;
    }),
  ];
}

/** Of a URL that is somebody else's as a whole, the origin: which region and which backend is what one wants to see. */
function urlText(url: string, origin: Origin, redact: (url: string) => string): string {
  if (origin.kind === "written") return redact(url);
  if (origin.kind === "template") return redact(origin.template);
  const parsed = new URL(url);
  return parsed.href === `${parsed.origin}/` ? parsed.origin : `${parsed.origin}/…`;
}

function pathText(path: string, origin: Origin): string {
  if (origin.kind === "written") return path;
  return origin.kind === "template" ? origin.template : origin.name;
}
