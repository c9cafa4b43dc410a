/** Loads the world of the configuration into empty stores, once, and says where its file has changed since. */
import { displayPath } from '../config/files.js';
import type { LoadedWorld } from '../config/world.js';
import { sha256 } from '../runtime/sha256.js';
import type { Database } from '../store/database/port.js';

/** Removes a world whose loading was refused or interrupted, so that it is loaded anew. */
export async function discardPartialWorld(database: Database): Promise<void> {
  const [rows] = await database.run([{ sql: `select 1 from meta where key = 'world' and value = 'loading'` }]);
  if (rows?.length === 0) return;
  await database.run([
    { sql: 'delete from entities' },
    { sql: 'delete from relationship_journal' },
    { sql: `delete from meta where key = 'world'` },
  ]);
}

/**
 * Runs the loading of a world where the stores are empty, and marks its beginning and end.
 * @param path names the world's file in the note
 * @returns a sentence for the operator where the stores hold something else than the file; otherwise undefined
 */
export async function loadWorldOnce(
  database: Database,
  world: LoadedWorld,
  path: string,
  load: () => Promise<void>,
): Promise<string | undefined> {
  const digest = digestWorld(world);
  const [rows] = await database.run([
    {
      sql: `select exists (select from meta where key = 'world') as loaded,
              (select value from meta where key = 'world_digest') as digest,
              exists (select from entities) or exists (select from relationship_journal) as filled`,
    },
  ]);
  const { loaded, digest: loadedDigest, filled } = rows?.[0] ?? {};
  if (loaded === true || filled === true) return describeDifference(path, loaded === true, loadedDigest, digest);
  await database.run([{ sql: `insert into meta values ('world', 'loading')` }]);
  await load();
  await database.run([
    { sql: `update meta set value = 'loaded' where key = 'world'` },
    { sql: `insert into meta values ('world_digest', $1)`, params: [digest] },
  ]);
  return undefined;
}

/** @param loadedDigest null where the world was loaded before digests were kept */
function describeDifference(
  path: string,
  isLoaded: boolean,
  loadedDigest: unknown,
  digest: string,
): string | undefined {
  const cure =
    'write what has changed through /v1/relationships and /v1/entities, or start with a new data directory (or database)';
  if (!isLoaded) return `${displayPath(path)}: is not loaded, since the stores are not empty: ${cure}`;
  if (typeof loadedDigest !== 'string' || loadedDigest === digest) return undefined;
  return `${displayPath(path)}: has changed since it was loaded, and is not loaded again: ${cure}`;
}

/** Digests what the file says, whatever its comments and its form. */
function digestWorld(world: LoadedWorld): string {
  return sha256(JSON.stringify(world));
}
