import { randomBytes } from 'node:crypto';
import { defineConfig } from 'vitest/config';

// Names what one run leaves on a server, until its end.
process.env.REMIT_TEST_RUN ??= randomBytes(4).toString('hex');

const common = {
  // Engines start in hooks; a first start of the embedded database takes seconds on a small machine.
  // No test is held to a time, so these only end what hangs.
  testTimeout: 120_000,
  hookTimeout: 180_000,
  pool: 'forks',
} as const;

/** The servers that there are to test on. */
const servers: Record<string, string> = {
  ...(process.env.REMIT_TEST_POSTGRES_URL === undefined ? {} : { REMIT_TEST_STORE: 'postgres' }),
  ...(process.env.REMIT_TEST_SPICEDB_BINARY === undefined ? {} : { REMIT_TEST_ENGINE: 'server' }),
};

/**
 * Everything; and what is asked over HTTP once more on servers, where REMIT_TEST_POSTGRES_URL names a PostgreSQL or
 * REMIT_TEST_SPICEDB_BINARY a SpiceDB to start: on both at once, where there are both. Decisions and lists also with
 * what a SpiceDB server has answered kept.
 */
export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: 'test/support/postgres/setup.ts',
    projects: [
      { test: { ...common, name: 'embedded', include: ['test/**/*.test.ts'] } },
      ...(Object.keys(servers).length === 0
        ? []
        : [
            {
              test: {
                ...common,
                name: 'server',
                include: ['test/{http,cases,attacks}/**/*.test.ts', 'test/lists/decide-list.test.ts'],
                env: servers,
              },
            },
          ]),
      ...(servers['REMIT_TEST_ENGINE'] === undefined
        ? []
        : [
            {
              test: {
                ...common,
                name: 'bounded',
                include: ['test/cases/**/*.test.ts', 'test/http/routes/{evaluation,filter,search}.test.ts'],
                env: { ...servers, REMIT_TEST_CONSISTENCY: 'bounded' },
              },
            },
          ]),
    ],
  },
});
