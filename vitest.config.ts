import { randomBytes } from 'node:crypto';
import { defineConfig } from 'vitest/config';

// Names what one run leaves on a server, until its end.
process.env.REMIT_TEST_RUN ??= randomBytes(4).toString('hex');

const common = {
  // Engines start in hooks; a first start of the embedded database takes seconds on a small machine.
  testTimeout: 30_000,
  hookTimeout: 60_000,
  pool: 'forks',
} as const;

/** Everything; and, where REMIT_TEST_POSTGRES_URL names a server, what is asked over HTTP once more on PostgreSQL. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: 'test/postgres/setup.ts',
    projects: [
      { test: { ...common, name: 'embedded', include: ['test/**/*.test.ts'] } },
      ...(process.env.REMIT_TEST_POSTGRES_URL === undefined
        ? []
        : [
            {
              test: {
                ...common,
                name: 'postgres',
                include: ['test/{http,cases,attacks}/**/*.test.ts', 'test/attacks.test.ts'],
                env: { REMIT_TEST_STORE: 'postgres' },
              },
            },
          ]),
    ],
  },
});
