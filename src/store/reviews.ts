/** The store of reviews: what was allowed and is to be looked at, until a person has. They are opened with the records. */
import { formatRef, type EntityRef } from '../model/ids.js';
import type { StatedChange } from '../model/changes.js';
import type { ChangeRecords, PreparedChange } from './change-records.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import { partySql, tellOf, type RowEvent } from './outbox.js';

/** An item is of a decision, a permission whose holders look at it, and a resource, since a list is one decision about many. */
export const REVIEW_TABLES = [
  `create table reviews (
     decision uuid not null references decisions (id) on delete cascade,
     permission text not null, resource_type text not null, resource_id text not null,
     action text not null, user_type text, user_id text, agents jsonb not null, barred jsonb not null,
     opened timestamptz not null, due timestamptz not null, told boolean not null default false,
     closed timestamptz, verdict text, note text, reviewer text, ended boolean,
     primary key (decision, permission, resource_type, resource_id))`,
  `create index reviews_page on reviews (opened, decision, permission, resource_type, resource_id) include (due, closed)`,
  `create index reviews_untold on reviews (due) where closed is null and not told`,
] as const;

export type ReviewVerdict = 'right' | 'wrong';
export type ReviewState = 'open' | 'closed' | 'overdue';

export interface ReviewConclusion {
  readonly verdict: ReviewVerdict;
  readonly note: string;
  /** A user as `user:…`, or the id of a client. */
  readonly reviewer: string;
  /** Whether what it rested on was ended. */
  readonly ended: boolean;
}

export interface StoredReview {
  readonly decision: string;
  readonly permission: string;
  readonly resource: EntityRef;
  readonly action: string;
  /** The user that it was done for; undefined where an agent acted for itself. */
  readonly user: EntityRef | undefined;
  /** The agent that acted, then the earlier ones. */
  readonly agents: readonly EntityRef[];
  /** People who must not review it, beside the user, as `type:id`. */
  readonly barred: readonly string[];
  readonly opened: Date;
  readonly due: Date;
  /** undefined while it is open. */
  readonly conclusion: (ReviewConclusion & { readonly closed: Date }) | undefined;
}

/** The key that pages continue at. */
type ReviewKey = readonly [opened: string, decision: string, permission: string, type: string, id: string];

const IN_STATE: Readonly<Record<ReviewState, string>> = {
  open: 'closed is null',
  closed: 'closed is not null',
  overdue: 'closed is null and due <= $1::timestamptz',
};
const TOLD_REVIEWS_AT_A_TIME = 500;

