import { defineConfig } from 'vitest/config';

const common = {
  // Engines start in hooks; a first start of the embedded database takes seconds on a small machine.
  testTimeout: 30_000,
  hookTimeout: 60_000,
  pool: 'forks',
  maxWorkers: 2,
} as const;

/** What is held to SpiceDB servers as well, each start to one of its own. */
const ON_SERVER = [
  'test/cases/**/*.test.ts',
  'test/http/**/*.test.ts',
  'test/attacks.test.ts',
  'test/attacks/**/*.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      { test: { ...common, name: 'embedded', include: ['test/**/*.test.ts'] } },
      ...(process.env.REMIT_TEST_SPICEDB_BINARY === undefined
        ? []
        : [{ test: { ...common, name: 'server', include: ON_SERVER, env: { REMIT_TEST_ENGINE: 'server' } } }]),
    ],
  },
});
