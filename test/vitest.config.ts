import { defineConfig } from "vitest/config";

/** `npm test`: everything but the suites that start many processes (see the other configs here). */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "test/backends/**"],
    setupFiles: ["test/support/property-seed.ts"],
    testTimeout: 30_000,
    coverage: {
      provider: "v8",
      // Where a branch that no test takes would be a wrong timeline or a lost run. The last one is the decoder.
      include: ["src/trace/**/*.ts", "src/model/**/*.ts", "src/sources/upstash/{wire,decode*,input,repair,scalars}.ts"],
      reporter: [["text", { skipFull: true }]],
      thresholds: {
        "src/trace/**": { branches: 95 },
        "src/model/**": { branches: 95 },
        "src/sources/upstash/{wire,decode*,input,repair,scalars}.ts": { branches: 95 },
      },
    },
  },
});
