/**
 * Revocations: tokens and sessions that have been taken back. A revocation names what it is about by selectors, all of
 * which must fit; the newest wins over everything that is kept of a token. Every process holds all of them in memory
 * and, where others write to the same database, asks for newer ones before it relies on its own.
 */
import type { Ended, Revocable, Revocation, Revocations, Selectors } from '../model/revocations.js';
import { LOCKS, REMIT } from './database/locks.js';
import type { Database, Row } from './database/port.js';

/** Another replica's revocation must count within a second. */
const FRESH_MS = 500;
/** Revocations that are read again each time. */
const AGAIN = 100;
const MEMBERS = ['issuer', 'jti', 'user', 'agent', 'session'] as const;
type Member = (typeof MEMBERS)[number];

/** Of those with the same selectors. Times only ever cover more. */
interface Entry {
  readonly always: Revocation | undefined;
  readonly before: Revocation | undefined;
}

export class RevocationStore implements Revocations {
  /** By which members they select, then by those members' values. */
  private readonly kinds = new Map<string, { members: readonly Member[]; entries: Map<string, Entry> }>();
  private last = 0;
  private loading: Promise<void> | undefined;
  private loadedAt = -Infinity;

  constructor(private readonly database: Database) {}

  async find(token: Revocable): Promise<Ended | undefined> {
    // One that is on its way may have been asked for too long ago; then a second is waited for, and never a third.
    const since = performance.now() - FRESH_MS;
    while (!this.isKnown(since)) await this.refresh();
    let session: Ended | undefined;
    for (const { members, entries } of this.kinds.values()) {
      for (const key of keysOf(members, token)) {
        const found = covering(entries.get(key), token.issuedAt);
        if (found === undefined) continue;
        const ended = {
          id: found.id,
          what: members.includes('session') ? 'session' : 'token',
          selector: [...members, ...(found.issuedBefore === undefined ? [] : ['issued_before'])].join(', '),
        } as const;
        if (ended.what === 'token') return ended;
        session = ended;
      }
    }
    return session;
  }

  /** Whether the same has been revoked for good already: to say it again would only cost room. */
  has(selectors: Selectors): boolean {
    const members = membersOf(selectors);
    return this.kinds.get(members.join(' '))?.entries.get(keyOf(members, selectors))?.always !== undefined;
  }

  /** How many revocations are of this caller's making. @throws Fault */
  async countBy(revokedBy: string): Promise<number> {
    const [rows] = await this.database.run([
      { sql: `select count(*)::int as n from revocations where revocation->>'revokedBy' = $1`, params: [revokedBy] },
    ]);
    return Number(rows?.[0]?.['n'] ?? 0);
  }

  /** Durable, and in force in this process, when it resolves. @throws Fault */
  async add(revocation: Revocation): Promise<void> {
    const { id, revokedAt, ...rest } = revocation;
    await this.database.run([
      // One after the other: sequence numbers then appear in order, so that nobody who asks for newer ones misses one.
      { sql: 'select pg_advisory_xact_lock($1, $2)', params: [REMIT, LOCKS.revocation] },
      {
        sql: 'insert into revocations (id, at, revocation) values ($1::uuid, $2::timestamptz, $3::jsonb)',
        params: [id, revokedAt, JSON.stringify(rest)],
      },
    ]);
    this.hold(revocation);
  }

  /** The newest first, at most `limit`. @throws Fault */
  async list(limit: number): Promise<readonly Revocation[]> {
    const [rows = []] = await this.database.run([
      { sql: 'select id, at, revocation from revocations order by sequence desc limit $1', params: [limit] },
    ]);
    return rows.map(revocationOf);
  }

  /** Whether all revocations up to that moment are held: a decision then waits for nothing. */
  private isKnown(since: number): boolean {
    return this.loadedAt >= since || (this.database.exclusive && this.loadedAt !== -Infinity);
  }

  private refresh(): Promise<void> {
    this.loading ??= this.load().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async load(): Promise<void> {
    // As old as the moment at which it was asked for, not as that at which it came.
    const askedAt = performance.now();
    // Those just before the last are read again: a server that took over from one that was lost may have given out
    // its last numbers anew.
    const [rows = []] = await this.database.run([
      {
        sql: 'select sequence, id, at, revocation from revocations where sequence > $1::bigint order by sequence',
        params: [this.last - AGAIN],
      },
    ]);
    for (const row of rows) {
      this.hold(revocationOf(row));
      this.last = Math.max(this.last, Number(row['sequence']));
    }
    this.loadedAt = askedAt;
  }

  private hold(revocation: Revocation): void {
    const members = membersOf(revocation);
    const name = members.join(' ');
    const kind = this.kinds.get(name) ?? { members, entries: new Map<string, Entry>() };
    this.kinds.set(name, kind);
    const key = keyOf(members, revocation);
    const { always, before } = kind.entries.get(key) ?? { always: undefined, before: undefined };
    const { issuedBefore } = revocation;
    if (issuedBefore === undefined) kind.entries.set(key, { always: revocation, before });
    else if (issuedBefore >= (before?.issuedBefore ?? -Infinity)) kind.entries.set(key, { always, before: revocation });
  }
}

function membersOf(selectors: Selectors): Member[] {
  return MEMBERS.filter((m) => selectors[m] !== undefined);
}

function keyOf(members: readonly Member[], selectors: Selectors): string {
  return JSON.stringify(members.map((m) => selectors[m]));
}

function revocationOf(row: Row): Revocation {
  return {
    ...(row['revocation'] as Omit<Revocation, 'id' | 'revokedAt'>),
    id: String(row['id']),
    revokedAt: (row['at'] as Date).toISOString(),
  };
}

/** The keys under which a revocation of these members would be found: one for each agent and session of the token. */
function keysOf(members: readonly Member[], token: Revocable): string[] {
  const values: Record<Member, readonly (string | undefined)[]> = {
    issuer: [token.issuer],
    jti: [token.jti],
    user: [token.user],
    agent: token.actors.map((a) => a.id),
    session: [token.session, token.txn],
  };
  let keys: string[][] = [[]];
  for (const member of members)
    keys = keys.flatMap((key) => values[member].flatMap((value) => (value === undefined ? [] : [[...key, value]])));
  return keys.map((key) => JSON.stringify(key));
}

/** A token that doesn't say when it was issued may be as old as any. */
function covering(entry: Entry | undefined, issuedAt: number | undefined): Revocation | undefined {
  if (entry === undefined) return undefined;
  const { always, before } = entry;
  return always ?? (before !== undefined && (issuedAt ?? 0) < (before.issuedBefore ?? 0) ? before : undefined);
}
