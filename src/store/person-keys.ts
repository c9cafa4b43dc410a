/**
 * The keys of the people that records tell of: a key makes the pseudonym that the log has, and is needed to open sealed values. With
 * the key gone, the log doesn't tell any more whose the records were.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Database, SqlStatement } from './database/port.js';

/** `person` is a keyed hash of who it is, so that a copy of the table has no names. */
export const PERSON_KEY_TABLES = [`create table person_keys (person text primary key, secret bytea not null)`] as const;

export interface PersonKey {
  /** The key's row. */
  readonly person: string;
  readonly secret: Buffer;
  /** The person's name in the log. No id that SpiceDB takes begins so. */
  readonly pseudonym: string;
}

const MAX_CACHED_KEYS = 20_000;
/** The time for which a key is used that another process may have deleted meanwhile. */
const CACHE_TTL_MS = 60_000;
const PSEUDONYM_LENGTH = 22;

export class PersonKeys {
  private readonly cache = new LRUCache<string, PersonKey>({ max: MAX_CACHED_KEYS, ttl: CACHE_TTL_MS });

  /** The people whose keys are made next, once those that are being made are there: while the database is away, few wait for it. */
  private readonly wanted = new Map<string, EntityRef>();
  private next: Promise<void> | undefined;
  private current: Promise<void> = Promise.resolve();

  /** @param key of the deployment, which no copy of the database has */
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly key: Uint8Array,
  ) {}

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

  /** The person's name in the log by a secret that {@link readSecrets} has read; undefined where it hasn't. */
  nameWith(person: EntityRef, secrets: ReadonlyMap<string, Buffer>): string | undefined {
    const secret = secrets.get(this.toRowName(person));
    return secret === undefined ? undefined : this.makeName(person, secret);
  }

  /** @param before a statement by the names of the rows, which comes before they are read */
  private async load(people: readonly EntityRef[], before?: (names: readonly string[]) => SqlStatement): Promise<void> {
    const byRow = new Map(people.map((person) => [this.toRowName(person), person]));
    const names = [...byRow.keys()];
    const statements = [...(before === undefined ? [] : [before(names)]), selectKeys(names)];
    const rows = (await this.database.run(statements)).at(-1) ?? [];
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
