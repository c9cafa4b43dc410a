/** `remit migrate`, where SpiceDB is a server: its schema. */
import type { Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { loadRules } from '../policy/load.js';
import type { MigrationTarget } from './migration-target.js';

const CHANGE_SIGNS = { add: '+', remove: '-', change: '~' } as const;

/** undefined: it is embedded. @throws ConfigError: all of the rules are read, so that none is applied that they don't fit */
export function spicedbMigration({ spicedb, sources, deadlineMs }: Config): MigrationTarget | undefined {
  if (spicedb === undefined) return undefined;
  const { graph } = loadRules(readSources(sources));
  return {
    name: 'spicedb',
    run: async ({ check, yes }) => {
      const { Connection } = await import('../graph/server/connection.js');
      const { retryUntilReady: patiently } = await import('../graph/server/retry-until-ready.js');
      const { writeServerSchema: applySchema, compareServerSchema: differences } =
        await import('../graph/server/schema-diff.js');
      const connection = new Connection(spicedb, deadlineMs);
      try {
        const { differences: found } = await patiently(() => differences(connection, graph), spicedb);
        const withheld = !yes && found.some(({ change }) => change !== 'add');
        const applied = found.length > 0 && !check && !withheld;
        if (applied) {
          await applySchema(connection, graph);
          const { differences: remaining } = await differences(connection, graph);
          if (remaining.length > 0)
            throw new ConfigError('somebody else changes the schema at the same time', spicedb.endpoint);
        }
        return {
          result: { differences: found.map(({ change, item: what }) => ({ change, what })), applied },
          lines: [
            `${graph.file} against SpiceDB at ${spicedb.endpoint}:`,
            ...found.map(({ change, item: what }) => `  ${CHANGE_SIGNS[change]} ${what}`),
            outcomeLine(found.length, applied, withheld),
          ],
          pending: found.length > 0 && !applied,
        };
      } finally {
        connection.close();
      }
    },
  };
}

function outcomeLine(differences: number, applied: boolean, withheld: boolean): string {
  if (differences === 0) return '  the same';
  if (applied) return 'Applied.';
  return withheld ? 'Nothing is applied: --yes removes and changes, too.' : 'Nothing is applied.';
}
