/** The schema of a SpiceDB server, as a target of `remit migrate`. */
import type { Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { loadRules } from '../policy/load.js';
import type { MigrationTarget } from './migration-target.js';

const CHANGE_SIGNS = { add: '+', remove: '-', change: '~' } as const;

/**
 * undefined where SpiceDB is embedded.
 * @throws ConfigError where the rules don't load: a schema that the policies don't fit is not applied
 */
export function spicedbMigration({ spicedb, sources, deadlineMs }: Config): MigrationTarget | undefined {
  if (spicedb === undefined) return undefined;
  const { graph } = loadRules(readSources(sources));
  return {
    name: 'spicedb',
    run: async ({ check, yes }) => {
      const { Connection } = await import('../graph/server/connection.js');
      const { retryUntilReady } = await import('../graph/server/retry-until-ready.js');
      const { compareServerSchema, writeServerSchema } = await import('../graph/server/schema-diff.js');
      const connection = new Connection(spicedb, deadlineMs);
      try {
        const { differences } = await retryUntilReady(() => compareServerSchema(connection, graph), spicedb);
        const withheld = !yes && differences.some(({ change }) => change !== 'add');
        const applied = differences.length > 0 && !check && !withheld;
        if (applied) {
          await writeServerSchema(connection, graph);
          const { differences: remaining } = await compareServerSchema(connection, graph);
          if (remaining.length > 0)
            throw new ConfigError('another process changes the schema at the same time', spicedb.endpoint);
        }
        return {
          result: { differences: differences.map(({ change, item }) => ({ change, what: item })), applied },
          lines: [
            `${graph.file} against SpiceDB at ${spicedb.endpoint}:`,
            ...differences.map(({ change, item }) => `  ${CHANGE_SIGNS[change]} ${item}`),
            outcomeLine(differences.length, applied, withheld),
          ],
          pending: differences.length > 0 && !applied,
        };
      } finally {
        connection.close();
      }
    },
  };
}

function outcomeLine(differenceCount: number, applied: boolean, withheld: boolean): string {
  if (differenceCount === 0) return '  the same';
  if (applied) return 'Applied.';
  return withheld ? 'Nothing is applied: with --yes, it is removed and changed as well.' : 'Nothing is applied.';
}
