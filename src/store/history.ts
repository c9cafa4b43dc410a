/** Reads the past as policies ask for it. Events are stored with the records: see reserving-function.ts. */
import type { History, HistoryAnswers, HistoryQuery, HistoryValue } from '../model/history.js';
import type { Reservation } from '../model/limits.js';
import type { Database } from './database/port.js';
import type { PersonKeys } from './person-keys.js';

const FORGOTTEN_AT_A_TIME = 10_000;

/** Names events as they are stored. */
export type EventNames = Pick<PersonKeys, 'toEventName'>;

export class HistoryStore implements History {
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly names: EventNames,
  ) {}

  async fetch(queries: readonly HistoryQuery[]): Promise<HistoryAnswers> {
    const distinct = [...new Map(queries.map((query) => [query.id, query])).values()];
    const [rows] = await this.database.run([
      {
        sql: 'select history_answers($1::jsonb) as answers',
        params: [JSON.stringify(distinct.map((query) => serializeQuery(nameQuery(query, this.names))))],
      },
    ]);
    return new Map(Object.entries(rows?.[0]?.['answers'] as Readonly<Record<string, HistoryValue>>));
  }

  /** Deletes events that no window reads any more. @returns whether there may be more. @throws Fault */
  async prune(now: Date): Promise<boolean> {
    const [rows = []] = await this.database.run([
      {
        sql: `delete from history_events h using (
                select decision, place, key from history_events where expires_at < $1::bigint
                order by expires_at limit ${FORGOTTEN_AT_A_TIME} for update skip locked) e
              where h.decision = e.decision and h.place = e.place and h.key = e.key
              returning h.place`,
        params: [now.getTime()],
      },
    ]);
    return rows.length === FORGOTTEN_AT_A_TIME;
  }
}

/** A query with the names of events as they are stored, and as versions before have stored them. */
interface NamedQuery extends HistoryQuery {
  readonly formerKey?: string;
  readonly formerClearedKey?: string | undefined;
}

function nameQuery(query: HistoryQuery, names: EventNames): NamedQuery {
  const { key, clearedKey } = query;
  return {
    ...query,
    key: names.toEventName(key),
    clearedKey: clearedKey === undefined ? undefined : names.toEventName(clearedKey),
    formerKey: key,
    formerClearedKey: clearedKey,
  };
}

/** The reservation with the names of events as they are stored. */
export function nameReservedEvents(reservation: Reservation, names: EventNames): Reservation {
  const { history } = reservation;
  if (history === undefined) return reservation;
  const answered = history.answered.map((answer) => ({ ...answer, query: nameQuery(answer.query, names) }));
  const events = history.events.map((event) => ({ ...event, key: names.toEventName(event.key) }));
  return { ...reservation, history: { answered, events } };
}

/** A query as the function history_answer reads it. */
export function serializeQuery({
  id,
  kind,
  key,
  clearedKey,
  since,
  amount,
  formerKey,
  formerClearedKey,
}: NamedQuery): object {
  return {
    id,
    kind,
    key,
    since,
    ...(clearedKey === undefined ? {} : { cleared: clearedKey }),
    ...(formerKey === undefined ? {} : { former_key: formerKey }),
    ...(formerClearedKey === undefined ? {} : { former_cleared: formerClearedKey }),
    ...amount,
  };
}
