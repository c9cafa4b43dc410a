/**
 * The store of delegations: what narrows each, and whether the graph has it as the database says. Decisions read it; it is
 * cached only where no other process writes. What becomes of the relationships is govern/delegation-keeper.ts's business.
 */
import { v4 as uuid } from 'uuid';
import {
  delegationKey,
  type DelegationBounds,
  type DelegationMap,
  type DelegationPair,
  type Delegations,
  type DelegationState,
} from '../model/delegations.js';
import type { EventName } from '../model/events.js';
import type { EntityRef } from '../model/ids.js';
import type { ChangeRecords, PreparedChange } from './change-records.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import { KeyedReads } from './keyed-reads.js';
import { partySql, tellOf, type RowEvent } from './outbox.js';
import { ReadBatch } from './read-batch.js';

/** A delegation with what only its writers need. */
export interface StoredDelegation extends DelegationPair {
  /** `closed`: it has ended for good, and only says who ended it. Decisions know nothing of it. */
  readonly state: DelegationState['state'] | 'closed';
  readonly bounds: DelegationBounds;
  /** `user:…`, or the id of a client. */
  readonly madeBy: string;
  /** RFC 3339. */
  readonly madeAt: string;
  /** Another after each write. */
  readonly version: string;
  /** Whether the graph has what the database says. */
  readonly settled: boolean;
  /** Whether the agent stays barred from what others pass on. */
  readonly bars: boolean;
}

/** The number of delegations that a user may have, ended ones that aren't settled included. */
export const MAX_DELEGATIONS_OF_USER = 1000;
/** The marks of ended delegations of a user that are kept, the newest; those of stopped agents all are. */
export const MAX_CLOSED_OF_USER = 1000;
/** The delegation that a new one may take the place of. */
export interface DelegationReplacement {
  readonly replaces?: string;
  readonly onlyBy?: string;
  readonly keepsBar?: boolean;
}

/** Says that a user may give no more. */
export const TOO_MANY = Symbol('too many delegations');
/** Longer than any write to the graph takes: until then one may arrive of a process that has died. */
const WRITER_SECONDS = 60;

const LOOKUP_SQL_OF_DELEGATIONS = `
  select a.position, d.state, d.bounds, d.bars
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
    as a (giver_type, giver_id, agent_type, agent_id, position)
  cross join lateral (select state, bounds, bars from delegations
    where giver_type = a.giver_type and giver_id = a.giver_id and agent_type = a.agent_type and agent_id = a.agent_id
      and state <> 'closed'
    offset 0) d`;
/** The rows that take a place of the user's. */
const IN_PLACE = `state in ('given', 'ended')`;
const PAIR = 'giver_type = $1 and giver_id = $2 and agent_type = $3 and agent_id = $4';
const LOCK: SqlStatement = {
  sql: 'select pg_advisory_xact_lock($1, $2)',
  params: [LOCK_NAMESPACE, ADVISORY_LOCKS.delegation],
};

export class DelegationStore implements Delegations {
  private readonly reads: KeyedReads<DelegationPair, DelegationState | undefined>;