export class ReviewStore {
  /** @param changes records what reviewers say */
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly changes: ChangeRecords,
  ) {}

  /** Lists items, the newest first. @param after the key of the last one before @throws Fault */
  async list(
    state: ReviewState,
    now: Date,
    after: string | undefined,
    limit: number,
  ): Promise<readonly StoredReview[]> {
    const [opened, ...rest] = after === undefined ? [] : (parseStrictJson(after) as ReviewKey);
    const [rows = []] = await this.database.run([
      {
        sql: `select * from reviews where ${IN_STATE[state]} and $1::timestamptz is not null
                and ($2::timestamptz is null
                  or (opened, decision, permission, resource_type, resource_id) < ($2, $3::uuid, $4, $5, $6))
              order by opened desc, decision desc, permission desc, resource_type desc, resource_id desc limit $7`,
        params: [now.toISOString(), opened ?? null, ...[0, 1, 2, 3].map((i) => rest[i] ?? null), limit],
      },
    ]);
    return rows.map(toStoredReview);
  }

  /** Finds the items of a decision. @throws Fault */
  async find(decision: string): Promise<readonly StoredReview[]> {
    const [rows = []] = await this.database.run([
      {
        sql: 'select * from reviews where decision = $1::uuid order by permission, resource_type, resource_id',
        params: [decision],
      },
    ]);
    return rows.map(toStoredReview);
  }

  /** Closes those of the items that are open, all of one decision. @returns how many there were @throws Fault */
  async close(items: readonly StoredReview[], conclusion: ReviewConclusion, now: Date): Promise<number> {
    const keys = items.map(({ decision, permission, resource }, i) => ({
      decision,
      permission,
      ...resource,
      item: String(i),
    }));
    const changes = await this.changes.prepareAll(
      items.map((item, i) => stateVerdict(item, conclusion, String(i), now)),
    );
    const { verdict, note, reviewer, ended } = conclusion;
    const statement = {
      sql: `update reviews v set closed = $2::timestamptz, verdict = $3, note = $4, reviewer = $5, ended = $6
            from jsonb_to_recordset($1::jsonb) as k (decision uuid, permission text, type text, id text, item text)
            where v.decision = k.decision and v.permission = k.permission and v.resource_type = k.type
              and v.resource_id = k.id and v.closed is null
            returning v.*, k.item`,
      params: [JSON.stringify(keys), now.toISOString(), verdict, note, reviewer, ended],
    };
    const [rows = []] = await this.database.run([
      tellOf(statement, reviewEvent('review.closed', now), {
        change: changes,
        row: 'r.item',
        before: `'{"state":"open"}'::jsonb`,
        after: `'{"state":"closed"}'::jsonb`,
      }),
    ]);
    return rows.length;
  }

  /** Tells of items that have become overdue. @returns whether there may be more @throws Fault */
  async tellOverdue(now: Date): Promise<boolean> {
    const statement = {
      sql: `update reviews set told = true where (decision, permission, resource_type, resource_id) in (
              select decision, permission, resource_type, resource_id from reviews
              where closed is null and not told and due <= $1::timestamptz
              order by due limit ${TOLD_REVIEWS_AT_A_TIME} for update skip locked)
            returning *`,
      params: [now.toISOString()],
    };
    const [rows = []] = await this.database.run([tellOf(statement, reviewEvent('review.overdue', now))]);
    return rows.length === TOLD_REVIEWS_AT_A_TIME;
  }

  /** @throws Fault */
  async count(now: Date): Promise<{ readonly open: number; readonly overdue: number }> {
    const [rows] = await this.database.run([
      {
        sql: `select count(*)::int as open, count(*) filter (where due <= $1::timestamptz)::int as overdue
              from reviews where closed is null`,
        params: [now.toISOString()],
      },
    ]);
    return { open: Number(rows?.[0]?.['open']), overdue: Number(rows?.[0]?.['overdue']) };
  }
}

function stateVerdict(
  { decision, permission, resource, user, agents }: StoredReview,
  { verdict, note, reviewer, ended }: ReviewConclusion,
  row: string,
  at: Date,
): StatedChange {
  const { type, id } = resource;
  const terms = { permission, resource: { type, id }, verdict, note, ends_grants: ended };
  return { kind: 'review', change: 'answered', at, by: reviewer, user, agent: agents[0], about: decision, terms, row };
}

/** The key of an item, after which a page begins. */
export function reviewKey({ opened, decision, permission, resource }: StoredReview): string {
  const key: ReviewKey = [opened.toISOString(), decision, permission, resource.type, resource.id];
  return JSON.stringify(key);
}

/** Opens items of records that are stored as allows. @param rows their columns, as JSON */
export function openReviewsStatement(rows: string): SqlStatement {
  // `offset 0` has each looked up: the planner takes any list for a hundred rows, and would read all decisions for them.
  const statement = {
    sql: `insert into reviews (decision, permission, resource_type, resource_id, action, user_type, user_id, agents, barred,
            opened, due)
          select t.decision, t.permission, t.resource_type, t.resource_id, t.action, t.user_type, t.user_id, t.agents,
            t.barred, t.opened, t.due
          from jsonb_to_recordset($1::jsonb) as t (decision uuid, permission text, resource_type text, resource_id text,
            action text, user_type text, user_id text, agents jsonb, barred jsonb, opened timestamptz, due timestamptz)
          cross join lateral (select from records where id = t.decision and decision offset 0) d
          on conflict do nothing returning *`,
    params: [rows],
  };
  return tellOf(statement, reviewEvent('review.opened', 'r.opened'));
}

