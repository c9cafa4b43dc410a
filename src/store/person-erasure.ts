/**
 * The statements that erase a person from the tables. Their own rows go. The rows of others, and those that have to go on denying, stay
 * and name the person as the log does: nothing leads back from that name once the key is gone.
 *
 * Records stay as they were written. They name no person, and without the key and the sealed values they can't be opened.
 */
import { setTimeout } from 'node:timers/promises';
import { Fault } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, SqlStatement } from './database/port.js';
import { ERASURES_KEY } from './person-keys.js';
import { toSearchKey } from './record-row.js';

/** A person as the tables name them, and as they do afterwards. */
export interface ErasedPerson {
  readonly ref: EntityRef;
  /** The row of person_keys. */
  readonly row: string;
  /** The name in the log. */
  readonly name: string;
  /** Set where they are a user: as the caller of requests, and as revocations name them from now on. */
  readonly user: { readonly caller: string; readonly revokedName: string } | undefined;
}

/** Rows that one statement changes: an answer waits for it, and so do others' writes. */
const ERASED_AT_A_TIME = 1000;
const WAITING_PAUSE_MS = 20;
/** No transaction that stores records works for as long as ten seconds. */
const MAX_WAITING_ROUNDS = 500;

/**
 * Erases what the records of a person have left beside the log, a part at a time. A number of rows is theirs that no transaction
 * should take at once, and what is left of them after a crash is found again by the key, which goes last.
 * @throws Fault
 */
export async function eraseLeftovers(database: Pick<Database, 'run'>, person: ErasedPerson): Promise<void> {
  for (const statement of listLeftoverStatements(person)) {
    let changed = ERASED_AT_A_TIME;
    while (changed === ERASED_AT_A_TIME) changed = (await database.run([statement]))[0]?.length ?? 0;
  }
}

/**
 * Waits until what was being recorded is: a record that is stored at the moment at which a key goes may have found it there, and is seen
 * by no statement before its own transaction ends. Those that begin later find no key.
 * @throws Fault where one of them doesn't end
 */
export async function awaitRecordWriters(database: Pick<Database, 'run'>): Promise<void> {
  let writers = await readRecordWriters(database);
  for (let round = 0; writers.size > 0; round += 1) {
    if (round === MAX_WAITING_ROUNDS) throw new Fault('overloaded', 'a record that is still being stored');
    await setTimeout(WAITING_PAUSE_MS);
    const now = await readRecordWriters(database);
    writers = new Set([...writers].filter((writer) => now.has(writer)));
  }
}

/** Reads the transactions that have stored records, or are about to: they lock the table before they read. */
async function readRecordWriters(database: Pick<Database, 'run'>): Promise<Set<unknown>> {
  const [rows = []] = await database.run([
    {
      sql: `select virtualtransaction as writer from pg_locks
            where relation = 'records'::regclass and mode = 'RowExclusiveLock' and pid is distinct from pg_backend_pid()
              and database = (select oid from pg_database where datname = current_database())`,
    },
  ]);
  return new Set(rows.map((row) => row['writer']));
}

