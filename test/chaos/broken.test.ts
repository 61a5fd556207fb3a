import { expect, test } from "vitest";
import { BROKEN } from "./scenarios/broken.ts";

test.each(BROKEN.map(({ name, broken }) => [name, broken] as const))(
  "%s: what is broken on purpose is still in the source",
  (_, broken) => {
    const made = broken?.(["src/cli.ts"]);
    made?.clear();
    expect(made?.reports).toBeInstanceOf(RegExp);
  },
);
