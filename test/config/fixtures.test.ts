import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";

/** `NAME.bad.yaml` with its exact messages in `NAME.bad.txt`; `NAME.ok.yaml` loads. */
const folder = join(import.meta.dirname, "../fixtures/config");
const files = readdirSync(folder);
const env = { QSTASH_TOKEN: "canary-env", HONEYCOMB_API_KEY: "canary-env", EMPTY: "", NUMBER: "42" };
const load = (file: string) => loadConfig({ file, env, cwd: folder });

describe("good configurations", () => {
  test.each(files.filter((file) => file.endsWith(".ok.yaml")))("%s loads", (file) => {
    expect(load(file)).toMatchObject({ ok: true });
  });
});

describe("bad configurations say what is wrong, where, all at once", () => {
  const bad = files.filter((file) => file.endsWith(".bad.yaml"));

  test("there are as many as kinds of mistakes", () => {
    expect(bad.length).toBeGreaterThanOrEqual(40);
  });

  test.each(bad)("%s", (file) => {
    const result = load(file);
    const expected = readFileSync(join(folder, file.replace(/yaml$/, "txt")), "utf8");
    expect(result.ok ? "no errors" : `${result.errors.join("\n")}\n`).toBe(expected);
  });

  test.each(bad)("%s: no secret is quoted, and each line has a file that exists, a line and a column", (file) => {
    const result = load(file);
    const errors = result.ok ? [] : result.errors;
    expect(errors.length).toBeGreaterThan(0);
    for (const line of errors) {
      expect(line).not.toContain("canary");
      const [, name = ""] = /^([^:\s]+):\d+:\d+[: ]/.exec(line) ?? [];
      expect(existsSync(join(folder, name)) && name !== "").toBe(true);
    }
  });
});
