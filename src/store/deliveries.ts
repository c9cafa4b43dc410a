/**
 * The deliveries of events: a row for each event and each receiver that is to be told of it, until it is. A replica takes
 * one for the time that a try may last; if it dies, another takes it after that, so each is sent at least once.
 */
import type { EventName, StoredEvent } from '../model/events.js';
import type { Database, DatabaseRow } from './database/port.js';

/** The times and the lease are by the database's clock, which all replicas share. */
export const DELIVERY_TABLES = [
  `create table deliveries (
     event uuid not null references events (id) on delete cascade, endpoint text not null,
     attempts integer not null default 0, next_at timestamptz not null default now(), failure text, dead timestamptz,
     primary key (endpoint, event))`,
  `create index deliveries_due on deliveries (endpoint, next_at) where dead is null`,
  `create index deliveries_dead on deliveries (dead) where dead is not null`,
  `create index deliveries_event on deliveries (event)`,
] as const;

/** A receiver by the key of its rows, with the events that it is told of. */
export interface DeliveryTarget {
  readonly endpoint: string;
  readonly events: readonly EventName[];
}

export interface Delivery {
  readonly event: Pick<StoredEvent, 'id' | 'event' | 'ids' | 'at'>;
  /** The tries, this one included. */
  readonly attempts: number;
}

export interface DeadDelivery extends Delivery {
  readonly endpoint: string;
  /** A short code. */
  readonly failure: string;
  readonly deadAt: Date;
}

export interface DeliveryCounts {
  readonly waiting: number;
  readonly dead: number;
}

/** Events that are distributed at a time. */
const DISTRIBUTED_AT_A_TIME = 500;
/** The dead deliveries that are kept of each receiver. */
const KEPT_DEAD_DELIVERIES = 1000;

export class DeliveryStore {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** Makes the deliveries of events that are new, once for all replicas. @returns whether there may be more @throws Fault */
  async distribute(targets: readonly DeliveryTarget[]): Promise<boolean> {
    const [rows] = await this.database.run([
      {
        sql: `with chosen as materialized (
                select id from events where not distributed
                order by position limit ${DISTRIBUTED_AT_A_TIME} for update skip locked),
              fresh as (
                update events e set distributed = true from chosen c where e.id = c.id returning e.id, e.event),
              made as (
                insert into deliveries (event, endpoint)
                select f.id, t.endpoint from fresh f
                join jsonb_to_recordset($1::jsonb) as t (endpoint text, events jsonb) on t.events ? f.event
                on conflict do nothing)
              select count(*)::int as n from fresh`,
        params: [JSON.stringify(targets)],
      },
    ]);
    return rows?.[0]?.['n'] === DISTRIBUTED_AT_A_TIME;
  }

  /** Takes deliveries that are due, for as long as the lease. @throws Fault */
  async claim(endpoint: string, limit: number, leaseMs: number): Promise<readonly Delivery[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `with due as materialized (
                select event from deliveries where endpoint = $1 and dead is null and next_at <= now()
                order by next_at limit $2 for update skip locked)
              update deliveries d set attempts = attempts + 1, failure = null, next_at = now() + $3::int * interval '1 millisecond'
              from due join events e on e.id = due.event
              where d.endpoint = $1 and d.event = due.event
              returning e.id, e.event, e.ids, e.at, d.attempts`,
        params: [endpoint, limit, leaseMs],
      },
    ]);
    return rows.map(toDelivery);
  }

  /** @throws Fault */
  async settleSent(endpoint: string, event: string): Promise<void> {
    await this.database.run([
      { sql: 'delete from deliveries where endpoint = $1 and event = $2::uuid', params: [endpoint, event] },
    ]);
  }

  /**
   * Notes a failed try, unless another replica has taken the delivery meanwhile.
   * @param retryMs undefined: it is not tried again
   * @throws Fault
   */
  async settleFailed(
    endpoint: string,
    { event: { id }, attempts }: Delivery,
    failure: string,
    retryMs: number | undefined,
  ): Promise<void> {
    await this.database.run([
      {
        sql: `update deliveries set failure = $4, next_at = now() + coalesce($5::int, 0) * interval '1 millisecond',
                dead = case when $5::int is null then now() end
              where endpoint = $1 and event = $2::uuid and attempts = $3 and dead is null`,
        params: [endpoint, id, attempts, failure, retryMs ?? null],
      },
    ]);
  }

  /** Lists dead deliveries, the last first. @throws Fault */
  async listDead(endpoints: readonly string[], limit: number): Promise<readonly DeadDelivery[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select e.id, e.event, e.ids, e.at, d.attempts, d.endpoint, d.failure, d.dead
              from deliveries d join events e on e.id = d.event
              where d.dead is not null and $1::jsonb ? d.endpoint order by d.dead desc, e.position desc limit $2`,
        params: [JSON.stringify(endpoints), limit],
      },
    ]);
    return rows.map((row) => ({
      ...toDelivery(row),
      endpoint: String(row['endpoint']),
      failure: String(row['failure']),
      deadAt: row['dead'] as Date,
    }));
  }

  /** Counts the deliveries of each receiver, and deletes the oldest dead ones beyond what is kept. @throws Fault */
  async count(endpoints: readonly string[]): Promise<ReadonlyMap<string, DeliveryCounts>> {
    const [, rows = []] = await this.database.run([
      {
        sql: `delete from deliveries d using (
                select endpoint, event, row_number() over (partition by endpoint order by dead desc, event) as n
                from deliveries where dead is not null) o
              where o.endpoint = d.endpoint and o.event = d.event and o.n > ${KEPT_DEAD_DELIVERIES}`,
      },
      {
        sql: `select endpoint, count(*) filter (where dead is null)::int as waiting,
                count(*) filter (where dead is not null)::int as dead
              from deliveries where $1::jsonb ? endpoint group by endpoint`,
        params: [JSON.stringify(endpoints)],
      },
    ]);
    return new Map(
      rows.map((row) => [String(row['endpoint']), { waiting: Number(row['waiting']), dead: Number(row['dead']) }]),
    );
  }
}

function toDelivery(row: DatabaseRow): Delivery {
  return {
    event: {
      id: String(row['id']),
      event: row['event'] as EventName,
      ids: row['ids'] as StoredEvent['ids'],
      at: row['at'] as Date,
    },
    attempts: Number(row['attempts']),
  };
}