/** Each returns a row for each that it has changed, and finds no row again that it has changed. */
function listLeftoverStatements({ ref, row, name }: ErasedPerson): SqlStatement[] {
  const key = toSearchKey(`${ref.type}:${name}`);
  const ofPerson = `(select id from records where user_key = $1)`;
  return [
    {
      sql: `delete from idempotency_keys where key in (
              select key from idempotency_keys where decision in ${ofPerson} or released in ${ofPerson} limit ${ERASED_AT_A_TIME})
            returning 1`,
      params: [key],
    },
    // What didn't happen is told by the decision's outcome, so it goes before the decision is no longer named.
    {
      sql: `delete from history_events h using (
              select e.decision, e.place, e.key from history_events e where e.decision in ${ofPerson}
                and not exists (select from counted_events c where c.decision = e.decision and c.place = e.place and c.key = e.key)
              limit ${ERASED_AT_A_TIME}) u
            where h.decision = u.decision and h.place = u.place and h.key = u.key returning 1`,
      params: [key],
    },
    // What was used still counts, so that no limit begins anew by this; nothing says any more who used it.
    {
      sql: `update history_events h set decision = gen_random_uuid() from (
              select e.decision, e.place, e.key from history_events e where e.decision in ${ofPerson} limit ${ERASED_AT_A_TIME}) u
            where h.decision = u.decision and h.place = u.place and h.key = u.key returning 1`,
      params: [key],
    },
    {
      sql: `update limit_uses l set decision = gen_random_uuid() from (
              select u.decision, u.key from limit_uses u where u.decision in ${ofPerson} limit ${ERASED_AT_A_TIME}) u
            where l.decision = u.decision and l.key = u.key returning 1`,
      params: [key],
    },
    {
      sql: `delete from record_values where record in (
              select record from record_values where persons ? $1 limit ${ERASED_AT_A_TIME}) returning 1`,
      params: [row],
    },
  ];
}

/** Renames the person in JSON. `:type`, `:id`, `:name` and `:caller` stand for the parameters, as in all statements below. */
const renamed = (column: string): string => `rename_person(${column}, :type, :id, :name, :caller)`;
/** Whether JSON may name the person at all. */
const mayName = (column: string): string => `strpos(${column}::text, trim('"' from to_jsonb(:id)::text)) > 0`;
const isPerson = (type: string, id: string): string => `(${type} = :type and ${id} = :id)`;

/** @param sql names its parameters */
function bindPerson(sql: string, { ref, name, user }: ErasedPerson): SqlStatement {
  const values: Readonly<Record<string, string | null>> = {
    type: ref.type,
    id: ref.id,
    name,
    caller: user?.caller ?? null,
    revoked: user?.revokedName ?? null,
  };
  const used: string[] = [];
  const text = sql.replace(/(?<!:):(type|id|name|caller|revoked)\b/g, (_match, parameter: string) => {
    if (!used.includes(parameter)) used.push(parameter);
    return `$${used.indexOf(parameter) + 1}::text`;
  });
  return { sql: text, params: used.map((parameter) => values[parameter] ?? null) };
}

/** Erases the person from all tables but those of records, in one transaction with what the caller adds. */
export function listErasureStatements(person: ErasedPerson): SqlStatement[] {
  return [
    ...ENTITY_STATEMENTS,
    ...TASK_STATEMENTS,
    lockSql('consent'),
    ...CONSENT_STATEMENTS,
    lockSql('delegation'),
    ...DELEGATION_STATEMENTS,
    lockSql('revocation'),
    ...REVOCATION_STATEMENTS,
    ...REVIEW_STATEMENTS,
    EVENT_STATEMENT,
  ].map((sql) => bindPerson(sql, person));
}

function lockSql(lock: keyof typeof ADVISORY_LOCKS): string {
  return `select pg_advisory_xact_lock(${LOCK_NAMESPACE}, ${ADVISORY_LOCKS[lock]})`;
}

const ENTITY_STATEMENTS = [
  `delete from entities where ${isPerson('type', 'id')}`,
  `update entities set attributes = ${renamed('attributes')}, parents = ${renamed('parents')}
     where ${mayName('attributes')} or ${mayName('parents')}`,
];

const answeredBy = (answer: string): string =>
  `case when ${answer}->'by' = jsonb_build_object('type', :type, 'id', :id) then ${renamed(answer)} - 'note' else ${renamed(answer)} end`;
const isAskedAbout = (part: string): string =>
  `(task->'question'->'${part}'->>'type' = :type and task->'question'->'${part}'->>'id' = :id)`;
/**
 * Tasks of the person, and those about them, go: nothing is left to approve. Their answers to others stay, by a name that holds no permission,
 * so that such an approval is good no more.
 */
