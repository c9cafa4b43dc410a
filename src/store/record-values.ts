/**
 * Keeps people and values out of the records: the record shows pseudonyms and commitments, and what they stand for is sealed in a row
 * beside, which goes after a while, and can't be opened once one of its people is erased.
 */
import { createHmac } from 'node:crypto';
import { formatRef, isPlainName, type EntityRef } from '../model/ids.js';
import { newRecordSeed } from '../runtime/commitment.js';
import { protectRecord, restoreRecord } from './protected-record.js';
import type { HiddenContent, ShownRecord } from './protecting-rules.js';
import { openValues, sealValues } from '../runtime/sealing.js';
import { MAX_RECORD_DEPTH, parseStrictJson } from '../runtime/strict-json.js';
import type { Database, DatabaseRow } from './database/port.js';
import { findPeople } from './find-people.js';
import { newUnknownName, PersonKeys, toTextArray, type PersonKey } from './person-keys.js';
import { RecordHold, type Hold } from './record-hold.js';

export const RECORD_VALUE_TABLES = [
  `create table record_values (
     record uuid primary key references records (id) on delete cascade,
     sealed bytea not null, persons jsonb not null, kept_until timestamptz not null)`,
  // What is encrypted can't be compressed.
  `alter table record_values alter column sealed set storage external`,
  `create index record_values_kept on record_values (kept_until)`,
] as const;

/** A row of values stays whole: cut into pieces of a table beside, with an index of its own, it takes half as long again to write. */
export const WHOLE_VALUES = `alter table record_values set (toast_tuple_target = 8160)`;

export interface ValuesOptions {
  /** The key of the deployment, 32 bytes. */
  readonly key: Uint8Array;
  /** The time for which values are kept, in milliseconds. */
  readonly keepMs: number;
  /** A legal hold keeps values beyond that. */
  readonly hold?: Hold;
  /** The SpiceDB definitions whose ids name people. */
  readonly personTypes: () => ReadonlySet<string>;
}

/** A record on its way to the store. */
export interface WrittenRecord {
  readonly id: string;
  /** RFC 3339. */
  readonly evaluatedAt: string;
  /** The record, with its facts as their JSON: they are committed to as a whole, and a part of them is never shown alone. */
  readonly content: object;
  /** People that it is about beside those that it names: its values need their keys as well. */
  readonly people?: readonly EntityRef[];
  /** The secret of the salts; absent: a new one. */
  readonly seed?: Buffer;
}

/** A record as it is stored. */
export interface ProtectedRecord {
  /** The JSON of the record without people and values. */
  readonly text: string;
  /** The length of that and of what it hides. */
  readonly bytes: number;
  /** Whether it hides anything. */
  readonly hides: boolean;
  /** Members of the row, as JSON without braces: empty where a person's key isn't known. */
  readonly sealed: string;
  /** The person's name in the log, or the id where it names none. */
  readonly nameOf: (ref: EntityRef) => string;
  /** The text by which records of a task are found. */
  readonly nameTask: (task: string) => string;
  /** The people whose keys this process doesn't know: the record has names of them that can't be told. */
  readonly unknown: readonly EntityRef[];
}

/** A record with its values, as far as they are there. */
export interface OpenedRecord {
  readonly record: unknown;
  /** The secret of its commitments' salts; undefined where the values are gone, or in clear. */
  readonly seed?: Buffer;
}

/** The content of a sealed row: what the record has not. */
interface SealedContent {
  /** The secret of the salts, in base64. */
  readonly seed: string;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The member of a record whose value {@link WrittenRecord} has as its JSON. */
const FACTS_PATH = '/facts';

/** Rows that are deleted by one statement. */
const VALUES_PRUNED_AT_A_TIME = 1000;

export class RecordValues {
  readonly people: PersonKeys;
  readonly hold: RecordHold;

  constructor(
    private readonly database: Pick<Database, 'run'> & Partial<Pick<Database, 'exclusive'>>,
    private readonly options: ValuesOptions,
  ) {
    this.people = new PersonKeys(database, options.key);
    this.hold = new RecordHold(options.hold ?? false, this.people);
  }

