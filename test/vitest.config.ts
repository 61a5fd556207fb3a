import { defineConfig } from "vitest/config";

/** `npm test`: everything but the suites that start many processes (see the other configs here). */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "test/backends/**"],
    testTimeout: 30_000,
    coverage: {
      provider: "v8",
      include: ["src/**"],
      reporter: ["text-summary", "json-summary"],
      thresholds: {
        "src/trace/**": { branches: 95 },
        "src/model/**": { branches: 95 },
        "src/sources/upstash/{wire,decode}*.ts": { branches: 95 },
      },
    },
  },
});
