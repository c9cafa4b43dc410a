/** `remit migrate`, where SpiceDB is a server: its schema. */
import type { Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { loadRules } from '../policy/load.js';
import type { Part } from './migration-target.js';

const SIGNS = { add: '+', remove: '-', change: '~' } as const;

/** undefined: it is embedded. @throws ConfigError: all of the rules are read, so that none is applied that they don't fit */
export function spicedbPart({ spicedb, sources, deadlineMs }: Config): Part | undefined {
  if (spicedb === undefined) return undefined;
  const { graph } = loadRules(readSources(sources));
  return {
    name: 'spicedb',
    run: async ({ check, yes }) => {
      const { Connection, patiently } = await import('../graph/server/connection.js');
      const { applySchema, differences } = await import('../graph/server/schema-diff.js');
      const connection = new Connection(spicedb, deadlineMs);
      try {
        const { found } = await patiently(() => differences(connection, graph), spicedb);
        const held = !yes && found.some(({ change }) => change !== 'add');
        const applied = found.length > 0 && !check && !held;
        if (applied) {
          await applySchema(connection, graph);
          const { found: left } = await differences(connection, graph);
          if (left.length > 0)
            throw new ConfigError('somebody else changes the schema at the same time', spicedb.endpoint);
        }
        return {
          result: { differences: found.map(({ change, what }) => ({ change, what })), applied },
          lines: [
            `${graph.file} against SpiceDB at ${spicedb.endpoint}:`,
            ...found.map(({ change, what }) => `  ${SIGNS[change]} ${what}`),
            said(found.length, applied, held),
          ],
          left: found.length > 0 && !applied,
        };
      } finally {
        connection.close();
      }
    },
  };
}

function said(differences: number, applied: boolean, held: boolean): string {
  if (differences === 0) return '  the same';
  if (applied) return 'Applied.';
  return held ? 'Nothing is applied: --yes removes and changes, too.' : 'Nothing is applied.';
}
