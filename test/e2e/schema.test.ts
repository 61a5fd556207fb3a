import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { wfotel } from "../support/wfotel.ts";

test("prints the schema that config/schema.json holds, and needs no configuration for it", async () => {
  const committed = readFileSync(join(import.meta.dirname, "../../config/schema.json"), "utf8");
  expect(await wfotel(["schema"])).toEqual({ code: 0, signal: null, stdout: committed, stderr: "" });
});
