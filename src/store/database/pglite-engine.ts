/**
 * PGlite in this thread, held to what a PostgreSQL server does by itself: a database is there whole or not at all, and a
 * server that panics ends.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { endBrokenWorker } from '../../runtime/worker-thread.js';
import { copyEmptyDatabase, locateEmptyDatabase } from './empty-database.js';

/** The exit status by which PostgreSQL's code jumps back to its loop after an error that it has dealt with. */
const JUMP_STATUS = 100;

/** PGlite's calls into PostgreSQL while it works. It catches and ignores what the first one throws. */
const POSTGRES_CALLS = [
  '_PostgresMainLoopOnce',
  '_PostgresMainLongJmp',
  '_PostgresSendReadyForQueryIfNecessary',
  '_pgl_pq_flush',
] as const;

/**
 * Opens the database of the directory, or makes one there.
 * @throws Error in PostgreSQL's own words, where it has said why
 */
export async function openPglite(directory: string): Promise<PGlite> {
  if (!existsSync(join(directory, 'PG_VERSION'))) await makeDatabase(directory);
  return startPglite(directory);
}

/** Makes the empty database that new ones begin with, where there is none by this PGlite: a step of the build. */
export async function makeEmptyDatabase(directory = locateEmptyDatabase()): Promise<void> {
  if (!existsSync(directory)) await makeDatabase(directory);
}

/**
 * Makes the files under another name, since PGlite takes a directory that a killed process left with half of them for a
 * whole one, and never starts on it.
 */
async function makeDatabase(directory: string): Promise<void> {
  const draft = `${directory}.draft`;
  rmSync(draft, { recursive: true, force: true });
  if (!copyEmptyDatabase(draft)) {
    const database = await startPglite(draft);
    await database.close();
  }
  renameSync(draft, directory);
}

async function startPglite(place: string): Promise<PGlite> {
  const panics = new PanicLog();
  try {
    const database = await PGlite.create(place, { onStderr: (line) => panics.read(line) });
    endThreadWhenBroken(database, panics);
    return database;
  } catch (error) {
    throw panics.last === undefined ? error : new Error(panics.last, { cause: error });
  }
}

/** The reason that PostgreSQL gives in its log before it ends. */
class PanicLog {
  last: string | undefined;

  /** @returns false, for PGlite to go on with the line */
  read(line: string): boolean {
    this.last = /\b(?:PANIC|FATAL): .*/.exec(line)?.[0] ?? this.last;
    return false;
  }
}

/**
 * Ends the thread where PostgreSQL has aborted. PGlite would go on, in a database that is in no state any more: calls
 * answer nothing, or never end.
 */
function endThreadWhenBroken({ Module: postgres }: PGlite, panics: PanicLog): void {
  for (const name of POSTGRES_CALLS) {
    const call = postgres[name];
    postgres[name] = () => {
      try {
        call();
      } catch (error) {
        if ((error as { status?: unknown }).status === JUMP_STATUS) throw error;
        endBrokenWorker(panics.last ?? String(error));
      }
    };
  }
}
