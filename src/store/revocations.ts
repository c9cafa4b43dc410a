/**
 * The store of revoked tokens and sessions. A revocation has selectors, all of which must match a token. Every process
 * holds all revocations in memory. Where other processes write to the same database, it reads newer ones before it
 * relies on its memory.
 */
import type {
  RevocationMatch,
  RevocableToken,
  Revocation,
  Revocations,
  RevocationSelectors,
} from '../model/revocations.js';
import type { StatedChange } from '../model/changes.js';
import type { EntityRef } from '../model/ids.js';
import { recordChanges, type ChangeRecords } from './change-records.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

/** Another replica's revocation must count within a second. */
const MAX_STALENESS_MS = 500;
/** Revocations before the last one that are read again each time. */
const REREAD_COUNT = 100;
const SELECTOR_NAMES = ['issuer', 'jti', 'user', 'agent', 'session'] as const;
type SelectorName = (typeof SELECTOR_NAMES)[number];

/** The revocations with the same selectors, reduced to the ones that cover most. */
interface RevocationEntry {
  /** One that covers every token that matches. */
  readonly always: Revocation | undefined;
  /** The one that covers tokens issued before the latest time. */
  readonly before: Revocation | undefined;
}

export class RevocationStore implements Revocations {
  /** The revocations, keyed by the names of their selectors, then by the values. */
  private readonly groups = new Map<
    string,
    { names: readonly SelectorName[]; entries: Map<string, RevocationEntry> }
  >();
  private lastSequence = 0;
  private loading: Promise<void> | undefined;
  private loadedAt = -Infinity;

