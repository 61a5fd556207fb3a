import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CommandError } from "../../src/commands/io.ts";
import { schema } from "../../src/commands/schema.ts";
import { commandIo } from "../support/command-io.ts";

test("prints config/schema.json, byte for byte", async () => {
  const { io, out, err } = commandIo({ cwd: "/" });
  expect(await schema([], io)).toBe(0);
  expect(out()).toBe(readFileSync(join(import.meta.dirname, "../../config/schema.json"), "utf8"));
  expect(err()).toBe("");
});

test("takes no argument", async () => {
  await expect(schema(["x"], commandIo({ cwd: "/" }).io)).rejects.toThrow(CommandError);
});
