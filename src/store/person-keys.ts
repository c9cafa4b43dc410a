/**
 * The keys of the people that records tell of: a key makes the pseudonym that the log has, and is needed to open sealed values. With
 * the key gone, the log doesn't tell any more whose the records were.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

/** `person` is a keyed hash of who it is, so that a copy of the table has no names. */
export const PERSON_KEY_TABLES = [`create table person_keys (person text primary key, secret bytea not null)`] as const;

export interface PersonKey {
  /** The key's row. */
  readonly person: string;
  readonly secret: Buffer;
  /** The person's name in the log. No id that SpiceDB takes begins so. */
  readonly pseudonym: string;
}

/** The row of `meta` that changes with each erasure: replicas forget their keys by it. */
export const ERASURES_KEY = 'erasures';

const MAX_CACHED_KEYS = 20_000;
const CACHE_TTL_MS = 60_000;
/** Another replica's erasure must count within a second. */
const MAX_ERASURE_STALENESS_MS = 500;
const PSEUDONYM_LENGTH = 22;

export class PersonKeys {
  private readonly cache = new LRUCache<string, PersonKey>({ max: MAX_CACHED_KEYS, ttl: CACHE_TTL_MS });

  /** The people whose keys are made next, once those that are being made are there: while the database is away, few wait for it. */
  private readonly wanted = new Map<string, EntityRef>();
  private next: Promise<void> | undefined;
  private current: Promise<void> = Promise.resolve();
  /** Raised where keys are forgotten, so that none is kept which was read before. */
  private generation = 0;
  private lastErasure: string | undefined;
  private refreshing: Promise<void> | undefined;
  private refreshedAt = -Infinity;

  /** @param key of the deployment, which no copy of the database has */
  constructor(
    private readonly database: Pick<Database, 'run'> & Partial<Pick<Database, 'exclusive'>>,
    private readonly key: Uint8Array,
  ) {}

  /**
   * Forgets the keys that another process may have deleted.
   * @returns undefined where this process knows of all erasures but those of the last moment
   */
  refresh(): Promise<void> | undefined {
    if (this.database.exclusive === true || this.refreshedAt >= performance.now() - MAX_ERASURE_STALENESS_MS)
      return undefined;
    this.refreshing ??= this.readErasures().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  /** Forgets a key that is deleted. */
  forget(person: EntityRef): void {
    this.generation += 1;
    this.cache.delete(formatRef(person));
  }

  private async readErasures(): Promise<void> {
    // The answer is as old as the request for it.
    const requestedAt = performance.now();
    const [rows] = await this.database.run([{ sql: 'select value from meta where key = $1', params: [ERASURES_KEY] }]);
    const value = rows?.[0]?.['value'];
    const last = typeof value === 'string' ? value : '';
    if (this.lastErasure !== undefined && this.lastErasure !== last) {
      this.generation += 1;
      this.cache.clear();
    }
    this.lastErasure = last;
    this.refreshedAt = requestedAt;
  }

  /** The person's key where this process knows it. */
  peek(person: EntityRef): PersonKey | undefined {
    return this.cache.get(formatRef(person));
  }

  /** Reads the keys of these people, and makes those that there are none of. @throws Fault */
  ensure(people: readonly EntityRef[]): Promise<void> {
    for (const person of people) this.wanted.set(formatRef(person), person);
    this.next ??= this.current.then(() => {
      const wanted = [...this.wanted.values()];
      this.wanted.clear();
      this.next = undefined;
      const made = this.load(wanted, makeKeys);
      this.current = made.catch(() => undefined);
      return made;
    });
    return this.next;
  }

  /** The name of the person's row, whether or not there is one. */
  toRowName(person: EntityRef): string {
    return this.hash('person', formatRef(person));
  }

  /** The user's name in revocations once they are erased: it goes on denying, and the database alone doesn't say who it is. */
  toRevokedName(user: string): string {
    return `~${this.hash('revoked', user)}`;
  }

  /**
   * The name under which an event is stored that the past is asked by. It is made of the names of people, and by a key, so that
   * a copy of the database doesn't say whether one of them is among them.
   */
  toEventName(name: string): string {
    return this.hash('event', name);
  }

  /** The name under which uses of a limit are stored: they count together by what people are named, as events are. */
  toLimitName(name: string): string {
    return this.hash('limit', name);
  }

  /** The name under which a retry is known: what the question states is in it. */
  toRetryName(name: string): string {
    return this.hash('retry', name);
  }

  /** Finds the person's key; undefined where there is none. @throws Fault */
  async find(person: EntityRef): Promise<PersonKey | undefined> {
    await this.load([person]);
    return this.peek(person);
  }

  /** Reads the secrets of rows, by their names; those that are gone are not among them. @throws Fault */
  async readSecrets(people: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    if (people.length === 0) return new Map();
    const [rows = []] = await this.database.run([selectKeys(people)]);
    return new Map(rows.map((row) => [String(row['person']), Buffer.from(String(row['secret']), 'base64')]));
  }

  /** The name of a text that may be about people: it is found by the text, and doesn't tell it. */
  nameText(text: string): string {
    return `~${this.hash('text', text)}`;
  }

  /** @param before a statement by the names of the rows, which comes before they are read */
  private async load(people: readonly EntityRef[], before?: (names: readonly string[]) => SqlStatement): Promise<void> {
    const byRow = new Map(people.map((person) => [this.toRowName(person), person]));
    const names = [...byRow.keys()];
    const statements = [...(before === undefined ? [] : [before(names)]), selectKeys(names)];
    let rows: readonly DatabaseRow[];
    let readOf: number;
    do {
      readOf = this.generation;
      rows = (await this.database.run(statements)).at(-1) ?? [];
    } while (readOf !== this.generation);
    for (const row of rows) {
      const ref = byRow.get(String(row['person']));
      if (ref === undefined) continue;
      const secret = Buffer.from(String(row['secret']), 'base64');
      this.cache.set(formatRef(ref), { person: String(row['person']), secret, pseudonym: this.makeName(ref, secret) });
    }
  }

  private makeName(person: EntityRef, secret: Buffer): string {
    return `~${this.hash('pseudonym', secret, formatRef(person)).slice(0, PSEUDONYM_LENGTH)}`;
  }

  private hash(use: string, ...parts: readonly (string | Buffer)[]): string {
    const hmac = createHmac('sha256', this.key).update(`${use}:`);
    for (const part of parts) hmac.update(part);
    return hmac.digest('base64url');
  }
}

/** A name of the same form, which is no person's. */
export function newUnknownName(): string {
  return `~${randomBytes(PSEUDONYM_LENGTH).toString('base64url').slice(0, PSEUDONYM_LENGTH)}`;
}

/** Makes those that there are none of, in one order: so two transactions that make the same don't wait for each other in a circle. */
function makeKeys(names: readonly string[]): SqlStatement {
  return {
    sql: `insert into person_keys (person, secret)
          select p, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) from unnest($1::text[]) p order by p
          on conflict do nothing`,
    params: [toTextArray(names)],
  };
}

function selectKeys(names: readonly string[]): SqlStatement {
  return {
    sql: `select person, encode(secret, 'base64') as secret from person_keys where person = any ($1::text[])`,
    params: [toTextArray(names)],
  };
}

/** An array of names of rows: they are base64url, so that they need no quotes. */
export function toTextArray(names: readonly string[]): string {
  return `{${names.join(',')}}`;
}