/**
 * Opens the item of an approval in an emergency, in the transaction that gives it: of the denial that it lifts, for holders of
 * the permission other than those who gave it. The approval's end, and whether it is used, change nothing of that.
 * @param approved the task and when its approval was given: nothing is opened where another answer came first
 * @param change its record
 */
export function openEmergencyReviewStatement(
  approved: { readonly task: string; readonly at: Date; readonly approvers: readonly EntityRef[] },
  dueMs: number,
  change: PreparedChange,
): SqlStatement {
  const { task, at, approvers } = approved;
  const statement = {
    sql: `insert into reviews (decision, permission, resource_type, resource_id, action, user_type, user_id, agents, barred,
            opened, due)
          select d.id, t.task->>'emergency', t.task->'question'->'resource'->>'type', t.task->'question'->'resource'->>'id',
            t.task->'question'->'action'->>'name', nullif(t.user_type, ''), nullif(t.user_id, ''),
            case t.agent_type when '' then '[]'
              else jsonb_build_array(jsonb_build_object('type', t.agent_type, 'id', t.agent_id)) end
              || coalesce(t.task->'chain', '[]'),
            $3::jsonb, $2::timestamptz, $4::timestamptz
          from approval_tasks t join records d on d.id = (t.task->>'denial')::uuid
          where t.id = $1::uuid and t.state = 'approved' and t.decided = $2::timestamptz and t.task ? 'emergency'
          on conflict do nothing returning *`,
    params: [
      task,
      at.toISOString(),
      JSON.stringify(approvers.map(formatRef)),
      new Date(at.getTime() + dueMs).toISOString(),
    ],
  };
  return tellOf(statement, reviewEvent('review.opened', 'r.opened'), { change, after: `'{"state":"open"}'::jsonb` });
}

/** Closes what was opened by decisions that were not answered as allows: there is nothing to look at. */
export function dropReviewsStatement(decisions: readonly string[]): SqlStatement {
  return {
    sql: `with dropped as (delete from reviews where decision = any ($1::uuid[]) and closed is null returning decision)
          select withdraw_events(array(select decision from dropped))`,
    params: [`{${decisions.join(',')}}`],
  };
}

/** Those who may review it see that there is something; the user sees what came of it. */
function reviewEvent(event: 'review.opened' | 'review.overdue' | 'review.closed', at: RowEvent['at']): RowEvent {
  return {
    event,
    at,
    ids: {
      decision: 'r.decision',
      ...(event === 'review.closed'
        ? { user: partySql('r.user_type', 'r.user_id') }
        : { resource: partySql('r.resource_type', 'r.resource_id') }),
    },
    ...(event === 'review.closed'
      ? { user: { type: 'r.user_type', id: 'r.user_id' } }
      : { holders: { permission: 'r.permission', type: 'r.resource_type', id: 'r.resource_id' } }),
  };
}

function toStoredReview(row: DatabaseRow): StoredReview {
  const { closed, verdict, note, reviewer, ended } = row;
  return {
    decision: String(row['decision']),
    permission: String(row['permission']),
    resource: { type: String(row['resource_type']), id: String(row['resource_id']) },
    action: String(row['action']),
    user: typeof row['user_type'] === 'string' ? { type: row['user_type'], id: String(row['user_id']) } : undefined,
    agents: row['agents'] as readonly EntityRef[],
    barred: row['barred'] as readonly string[],
    opened: row['opened'] as Date,
    due: row['due'] as Date,
    conclusion:
      closed instanceof Date
        ? {
            verdict: verdict as ReviewVerdict,
            note: String(note),
            reviewer: String(reviewer),
            ended: ended === true,
            closed,
          }
        : undefined,
  };
}
