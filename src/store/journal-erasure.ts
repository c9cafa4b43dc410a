/** The statements that take a person out of the journal of relationships, from which an embedded graph is made at each start. */
import type { Database, SqlStatement } from './database/port.js';
import type { ErasedPerson } from './person-erasure.js';

/** The writer of what a person wrote. */
const ERASED_WRITER = 'erased';

/**
 * Takes the person out of the journal of an embedded graph, which names them no more.
 * @param journaled the last write that was there when the graph was read: one after it may be of another person of that name
 */
export function listJournalStatements({ ref, user }: ErasedPerson, journaled: number): SqlStatement[] {
  const isSide = (side: string): string =>
    `(u.value->'relationship'->'${side}'->>'type' = $1 and u.value->'relationship'->'${side}'->>'id' = $2)`;
  // The wildcard's id is that of a person who has it as a name.
  const isNamed = `(${isSide('resource')} or ${isSide('subject')} and not coalesce((u.value->'relationship'->>'wildcard')::boolean, false))`;
  return [
    {
      sql: `update relationship_journal j set updates = (
              select coalesce(jsonb_agg(u.value order by u.place), '[]')
              from jsonb_array_elements(j.updates) with ordinality u (value, place) where not coalesce(${isNamed}, false))
            where j.settled and j.sequence <= $3::bigint
              and exists (select from jsonb_array_elements(j.updates) u (value) where ${isNamed})`,
      params: [ref.type, ref.id, journaled],
    },
    {
      sql: `delete from relationship_journal where settled and sequence <= $1::bigint and updates = '[]'`,
      params: [journaled],
    },
    ...(user === undefined
      ? []
      : [
          {
            sql: 'update relationship_journal set written_by = $2 where written_by = $1',
            params: [user.caller, ERASED_WRITER],
          },
        ]),
  ];
}

/** Reads the last write of the journal; 0 where there is none. @throws Fault */
export async function readJournalEnd(database: Pick<Database, 'run'>): Promise<number> {
  const [rows] = await database.run([
    { sql: 'select coalesce(max(sequence), 0) as sequence from relationship_journal where settled' },
  ]);
  return Number(rows?.[0]?.['sequence']);
}
