import { defineConfig } from "vitest/config";

/** `npm run test:backends`: real backends, one test file after the other. The first time it builds them for minutes. */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/backends/**/*.test.ts"],
    globalSetup: ["test/backends/setup.ts"],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
