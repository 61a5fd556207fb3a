import { defineConfig } from "vitest/config";

/** `npm run test:e2e`: whole processes, one file after the other, so that they do not take each other's processor time. */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/e2e/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
