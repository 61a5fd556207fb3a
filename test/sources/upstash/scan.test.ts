import fc from "fast-check";
import { expect, test } from "vitest";
import { scanRuns } from "../../../src/sources/upstash/scan.ts";

/** The text in pieces of these sizes, over and over. */
async function* pieces(text: string, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const scalar = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom('quo"te', "back\\", '\\"', "}{][,:", "null", null),
);
const name = fc.oneof(
  fc.string(),
  fc.constantFrom("runs", "cursor", "workflowRunId", "workflowRunCreatedAt", "workflowCreatedAt", "steps"),
);
const run = fc.dictionary(name, fc.oneof(scalar, fc.jsonValue({ maxDepth: 3 })), { maxKeys: 6 });

/** The fields that identify a run, as far as they are scalars. */
function identity(entry: Record<string, unknown>): unknown[] {
  const fields = [entry.workflowRunId, entry.workflowRunCreatedAt, entry.workflowCreatedAt];
  return fields.map((field) => (typeof field === "object" && field !== null ? undefined : field));
}

test("the identities and the cursor are those that JSON.parse would find, however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(run, { maxLength: 4 }),
      fc.option(scalar, { nil: undefined }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(undefined, 1),
      async (runs, cursor, sizes, indent) => {
        const decoy = { runs: [{ workflowRunId: "x" }], cursor: "y" };
        const text = JSON.stringify({ before: decoy, runs, cursor, after: [decoy] }, null, indent);
        const parsed: { runs: Record<string, unknown>[]; cursor?: unknown } = JSON.parse(text);
        const scanned = await scanRuns(pieces(text, sizes));
        expect(scanned.complete).toBe(true);
        expect(scanned.cursor).toEqual(parsed.cursor);
        expect(scanned.entries.map(identity)).toEqual(parsed.runs.map(identity));
      },
    ),
    { numRuns: 500 },
  );
});

test("an identity longer than any id is not kept", async () => {
  const text = JSON.stringify({ runs: [{ workflowRunId: "x".repeat(100_000), workflowRunCreatedAt: 5 }] });
  expect(await scanRuns(pieces(text, [1_000]))).toMatchObject({ entries: [{ workflowRunCreatedAt: 5 }], complete: true });
});

test("text that ends too early is not complete, and none of it throws", async () => {
  const text = JSON.stringify({ cursor: "c", runs: [{ workflowRunId: "a", steps: [{ out: "}" }] }] });
  for (let length = 1; length < text.length; length += 1) {
    expect((await scanRuns(pieces(text.slice(0, length), [7]))).complete).toBe(false);
  }
  for (const junk of ["", "<html>", "]]]}}", '"', ":::,,,", "nul"]) await scanRuns(pieces(junk, [2]));
});
