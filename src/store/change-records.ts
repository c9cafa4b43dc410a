/**
 * Records of changes of what is in force. Each is stored by the statement that makes the change, so neither is there without the
 * other, and a change that changes nothing leaves none. People and values are kept out of it as they are of decisions.
 */
import { v7 as uuid } from 'uuid';
import type { StatedChange } from '../model/changes.js';
import type { EntityRef } from '../model/ids.js';
import type { SqlStatement } from './database/port.js';
import { nameRef, toSearchKey } from './record-row.js';
import { insertValuesSql, type ProtectedRecord, type RecordValues, type WrittenRecord } from './record-values.js';
import { followRows, type RowFollower } from './row-followers.js';

/** The SpiceDB definitions of users and agents, by which callers are named; undefined where the schema has none. */
export interface ChangePartyTypes {
  readonly userObject: string | undefined;
  readonly agentObject: string | undefined;
}

/** A change as its statement takes it: the JSON of its row. */
export type PreparedChange = string;

export class ChangeRecords {
  constructor(
    private readonly values: Pick<RecordValues, 'protectByKeys'>,
    private readonly partyTypes: () => ChangePartyTypes,
  ) {}

  /** Makes the record of a change, before its transaction. @throws Fault where the key of a person can't be had */
  async prepare(change: StatedChange): Promise<PreparedChange> {
    return (await this.prepareAll([change]))[0] ?? '';
  }

  /** The same, of changes that one statement stores: the people's keys are read at once. @throws Fault */
  async prepareAll(changes: readonly StatedChange[]): Promise<readonly PreparedChange[]> {
    return Promise.all(
      changes.map(async (change) => this.toRow(change, await this.values.protectByKeys(this.write(change)))),
    );
  }

  /** The user that tokens name by this id; undefined where the schema has no users. */
  nameUser(id: string | undefined): EntityRef | undefined {
    const { userObject } = this.partyTypes();
    return id === undefined || userObject === undefined ? undefined : { type: userObject, id };
  }

  /** The agent that tokens name by this id; undefined where the schema has no agents. */
  nameAgent(id: string | undefined): EntityRef | undefined {
    const { agentObject } = this.partyTypes();
    return id === undefined || agentObject === undefined ? undefined : { type: agentObject, id };
  }

  private write({ at, change: verb, by, user, agent, terms }: StatedChange): WrittenRecord {
    // The values are sealed under the id of the act: it may leave a record of each row that it changes.
    const act = uuid();
    const evaluatedAt = at.toISOString();
    const content = {
      act,
      at: evaluatedAt,
      change: verb,
      by: this.describeAuthor(by),
      ...(user === undefined ? {} : { user: toRef(user) }),
      ...(agent === undefined ? {} : { agent: toRef(agent) }),
      ...(terms === undefined ? {} : { terms }),
    };
    return { id: act, evaluatedAt, content };
  }

  private toRow(
    { kind, at, by, user, agent, about, object, row: rowKey }: StatedChange,
    { text, sealed, nameOf }: ProtectedRecord,
  ): PreparedChange {
    const author = this.describeAuthor(by);
    const keyOf = (ref: EntityRef | undefined): string | undefined => {
      const name = nameRef(ref, nameOf);
      return name === undefined ? undefined : toSearchKey(name);
    };
    const row = {
      kind,
      about,
      object,
      row_key: rowKey,
      at: at.toISOString(),
      // A person's name is in the record, and there a pseudonym.
      client: author.client ?? '',
      user_key: keyOf(user),
      agent_key: keyOf(agent),
    };
    return `${JSON.stringify(row).slice(0, -1)}${sealed},"record":${text}}`;
  }

  private describeAuthor(by: StatedChange['by']): {
    readonly client?: string;
    readonly user?: EntityRef | string;
    readonly agent?: EntityRef | string;
    readonly remit?: true;
  } {
    if (by === undefined) return { remit: true };
    if (typeof by !== 'string') return { user: toRef(by) };
    const [, kind, id] = /^(user|agent):(.+)$/su.exec(by) ?? [];
    if (kind === undefined || id === undefined) return { client: by };
    // A name that isn't one of the schema's is a value like others.
    return kind === 'user' ? { user: this.nameUser(id) ?? by } : { agent: this.nameAgent(id) ?? by };
  }
}

/** The parts of a record that the rows say: SQL over a row, `r`. */
export interface RowRecord {
  /** One that each row has, or one for each row. */
  readonly change: PreparedChange | readonly PreparedChange[];
  /** The key of a row, where each has a change of its own. A row without one would change unrecorded: select by these keys. */
  readonly row?: string;
  /** The id of what is changed, where the changes don't say. */
  readonly object?: string;
  /** The decision that it is about. */
  readonly about?: string;
  /** The state before and after, as jsonb: states, instants and marks alone, which name no person. */
  readonly before?: string;
  readonly after?: string;
  /** The rows that are recorded. */
  readonly when?: string;
}

const CHANGE_COLUMNS = `kind text, about uuid, object text, row_key text, at timestamptz, client text, user_key text, agent_key text,
  record jsonb, sealed text, persons jsonb, kept_until timestamptz`;

/** Records each row that a statement changes. */
export function recordOfRows({ change, row, object, about, before, after, when = 'true' }: RowRecord): RowFollower {
  const rows = typeof change === 'string' ? [change] : change;
  const added = Object.entries({
    object: object === undefined ? 'c.object' : `coalesce(c.object, (${object})::text)`,
    before,
    after,
  }).flatMap(([name, expression]) => (expression === undefined ? [] : [`'${name}', ${expression}`]));
  return (param) => `changes as materialized (
      select gen_random_uuid() as id, c.kind, ${about === undefined ? 'c.about' : `coalesce(c.about, ${about})`} as about,
        c.at, c.client, c.user_key, c.agent_key, c.record || jsonb_strip_nulls(jsonb_build_object(${added.join(', ')})) as record,
        c.sealed, c.persons, c.kept_until
      from r join jsonb_to_recordset(${param(`[${rows.join(',')}]`)}::jsonb) as c (${CHANGE_COLUMNS})
        on ${row === undefined ? 'true' : `c.row_key = (${row})::text`}
      where ${when}),
    recorded as (
      insert into records (id, kind, about, at, client, user_key, agent_key, protected, record)
      select id, kind, about, at, client, user_key, agent_key, true, record || jsonb_build_object('id', id) from changes),
    kept_values as (
      ${insertValuesSql('changes')})`;
}

/** Has a statement record each row that it changes. @param statement begins with no `with`, and returns what the record is made of */
export function recordChanges(statement: SqlStatement, recorded: RowRecord): SqlStatement {
  return followRows(statement, [recordOfRows(recorded)]);
}

/** The statement that records a change of which no row tells. */
export function changeStatement(change: PreparedChange): SqlStatement {
  return recordChanges({ sql: 'select 1 as changed' }, { change });
}

/** A reference alone, in this order: people are found in the text by a type that comes before its id. */
function toRef({ type, id }: EntityRef): EntityRef {
  return { type, id };
}