  /**
   * @param changes records what becomes of delegations
   * @param reads sends what a turn reads
   */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
    reads = new ReadBatch(database),
  ) {
    this.reads = new KeyedReads(database, reads, {
      keyOf: delegationKey,
      sql: LOOKUP_SQL_OF_DELEGATIONS,
      columnsOf: pairParams,
      toValue: ([row]) => row && toDelegationState(row),
    });
  }

  fetch(pairs: readonly DelegationPair[]): Promise<DelegationMap> {
    return this.reads.fetch(pairs);
  }

  /** Reads one delegation as it is stored now. @throws Fault */
  async find(pair: DelegationPair): Promise<StoredDelegation | undefined> {
    const [rows] = await this.database.run([
      { sql: `select * from delegations where ${PAIR}`, params: pairParams(pair) },
    ]);
    return rows?.[0] === undefined ? undefined : toStoredDelegation(rows[0]);
  }

  /** Lists the delegations that a user has given, or whose end isn't settled, by the agents' ids. @throws Fault */
  async list(giver: EntityRef): Promise<readonly StoredDelegation[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select * from delegations where giver_type = $1 and giver_id = $2 and ${IN_PLACE}
              order by agent_type, agent_id collate "C" limit ${2 * MAX_DELEGATIONS_OF_USER}`,
        params: [giver.type, giver.id],
      },
    ]);
    return rows.map(toStoredDelegation);
  }

  /**
   * Gives a delegation, in place of the one that there is.
   * @param replaces the version that it may take the place of; undefined: any, and `absent`: none
   * @param onlyBy the party whose own it may take the place of, and none that was stopped; undefined: any party's
   * @param keepsBar whether an agent that was stopped stays barred from what others pass on
   * @returns the new version; undefined where what there is may not be replaced, TOO_MANY where the giver has too many
   * @throws Fault
   */
  async put(
    pair: DelegationPair,
    bounds: DelegationBounds,
    made: { readonly by: string; readonly at: Date },
    { replaces, onlyBy, keepsBar = false }: DelegationReplacement = {},
  ): Promise<string | typeof TOO_MANY | undefined> {
    const version = uuid();
    // What takes the place of a version that was seen narrows it, and gives nothing.
    const isNarrowing = replaces !== undefined && replaces !== 'absent';
    const change = await this.prepareChange(pair, isNarrowing ? 'narrowed' : 'given', made, bounds);
    const results = await this.write([
      LOCK,
      {
        sql: `select (select count(*)::int from delegations where giver_type = $1 and giver_id = $2 and ${IN_PLACE}) as n,
                exists (select 1 from delegations where ${PAIR} and ${IN_PLACE}) as there`,
        params: pairParams(pair),
      },
      tellOf(
        {
          sql: `insert into delegations as d (giver_type, giver_id, agent_type, agent_id, state, bounds, ends, made_by,
                made_at, version, settled, writer_until)
              select $1::text, $2::text, $3::text, $4::text, 'given', $5::jsonb, $6::timestamptz, $7::text,
                $8::timestamptz, $9::uuid, false, now() + interval '${WRITER_SECONDS} seconds'
              where (exists (select 1 from delegations where ${PAIR} and ${IN_PLACE})
                or (select count(*) from delegations where giver_type = $1 and giver_id = $2 and ${IN_PLACE})
                  < ${MAX_DELEGATIONS_OF_USER})
                and ($10::text is null or exists (select 1 from delegations where ${PAIR}) = ($10 <> 'absent'))
              on conflict (giver_type, giver_id, agent_type, agent_id) do update set
                state = 'given', bounds = excluded.bounds, ends = excluded.ends, made_by = excluded.made_by,
                made_at = excluded.made_at, version = excluded.version, settled = false, bars = d.bars and $12::boolean, marks = false,
                writer_until = excluded.writer_until, others_until = ${OTHERS_UNTIL}
              where ($10::text is null or d.version::text = $10)
                and ($11::text is null or (d.made_by = $11 and not d.bars))
              returning *`,
          params: [
            ...pairParams(pair),
            JSON.stringify(bounds),
            bounds.ends ?? null,
            made.by,
            made.at.toISOString(),
            version,
            replaces ?? null,
            onlyBy ?? null,
            keepsBar,
          ],
        },
        { ...delegationEvent('delegation.given', made.at), when: isNarrowing ? 'false' : 'true' },
        { change, ...RECORDED_STATES },
      ),
    ]);
    const [before] = results[1] ?? [];
    if (results[2]?.[0] !== undefined) return version;
    return before?.['there'] !== true && Number(before?.['n']) >= MAX_DELEGATIONS_OF_USER ? TOO_MANY : undefined;
  }

  /**
   * Ends a delegation, and denies what the graph still says, also where the database knew nothing of it.
   * @param bars whether the agent stays barred from what others pass on
   * @param alongside statements of the same transaction
   * @param version the only one to end; undefined for any
   * @param cause says that Remit itself ends it: its time is over, or the graph refuses its relationship
   * @returns whether it was ended
   * @throws Fault
   */
  async end(
    pair: DelegationPair,
    made: { readonly by: string; readonly at: Date },
    {
      bars = false,
      alongside = [],
      version,
      cause,
    }: {
      readonly bars?: boolean;
      readonly alongside?: readonly SqlStatement[];
      readonly version?: string;
      readonly cause?: 'expired' | 'refused';
    } = {},
  ): Promise<boolean> {
    const by = cause === undefined ? made.by : undefined;
    const change = await this.prepareChange(pair, cause ?? (bars ? 'stopped' : 'ended'), { by, at: made.at });
    const results = await this.write([
      ...alongside,
      LOCK,
      tellOf(
        {
          sql: `insert into delegations as d (giver_type, giver_id, agent_type, agent_id, state, bounds, made_by, made_at,
                version, settled, bars, marks)
              values ($1, $2, $3, $4, 'ended', $5::jsonb, $6, $7::timestamptz, $8::uuid, false, $9, true)
              on conflict (giver_type, giver_id, agent_type, agent_id) do update set
                state = 'ended', ends = null, version = excluded.version, settled = false,
                made_by = excluded.made_by, made_at = excluded.made_at, bars = excluded.bars or d.bars,
                marks = d.marks or d.made_by <> excluded.made_by or d.made_by like 'user:%',
                others_until = ${OTHERS_UNTIL}, writer_until = null
              where $10::text is null or d.version::text = $10
              returning *`,
          params: [
            ...pairParams(pair),
            JSON.stringify(ENDED_BOUNDS),
            made.by,
            made.at.toISOString(),
            uuid(),
            bars,
            version ?? null,
          ],
        },
        {
          ...delegationEvent('delegation.ended', made.at),
          when: `not exists (select from delegations o where o.giver_type = r.giver_type and o.giver_id = r.giver_id
            and o.agent_type = r.agent_type and o.agent_id = r.agent_id and o.state <> 'given')`,
        },
        // To end again what has ended changes nothing, unless the agent is barred now.
        {
          change,
          ...RECORDED_STATES,
          when: `not exists (${BEFORE} and o.state <> 'given' and (o.bars or not r.bars))`,
        },
      ),
    ]);
    return results.at(-1)?.[0] !== undefined;
  }

  /** Notes that the graph has the delegation as this version says. @returns whether it still is that version. @throws Fault */
  async settle(pair: DelegationPair, version: string): Promise<boolean> {
    const [rows] = await this.write([
      {
        sql: `update delegations set settled = true, writer_until = null
              where ${PAIR} and version = $5::uuid and state = 'given' returning version`,
        params: [...pairParams(pair), version],
      },
    ]);
    return rows?.[0] !== undefined;
  }

  /**
   * Forgets an ended delegation whose relationship is gone. It leaves a bar where the agent was stopped, and a mark where
   * another than the client that gave it has ended it. While another writer may be at work it stays as it is.
   * @returns whether it still is that version
   * @throws Fault
   */
  async forget(pair: DelegationPair, version: string): Promise<boolean> {
    const params = [...pairParams(pair), version];
    const condition = `${PAIR} and version = $5::uuid and state = 'ended'`;
    const isQuiet = `(others_until is null or others_until < now())`;
    const [rows] = await this.write([
      { sql: `select 1 from delegations where ${condition}`, params },
      { sql: `delete from delegations where ${condition} and ${isQuiet} and not (bars or marks)`, params },
      {
        sql: `update delegations set state = case when bars then 'barred' else 'closed' end, settled = true
              where ${condition} and ${isQuiet}`,
        params,
      },
      {
        sql: `delete from delegations where (giver_type, giver_id, agent_type, agent_id) in (
                select giver_type, giver_id, agent_type, agent_id from delegations
                where giver_type = $1 and giver_id = $2 and state = 'closed'
                order by made_at desc, agent_type, agent_id offset ${MAX_CLOSED_OF_USER})`,
        params: [pair.giver.type, pair.giver.id],
      },
    ]);
    return rows?.[0] !== undefined;
  }

  /** Lists delegations that the graph may have otherwise, and given ones that ended by then. @throws Fault */
  async listUnsettled(endedBefore: Date, limit: number): Promise<readonly StoredDelegation[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select * from delegations where not settled or ends < $1::timestamptz limit ${limit}`,
        params: [endedBefore.toISOString()],
      },
    ]);
    return rows.map(toStoredDelegation);
  }

  private prepareChange(
    { giver, agent }: DelegationPair,
    change: string,
    { by, at }: { readonly by: string | undefined; readonly at: Date },
    terms?: DelegationBounds,
  ): Promise<PreparedChange> {
    return this.changes.prepare({ kind: 'delegation', change, at, by, user: giver, agent, terms });
  }

  /** Does what writes to the table from elsewhere. */
  whileWriting<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.reads.whileWriting(work);
  }

  private write(statements: readonly SqlStatement[]): ReturnType<Database['run']> {
    return this.reads.whileWriting(() => this.database.run(statements));
  }
}