  /**
   * @param changes records what is revoked
   * @param nameErased the name that revocations have of a user who was erased; undefined: none was
   */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
    private readonly nameErased?: (user: string) => string,
  ) {}

  async find(token: RevocableToken): Promise<RevocationMatch | undefined> {
    // A read under way may have started too long ago. Then a second one is waited for, and never a third.
    const since = performance.now() - MAX_STALENESS_MS;
    while (!this.isUpToDate(since)) await this.refresh();
    let sessionMatch: RevocationMatch | undefined;
    for (const { names, entries } of this.groups.values()) {
      for (const key of this.buildTokenKeys(names, token)) {
        const revocation = findCovering(entries.get(key), token.issuedAt);
        if (revocation === undefined) continue;
        const match = {
          id: revocation.id,
          what: names.includes('session') ? 'session' : 'token',
          selector: [...names, ...(revocation.issuedBefore === undefined ? [] : ['issued_before'])].join(', '),
        } as const;
        if (match.what === 'token') return match;
        sessionMatch = match;
      }
    }
    return sessionMatch;
  }

  /** Whether tokens with these selectors are revoked already, whenever issued: revoking them again would only cost room. */
  isRevokedForGood(selectors: RevocationSelectors): boolean {
    const names = listSelectorNames(selectors);
    return this.groups.get(names.join(' '))?.entries.get(buildSelectorKey(names, selectors))?.always !== undefined;
  }

  /** Counts the revocations that a client has made. @throws Fault */
  async countBy(revokedBy: string): Promise<number> {
    const [rows] = await this.database.run([
      { sql: `select count(*)::int as n from revocations where revocation->>'revokedBy' = $1`, params: [revokedBy] },
    ]);
    return Number(rows?.[0]?.['n'] ?? 0);
  }

  /**
   * Adds a revocation, which is durable and in force in this process when it resolves. It takes the place of those that the
   * same party made before with the same selectors.
   * @param person the user, where the revocation has another name of theirs
   * @param write runs the statements, together with others where they belong in one transaction
   * @throws Fault
   */
  async add(
    revocation: Revocation,
    write: (statements: readonly SqlStatement[]) => Promise<unknown> = (statements) => this.database.run(statements),
    person?: { readonly user: EntityRef; readonly by: string },
  ): Promise<void> {
    const { id, revokedAt, ...rest } = revocation;
    const stored = JSON.stringify(rest);
    const change = await this.changes.prepare({ ...this.stateRevocation(revocation), ...person });
    await write([
      // One at a time: sequence numbers then appear in order, so that a reader of newer ones misses none.
      { sql: 'select pg_advisory_xact_lock($1, $2)', params: [LOCK_NAMESPACE, ADVISORY_LOCKS.revocation] },
      recordChanges(
        {
          sql: 'insert into revocations (id, at, revocation) values ($1::uuid, $2::timestamptz, $3::jsonb) returning id',
          params: [id, revokedAt, stored],
        },
        { change },
      ),
      {
        sql: `delete from revocations where revocation->>'revokedBy' = $1 and id <> $2::uuid
                and revocation - 'issuedBefore' = $3::jsonb - 'issuedBefore'
                and (revocation->>'issuedBefore')::numeric <= ($3::jsonb->>'issuedBefore')::numeric`,
        params: [revocation.revokedBy, id, stored],
      },
    ]);
    this.index(revocation);
  }

  /** Lists revocations, the newest first. @throws Fault */
  async list(limit: number): Promise<readonly Revocation[]> {
    const [rows = []] = await this.database.run([
      { sql: 'select id, at, revocation from revocations order by sequence desc limit $1', params: [limit] },
    ]);
    return rows.map(parseRevocation);
  }

  private stateRevocation({
    id,
    issuer,
    jti,
    session,
    issuedBefore,
    reason,
    revokedAt,
    revokedBy,
    ...parties
  }: Revocation): StatedChange {
    const [user, agent] = [this.changes.nameUser(parties.user), this.changes.nameAgent(parties.agent)];
    return {
      kind: 'revocation',
      change: 'revoked',
      at: new Date(revokedAt),
      by: revokedBy,
      user,
      agent,
      object: id,
      terms: {
        issuer,
        jti,
        session,
        issued_before: issuedBefore,
        reason,
        ...(user === undefined ? { user: parties.user } : {}),
        ...(agent === undefined ? { agent: parties.agent } : {}),
      },
    };
  }

  /** Whether all revocations up to that moment are in memory. */
  private isUpToDate(since: number): boolean {
    return this.loadedAt >= since || (this.database.exclusive && this.loadedAt !== -Infinity);
  }

  private refresh(): Promise<void> {
    this.loading ??= this.loadNewer().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async loadNewer(): Promise<void> {
    // The answer is as old as the request for it, not as its arrival.
    const requestedAt = performance.now();
    // The last ones are read again: a server that took over from a failed one may have assigned its last sequence
    // numbers anew.
    const [rows = []] = await this.database.run([
      {
        sql: 'select sequence, id, at, revocation from revocations where sequence > $1::bigint order by sequence',
        params: [this.lastSequence - REREAD_COUNT],
      },
    ]);
    for (const row of rows) {
      this.index(parseRevocation(row));
      this.lastSequence = Math.max(this.lastSequence, Number(row['sequence']));
    }
    this.loadedAt = requestedAt;
  }

  /** Builds the keys that match the token with these selectors: one for each combination of its agents and sessions. */
  private buildTokenKeys(names: readonly SelectorName[], token: RevocableToken): string[] {
    const values: Record<SelectorName, readonly (string | undefined)[]> = {
      issuer: [token.issuer],
      jti: [token.jti],
      // Their tokens stay revoked after they were erased.
      user: token.user === undefined ? [] : [token.user, this.nameErased?.(token.user)],
      agent: token.actors.map((a) => a.id),
      session: [token.session, token.txn],
    };
    let keys: string[][] = [[]];
    for (const name of names)
      keys = keys.flatMap((key) => values[name].flatMap((value) => (value === undefined ? [] : [[...key, value]])));
    return keys.map((key) => JSON.stringify(key));
  }

  private index(revocation: Revocation): void {
    const names = listSelectorNames(revocation);
    const groupKey = names.join(' ');
    const group = this.groups.get(groupKey) ?? { names, entries: new Map<string, RevocationEntry>() };
    this.groups.set(groupKey, group);
    const key = buildSelectorKey(names, revocation);
    const { always, before } = group.entries.get(key) ?? { always: undefined, before: undefined };
    const { issuedBefore } = revocation;
    if (issuedBefore === undefined) group.entries.set(key, { always: revocation, before });
    else if (issuedBefore >= (before?.issuedBefore ?? -Infinity))
      group.entries.set(key, { always, before: revocation });
  }
}

function listSelectorNames(selectors: RevocationSelectors): SelectorName[] {
  return SELECTOR_NAMES.filter((m) => selectors[m] !== undefined);
}

function buildSelectorKey(names: readonly SelectorName[], selectors: RevocationSelectors): string {
  return JSON.stringify(names.map((m) => selectors[m]));
}

function parseRevocation(row: DatabaseRow): Revocation {
  return {
    ...(row['revocation'] as Omit<Revocation, 'id' | 'revokedAt'>),
    id: String(row['id']),
    revokedAt: (row['at'] as Date).toISOString(),
  };
}

/** Finds the revocation that covers a token of this time of issue. Without one, the token counts as older than any. */
function findCovering(entry: RevocationEntry | undefined, issuedAt: number | undefined): Revocation | undefined {
  if (entry === undefined) return undefined;
  const { always, before } = entry;
  return always ?? (before !== undefined && (issuedAt ?? 0) < (before.issuedBefore ?? 0) ? before : undefined);
}