  /**
   * Protects a record by the keys of all its people: at once where this process knows them and of all erasures, and otherwise once
   * it has read them. A person who was erased meanwhile has another name from now on, if any.
   * @throws Fault where a key can't be had; rejects with it
   */
  protectByKeys(written: WrittenRecord): ProtectedRecord | Promise<ProtectedRecord> {
    const protectNow = (): ProtectedRecord | Promise<ProtectedRecord> => {
      const protectedRecord = this.protect(written);
      const { unknown } = protectedRecord;
      return unknown.length === 0 ? protectedRecord : this.people.ensure(unknown).then(() => this.protect(written));
    };
    return this.people.refresh()?.then(protectNow) ?? protectNow();
  }

  /** Protects a record by what this process knows: where it doesn't know the keys of all people, no values are sealed. */
  protect(written: WrittenRecord): ProtectedRecord {
    const types = this.options.personTypes();
    const keys = new Map<string, PersonKey>();
    const unknown = new Map<string, { readonly ref: EntityRef; readonly name: string }>();
    const nameOf = (ref: EntityRef): string => {
      if (!types.has(ref.type)) return ref.id;
      const key = this.people.peek(ref);
      if (key !== undefined) {
        keys.set(key.person, key);
        return key.pseudonym;
      }
      const { name } = unknown.get(formatRef(ref)) ?? { name: newUnknownName() };
      unknown.set(formatRef(ref), { ref, name });
      return name;
    };
    const { seed = newRecordSeed(), people = [] } = written;
    const names = new Map<string, string>();
    const values: string[] = [];
    const shown = protectRecord(written.content, {
      seed,
      nameOf: (ref) => {
        const name = nameOf(ref);
        if (name !== ref.id) names.set(`${ref.type}:${name}`, ref.id);
        return name;
      },
      onCommitted: (hash, value, path) =>
        values.push(`"${hash}":${path === FACTS_PATH ? String(value) : JSON.stringify(value)}`),
    });
    const hidden = values.join(',');
    // A value needs the keys of all people that it names.
    for (const person of [...findPeople(hidden, types), ...people]) nameOf(person);
    const content = `{"seed":"${seed.toString('base64')}","names":${JSON.stringify(Object.fromEntries(names))},"values":{${hidden}}}`;
    const text = JSON.stringify(shown);
    return {
      text,
      bytes: Buffer.byteLength(text) + Buffer.byteLength(content),
      hides: values.length + names.size > 0,
      sealed: unknown.size > 0 ? '' : this.seal(written, content, keys),
      nameOf,
      nameTask: (task) => this.nameTask(task),
      unknown: [...unknown.values()].map(({ ref }) => ref),
    };
  }

  /**
   * Protects what was reported of a decision. The same report has the same text, so that one which is repeated is known.
   * @param people that the decision is about: a client may write of them
   */
  protectOutcome(
    decision: string,
    { content, at, people }: { readonly content: object; readonly at: Date; readonly people: readonly EntityRef[] },
  ): ProtectedRecord | Promise<ProtectedRecord> {
    const seed = createHmac('sha256', this.options.key).update(`outcome:${decision}`).digest();
    return this.protectByKeys({
      id: toOutcomeId(decision),
      evaluatedAt: at.toISOString(),
      content,
      people,
      seed,
    });
  }

  /** The text by which records of a task are found: a sentence would tell of people. */
  nameTask(task: string): string {
    return isPlainName(task) ? task : this.people.nameText(task);
  }

  /** The name that the log has of a thing or a person; undefined where it can have none. @throws Fault */
  async findName(ref: EntityRef): Promise<string | undefined> {
    if (!this.options.personTypes().has(ref.type)) return ref.id;
    return (this.people.peek(ref) ?? (await this.people.find(ref)))?.pseudonym;
  }

