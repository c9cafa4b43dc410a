/** All that a database holds, as its catalog lists it, so that a table which is added later is looked through as well. */
import type { Database, DatabaseRow } from '../../src/store/database/port.js';

/** The rows of each table, as their JSON. */
export async function dumpTables(database: Pick<Database, 'run'>): Promise<ReadonlyMap<string, readonly unknown[]>> {
  const [tables = []] = await database.run([
    {
      sql: `select table_name::text as name from information_schema.tables
            where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1`,
    },
  ]);
  const names = tables.map((row: DatabaseRow) => String(row['name']));
  const results = await database.run(names.map((name) => ({ sql: `select to_jsonb(t) as row from "${name}" t` })));
  return new Map(names.map((name, i) => [name, (results[i] ?? []).map((row) => row['row'])]));
}

/** Says where one of the words stands, in clear or in an encoding: `entities: Ann`. */
export function findTraces(dump: ReadonlyMap<string, readonly unknown[]>, words: readonly string[]): string[] {
  return [...dump].flatMap(([table, rows]) => {
    const text = JSON.stringify(rows);
    const clear = `${text}\n${decodeBytes(text)}`;
    return words.flatMap((word) =>
      listEncodings(word).flatMap(([encoding, encoded]) =>
        clear.toLowerCase().includes(encoded.toLowerCase()) ? [`${table}: ${word} (${encoding})`] : [],
      ),
    );
  });
}

/** Columns of bytes as the text that they may be. */
function decodeBytes(text: string): string {
  return [...text.matchAll(/\\\\x([0-9a-f]+)/g)]
    .map(([, hex = '']) => Buffer.from(hex, 'hex').toString('latin1'))
    .join('\n');
}

/** A word in base64 looks otherwise at each of three places; its first and last characters depend on its neighbours. */
function listEncodings(word: string): (readonly [encoding: string, encoded: string])[] {
  const bytes = Buffer.from(word);
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return encoded.slice(shift === 0 ? 0 : shift + 1, -2);
  });
  return [
    ['clear', word],
    ['JSON', JSON.stringify(word).slice(1, -1)],
    ['URL', encodeURIComponent(word)],
    ['hex', bytes.toString('hex')],
    ...base64.map((encoded) => ['base64', encoded] as const),
    ...base64.map((encoded) => ['base64url', encoded.replaceAll('+', '-').replaceAll('/', '_')] as const),
  ];
}
