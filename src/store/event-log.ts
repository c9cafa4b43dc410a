/** Reads stored events in the order in which they were committed, and deletes old ones. The stream of events calls it. */
import type { EntityRef } from '../model/ids.js';
import type { EventName, EventTask, StoredEvent } from '../model/events.js';
import type { Database, DatabaseRow } from './database/port.js';

/** The longest that events are kept, and the most: a reader that comes later is told that it has missed some. */
export const EVENT_LIFETIME_MS = 7 * 86_400_000;
export const MAX_STORED_EVENTS = 100_000;
/** Rows that one statement deletes. */
const PRUNED_AT_A_TIME = 1000;

/** The events of which the task itself says who may see them, beside its user. */
const TASK_EVENTS: readonly EventName[] = [
  'approval.requested',
  'approval.decided',
  'approval.used',
  'approval.expired',
];
const REVIEW_EVENTS: readonly EventName[] = ['review.opened', 'review.overdue'];

/**
 * An event with what says who may see it: the unchanging part of its task, or who is barred from its review. Type and id of a
 * task's party are empty where there is none.
 */
const SELECT_EVENTS = `select e.*, r.barred, case when t.id is not null then jsonb_strip_nulls(jsonb_build_object(
    'id', t.id, 'steps', t.task->'steps', 'emergency', t.task->'emergency', 'chain', coalesce(t.task->'chain', '[]'::jsonb),
    'user', case when t.user_type <> '' then jsonb_build_object('type', t.user_type, 'id', t.user_id) end,
    'agent', case when t.agent_type <> '' then jsonb_build_object('type', t.agent_type, 'id', t.agent_id) end,
    'resource', jsonb_build_object('type', t.task->'question'->'resource'->'type', 'id', t.task->'question'->'resource'->'id'))) end as task
  from events e
  left join approval_tasks t on t.id = case when e.event = any ($1::text[]) then (e.ids->>'approval')::uuid end
  left join reviews r on r.decision = case when e.event = any ($2::text[]) then (e.ids->>'decision')::uuid end
    and r.permission = e.permission and r.resource_type = e.resource_type and r.resource_id = e.resource_id`;

export class EventLog {
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly maxEvents = MAX_STORED_EVENTS,
  ) {}

  /** Reads the events after a position. @throws Fault */
  async read(after: number, limit: number): Promise<readonly StoredEvent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `${SELECT_EVENTS} where e.position > $3::bigint order by e.position limit $4`,
        params: [`{${TASK_EVENTS.join(',')}}`, `{${REVIEW_EVENTS.join(',')}}`, after, limit],
      },
    ]);
    return rows.map(toStoredEvent);
  }

  /** The positions of the oldest event and the newest; 0 where there are none. @throws Fault */
  async findRange(): Promise<{ readonly first: number; readonly last: number }> {
    const [rows] = await this.database.run([
      { sql: 'select coalesce(min(position), 0) as first, coalesce(max(position), 0) as last from events' },
    ]);
    return { first: Number(rows?.[0]?.['first']), last: Number(rows?.[0]?.['last']) };
  }

  /**
   * Deletes events that are too old, or too many, with what waits to be sent of them. The newest stays, since the next
   * position follows from it.
   * @returns whether there may be more
   * @throws Fault
   */
  async prune(now: Date): Promise<boolean> {
    const [rows = []] = await this.database.run([
      {
        sql: `delete from events where id in (
                select id from events, (select max(position) as last from events) newest
                where position < last and (at < $1::timestamptz or position <= last - $2::bigint)
                order by position limit ${PRUNED_AT_A_TIME})
              returning id`,
        params: [new Date(now.getTime() - EVENT_LIFETIME_MS).toISOString(), this.maxEvents],
      },
      {
        sql: 'delete from limit_notices where until < $1::bigint',
        params: [now.getTime() - EVENT_LIFETIME_MS],
      },
    ]);
    return rows.length === PRUNED_AT_A_TIME;
  }
}

function toStoredEvent(row: DatabaseRow): StoredEvent {
  const user = toReference(row['user_type'], row['user_id']);
  const resource = toReference(row['resource_type'], row['resource_id']);
  const { permission, task, barred } = row;
  return {
    id: String(row['id']),
    position: Number(row['position']),
    event: row['event'] as EventName,
    at: row['at'] as Date,
    ids: row['ids'] as StoredEvent['ids'],
    ...(user === undefined ? {} : { user }),
    ...(resource === undefined || typeof permission !== 'string' ? {} : { holders: { permission, resource } }),
    ...(task === null ? {} : { task: task as EventTask }),
    ...(barred === null ? {} : { barred: barred as readonly string[] }),
  };
}

function toReference(type: unknown, id: unknown): EntityRef | undefined {
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : undefined;
}
