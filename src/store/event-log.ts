/** Reads stored events in the order in which they were committed, and deletes old ones. The stream of events calls it. */
import type { EntityRef } from '../model/ids.js';
import type { EventName, StoredEvent } from '../model/events.js';
import type { Database, DatabaseRow } from './database/port.js';

/** The longest that events are kept, and the most: a reader that comes later is told that it has missed some. */
export const EVENT_LIFETIME_MS = 7 * 86_400_000;
export const MAX_STORED_EVENTS = 100_000;
/** Rows that one statement deletes. */
const PRUNED_AT_A_TIME = 1000;

export class EventLog {
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly maxEvents = MAX_STORED_EVENTS,
  ) {}

  /** Reads the events after a position. @throws Fault */
  async read(after: number, limit: number): Promise<readonly StoredEvent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: 'select * from events where position > $1::bigint order by position limit $2',
        params: [after, limit],
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
  const permission = row['permission'];
  return {
    id: String(row['id']),
    position: Number(row['position']),
    event: row['event'] as EventName,
    at: row['at'] as Date,
    ids: row['ids'] as StoredEvent['ids'],
    ...(user === undefined ? {} : { user }),
    ...(resource === undefined || typeof permission !== 'string' ? {} : { holders: { permission, resource } }),
  };
}

function toReference(type: unknown, id: unknown): EntityRef | undefined {
  return typeof type === 'string' && typeof id === 'string' ? { type, id } : undefined;
}