/** The bounds of what was ended: there are none any longer. */
const ENDED_BOUNDS: DelegationBounds = { online: false, background: false };

/** The row before the statement; its writers take turns, so nothing comes in between. */
const BEFORE = `select from delegations o where o.giver_type = r.giver_type and o.giver_id = r.giver_id
  and o.agent_type = r.agent_type and o.agent_id = r.agent_id`;
/** The state of a row as records have it: one that has ended says whether the agent is barred, however far the graph is. */
const recordedState = (row: string): string =>
  `jsonb_strip_nulls(jsonb_build_object('state',
    case when ${row}.state = 'given' then 'given' when ${row}.bars then 'barred' else 'ended' end,
    'barred', case when ${row}.state = 'given' and ${row}.bars then true end))`;
const RECORDED_STATES = {
  before: `(${BEFORE.replace('select from', `select ${recordedState('o')} from`)})`,
  after: recordedState('r'),
};

/** Until when a writer of the row as it was may be at work. */
const OTHERS_UNTIL = `greatest(d.others_until, case when d.settled then null else d.writer_until end)`;

/** An event about a delegation, of a row of the table. */
function delegationEvent(event: EventName, at: Date): RowEvent {
  return {
    event,
    at,
    ids: { user: partySql('r.giver_type', 'r.giver_id'), agent: partySql('r.agent_type', 'r.agent_id') },
    user: { type: 'r.giver_type', id: 'r.giver_id' },
  };
}

function pairParams({ giver, agent }: DelegationPair): string[] {
  return [giver.type, giver.id, agent.type, agent.id];
}

function toDelegationState(row: DatabaseRow): DelegationState {
  const state = row['state'] as DelegationState['state'];
  if (state !== 'given') return { state };
  return { state, ...(row['bounds'] as DelegationBounds), ...(row['bars'] === true ? { bars: true } : {}) };
}

function toStoredDelegation(row: DatabaseRow): StoredDelegation {
  return {
    giver: { type: String(row['giver_type']), id: String(row['giver_id']) },
    agent: { type: String(row['agent_type']), id: String(row['agent_id']) },
    state: row['state'] as StoredDelegation['state'],
    bounds: row['bounds'] as DelegationBounds,
    madeBy: String(row['made_by']),
    madeAt: (row['made_at'] as Date).toISOString(),
    version: String(row['version']),
    settled: row['settled'] === true,
    bars: row['bars'] === true,
  };
}
