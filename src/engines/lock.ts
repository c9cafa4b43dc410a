/**
 * The data directory's lock: PGlite has none, and two processes on one directory lose rows silently.
 * The lock is a file that names its holder; a holder that is gone (a killed process) leaves a lock that may be taken.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { v4 as uuid } from 'uuid';
import { ConfigError } from '../model/faults.js';

interface Holder {
  readonly pid: number;
  /** When the process started, where the system tells (Linux): a pid alone may have a new owner. */
  readonly started: string | undefined;
  readonly nonce: string;
  /** Where it can be reached, if it serves. */
  readonly url?: string | undefined;
}

export interface Lock {
  /** Says where the service that holds the lock can be reached. */
  announce(url: string): void;
  release(): void;
}

/** The lock is held by a living process. */
export class Locked extends ConfigError {
  constructor(
    directory: string,
    readonly pid: number,
    readonly url: string | undefined,
  ) {
    super(`is in use by process ${pid}${url === undefined ? '' : `, which serves ${url}`}`, directory);
  }
}

/** Makes the directory (mode 0700) if need be and takes its lock. @throws Locked */
export function lockDirectory(directory: string): Lock {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'lock');
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), nonce: uuid() };
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (claim(file, mine)) return held(file, mine);
    const holder = read(file);
    if (holder === undefined) continue; // Gone in between.
    if (alive(holder)) throw new Locked(directory, holder.pid, holder.url);
    takeAway(file, holder);
  }
  throw new ConfigError('its lock changes hands too fast', directory);
}

/** A link fails where the file is there: it appears at once and whole, or not at all. */
function claim(file: string, mine: Holder): boolean {
  const draft = `${file}.${mine.nonce}`;
  writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** Removes a dead holder's lock, and only that: another process may have done so and locked meanwhile. */
function takeAway(file: string, dead: Holder): void {
  const aside = `${file}.${uuid()}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (read(aside)?.nonce !== dead.nonce) {
    try {
      linkSync(aside, file);
    } catch {
      // A third process has it now, and the second one's claim is lost: it will find so when it announces.
    }
  }
  rmSync(aside, { force: true });
}

function held(file: string, mine: Holder): Lock {
  return {
    announce: (url) => {
      if (read(file)?.nonce !== mine.nonce) throw new ConfigError('the lock was taken by another process', file);
      const draft = `${file}.${mine.nonce}`;
      writeFileSync(draft, JSON.stringify({ ...mine, url }), { mode: 0o600 });
      renameSync(draft, file);
    },
    release: () => {
      if (read(file)?.nonce === mine.nonce) rmSync(file, { force: true });
    },
  };
}

function read(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function alive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const started = startOf(holder.pid);
  return started === undefined || holder.started === undefined || started === holder.started;
}

function startOf(pid: number): string | undefined {
  try {
    // Field 22 of stat, counted after the command's name, which may have blanks and parentheses.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
  } catch {
    return undefined;
  }
}
