import { defineConfig } from 'vitest/config';

/** The tests run what is built and packed, against a service that is started for them. No test is held to a time. */
export default defineConfig({
  test: {
    include: ['*/test/**/*.test.ts'],
    globalSetup: 'support/start-service.ts',
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    pool: 'forks',
  },
});