const TASK_STATEMENTS = [
  `delete from approval_tasks where ${isPerson('user_type', 'user_id')} or ${isAskedAbout('resource')} or ${isAskedAbout('subject')}`,
  `update approval_tasks t set task = ${renamed('task')}, denied = ${answeredBy('denied')},
     answers = (select coalesce(jsonb_agg(${answeredBy('a.value')} order by a.place), '[]')
       from jsonb_array_elements(t.answers) with ordinality a (value, place))
     where ${mayName('task')} or ${mayName('answers')} or ${mayName('denied')}`,
  // Keys of agents name the user they ask for.
  `delete from access_request_keys where :caller is not null and strpos(key, '[' || to_json(:id)::text || ',') = 1`,
  `delete from access_request_bundles where :caller is not null and user_id = :id`,
  `update access_request_bundles set items = ${renamed('items')} where ${mayName('items')}`,
];

const CONSENT_STATEMENTS = [
  `delete from consents where ${isPerson('user_type', 'user_id')}`,
  `update consents set consent = ${renamed('consent')} where ${mayName('consent')}`,
  `delete from consent_requests where ${isPerson('user_type', 'user_id')}`,
  `update consent_requests set request = ${renamed('request')} where ${mayName('request')}`,
];

const DELEGATION_STATEMENTS = [
  `delete from delegations where ${isPerson('giver_type', 'giver_id')}`,
  `update delegations set bounds = ${renamed('bounds')} where ${mayName('bounds')}`,
];

/** Tokens that were revoked stay revoked, by a name that only the deployment's key makes of the person's. */
const REVOCATION_STATEMENTS = [
  `update revocations set revocation = (revocation - 'reason') || jsonb_build_object('user', :revoked)
     where :caller is not null and revocation->>'user' = :id`,
  `update revocations set revocation = (revocation - 'reason') || jsonb_build_object('revokedBy', 'user:' || :revoked)
     where revocation->>'revokedBy' = :caller`,
];

/** Reviews of acts for the person stay open. Those of acts on the person go, since no permission on them is held any more. */
const REVIEW_STATEMENTS = [
  `delete from reviews where ${isPerson('resource_type', 'resource_id')}`,
  `update reviews set user_id = :name where ${isPerson('user_type', 'user_id')}`,
  `update reviews set barred = ${renamed('barred')}, agents = ${renamed('agents')}
     where ${mayName('barred')} or ${mayName('agents')}`,
  `update reviews set reviewer = 'user:' || :name, note = '' where reviewer = :caller`,
];

/** Events that name the person are told no more, and aren't sent. The rows stay, since the next position follows from the last. */
const EVENT_STATEMENT = `with named as (
    update events e set distributed = true, ids = '{}', user_type = null, user_id = null, permission = null,
      resource_type = null, resource_id = null
    where ${isPerson('user_type', 'user_id')} or ${isPerson('resource_type', 'resource_id')}
      or exists (select from jsonb_each_text(e.ids) v where v.value in (:type || ':' || :id, :caller))
    returning id)
  delete from deliveries d using named n where d.event = n.id`;

/** The record of the erasure, and the end of the key: the log says it once it is done. */
export function listFinalStatements(
  { ref, row, name }: ErasedPerson,
  { id, at, by }: { readonly id: string; readonly at: Date; readonly by: string | undefined },
): SqlStatement[] {
  const person = { type: ref.type, id: name };
  const record = { id, at: at.toISOString(), person, by: by === undefined ? { user: person } : { client: by } };
  return [
    {
      sql: `insert into records (id, kind, at, client, user_key, protected, record)
            values ($1::uuid, 'erasure', $2::timestamptz, $3, $4, true, $5::jsonb)`,
      params: [id, at.toISOString(), by ?? '', toSearchKey(`${ref.type}:${name}`), JSON.stringify(record)],
    },
    { sql: 'delete from person_keys where person = $1', params: [row] },
    {
      sql: `insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value`,
      params: [ERASURES_KEY, id],
    },
  ];
}
