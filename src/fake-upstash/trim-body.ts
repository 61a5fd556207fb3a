/** Every field, of either log, that holds something the user's program said. */
const BODIES: ReadonlySet<string> = new Set([
  "out",
  "body",
  "callBody",
  "callResponseBody",
  "failResponse",
  "invokedWorkflowRunBody",
  "responseBody",
  "workflowRunResponse",
]);

/** `trimBody`: 0 drops bodies, N cuts them to N bytes. The sources contradict each other about -1. */
export function trimBodies<T>(entry: T, trimBody: number | undefined, minusOne: "keep" | "drop"): T {
  if (trimBody === undefined || (trimBody < 0 && minusOne === "keep")) return entry;
  return trim(entry, Math.max(0, trimBody)) as T;
}

function trim(value: unknown, bytes: number): unknown {
  if (Array.isArray(value)) return value.map((item) => trim(item, bytes));
  if (typeof value !== "object" || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    if (!BODIES.has(name) || typeof item !== "string") kept[name] = trim(item, bytes);
    else if (bytes > 0) kept[name] = Buffer.from(item).subarray(0, bytes).toString();
  }
  return kept;
}