  /**
   * Opens records with their values; those whose values are gone say `values_erased`.
   * @param rows with `record`, `protected`, `sealed` in base64 and `persons`; with `decision` where it is the outcome of that
   * @throws Fault
   */
  async open(rows: readonly DatabaseRow[]): Promise<readonly unknown[]> {
    return (await this.openWithSeeds(rows)).map(({ record }) => record);
  }

  /** The same, each with what the salts of its commitments are made from. @throws Fault */
  async openWithSeeds(rows: readonly DatabaseRow[]): Promise<readonly OpenedRecord[]> {
    const sealed = rows.filter((row) => row['sealed'] !== null && row['sealed'] !== undefined);
    const secrets = await this.people.readSecrets([...new Set(sealed.flatMap((row) => row['persons'] as string[]))]);
    return rows.map((row) => {
      const { record, sealed: values, persons } = row;
      const keys = ((persons ?? []) as string[]).map((person) => secrets.get(person));
      // Records of versions before have their values in clear.
      if (row['protected'] !== true) return { record };
      const text =
        typeof values === 'string' && keys.every((secret) => secret !== undefined)
          ? openValues(Buffer.from(values, 'base64'), readSealedId(row), this.options.key, keys)
          : undefined;
      if (text === undefined) return { record: { ...(record as ShownRecord), values_erased: true } };
      const { seed, names, values: hidden } = parseStrictJson(text, MAX_RECORD_DEPTH + 1) as SealedContent;
      const content: HiddenContent = {
        names: new Map(Object.entries(names)),
        values: new Map(Object.entries(hidden)),
      };
      return { record: restoreRecord(record as ShownRecord, content), seed: Buffer.from(seed, 'base64') };
    });
  }

  /** Deletes values that are no longer kept, nor on hold. @returns whether there may be more @throws Fault */
  async prune(now: Date): Promise<boolean> {
    if (this.hold.isOnAll) return false;
    const [rows = []] = await this.database.run([
      {
        sql: `delete from record_values where record in (
                select record from record_values
                where kept_until < $1::timestamptz and not persons ?| $2::text[] limit ${VALUES_PRUNED_AT_A_TIME})
              returning record`,
        params: [now.toISOString(), toTextArray(this.hold.listRows())],
      },
    ]);
    return rows.length === VALUES_PRUNED_AT_A_TIME;
  }

  private seal({ id, evaluatedAt }: WrittenRecord, content: string, people: ReadonlyMap<string, PersonKey>): string {
    const { keepMs, key } = this.options;
    const persons = [...people.keys()].sort();
    const secrets = persons.flatMap((person) => people.get(person)?.secret ?? []);
    const sealed = sealValues(content, id, key, secrets).toString('base64');
    const until = new Date(Date.parse(evaluatedAt) + keepMs).toISOString();
    return `,"sealed":"${sealed}","persons":${JSON.stringify(persons)},"kept_until":"${until}"`;
  }
}

/**
 * The id that the values are sealed under: of a change that of the act, which may have left several records; of an outcome one that
 * is made of the decision's.
 */
function readSealedId({ record, decision }: DatabaseRow): string {
  if (typeof decision === 'string') return toOutcomeId(decision);
  const { act, id } = record as ShownRecord;
  return String(act ?? id);
}

function toOutcomeId(decision: string): string {
  return `${decision} outcome`;
}

/**
 * Values that a key is missing of by now can't be opened, so they aren't stored. Each key is looked up by itself: a join might read
 * the keys of all people that there are, once a record.
 * @param source rows with the columns of record-tables.ts @param columns their types, where the source doesn't say them
 */
export function insertValuesSql(source: string, columns = ''): string {
  return `insert into record_values (record, sealed, persons, kept_until)
            select r.id, decode(r.sealed, 'base64'), r.persons, r.kept_until from ${source} r${columns}
            where r.sealed is not null and not exists (
              select from jsonb_array_elements_text(r.persons) p (person)
              where not exists (select from person_keys k where k.person = p.person offset 0))`;
}
