/** The part of approvals that the graph has to follow: relationships that an elevation gives, until they are written or gone. */
import type { Relationship } from '../model/relationships.js';
import { KEPT_AFTER_END_MS, toStoredTask, type StoredTask } from './stored-task.js';
import { recordChanges, type ChangeRecords, type PreparedChange } from './change-records.js';
import { stateElevation } from './task-changes.js';
import type { Database, DatabaseRow } from './database/port.js';

/**
 * The state of a task's relationship in the graph: none of ours is to be there, or it is to be, or it is, or it may be deleted at
 * any moment, or it was there.
 */
export type GrantState = 'none' | 'wanted' | 'written' | 'deleting' | 'deleted';
/** States in which the graph may have something of it. */
const UNSETTLED = `t.grant_state in ('wanted', 'written', 'deleting')`;

/** A relationship without its end, which each elevation of it has for itself. */
export type ElevatedRight = Pick<Relationship, 'resource' | 'relation' | 'subject'>;
/** Tasks of one relationship: `$1` to `$5` are its parts. */
const OF_RIGHT = `${UNSETTLED} and t.user_type = $1 and t.user_id = $2
  and t.task->'question'->'resource'->>'type' = $3 and t.task->'question'->'resource'->>'id' = $4
  and jsonb_path_exists(t.task->'steps', '$[*] ? (@.kind == "elevation" && @.relation == $relation)',
    jsonb_build_object('relation', $5::text))`;

const GRANT_GIVEN = `'{"state":"granted"}'::jsonb`;
/** A right ends once, as it is about to be deleted or is found gone; one that was never written has no end. */
const RECORDED_END = {
  row: 'r.id',
  when: `r.grant_before = 'written'`,
  before: GRANT_GIVEN,
  after: `'{"state":"ended"}'::jsonb`,
} as const;

export interface StoredElevation extends StoredTask {
  readonly grantState: GrantState;
}

export class ElevationStore {
  /** @param changes records which rights are given, and when they are gone */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
  ) {}

  /** @throws Fault */
  async find(id: string): Promise<StoredElevation | undefined> {
    const [rows] = await this.database.run([
      { sql: 'select t.* from approval_tasks t where t.id = $1::uuid', params: [id] },
    ]);
    return rows?.[0] === undefined ? undefined : toStoredElevation(rows[0]);
  }

  /** Lists tasks whose relationship isn't as the database says, or has long ended. @throws Fault */
  async listUnsettled(now: Date, limit: number): Promise<readonly StoredElevation[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select t.* from approval_tasks t where ${UNSETTLED}
                and (t.grant_state = 'wanted' or t.state <> 'approved' or t.approved_until <= $1::timestamptz - $2::interval)
              order by t.id limit $3::int`,
        params: [now.toISOString(), `${KEPT_AFTER_END_MS} milliseconds`, limit],
      },
    ]);
    return rows.map(toStoredElevation);
  }

  /** Lists all elevations of one relationship of which the graph may have something. @throws Fault */
  async listOfRight(right: ElevatedRight): Promise<readonly StoredElevation[]> {
    const [rows = []] = await this.database.run([
      { sql: `select t.* from approval_tasks t where ${OF_RIGHT} order by t.id`, params: listKey(right) },
    ]);
    return rows.map(toStoredElevation);
  }

  /**
   * Notes of elevations that have ended that their relationship is about to be deleted: one that is approved from now on may
   * lose it by that.
   * @param known all elevations of the relationship, none of which lives. @returns false where there is another @throws Fault
   */
  async noteDeleting(right: ElevatedRight, known: readonly string[], now: Date): Promise<boolean> {
    const tasks = await this.findUnsettled(known);
    const changes = await this.prepareEnds(tasks, now);
    const statement = {
      sql: `update approval_tasks t set grant_state = 'deleting'
            from (select t.id, t.grant_state as grant_before from approval_tasks t
              where t.id = any ($6::uuid[]) and t.state <> 'approved' and ${UNSETTLED}
                and not exists (select from approval_tasks t where ${OF_RIGHT} and t.state = 'approved' and t.id <> all ($6::uuid[]))
              order by t.id for update) b
            where t.id = b.id returning t.id, b.grant_before`,
      params: [...listKey(right), listIds(tasks)],
    };
    const [rows = []] = await this.database.run([recordChanges(statement, { change: changes, ...RECORDED_END })]);
    return rows.length > 0;
  }

  /** Notes what became of the relationship of an approval that is in force. @returns false where it was ended meanwhile @throws Fault */
  async noteGranted(id: string, state: 'none' | 'written', now: Date): Promise<boolean> {
    const task = await this.find(id);
    if (task === undefined) return false;
    const change = await this.changes.prepare(stateElevation(task, 'granted', now));
    const statement = {
      sql: `update approval_tasks t set grant_state = $2
            from (select id, grant_state as grant_before from approval_tasks
              where id = $1::uuid and state = 'approved' and grant_state in ('wanted', 'written') for update) b
            where t.id = b.id returning t.id, t.grant_state, b.grant_before`,
      params: [id, state],
    };
    const when = `r.grant_state = 'written' and r.grant_before <> 'written'`;
    const [rows = []] = await this.database.run([recordChanges(statement, { change, when, after: GRANT_GIVEN })]);
    return rows.length > 0;
  }

  /** Notes that nothing of it is there, and nothing will come. @throws Fault */
  async noteDeleted(ids: readonly string[], now: Date): Promise<void> {
    const tasks = await this.findUnsettled(ids);
    if (tasks.length === 0) return;
    const changes = await this.prepareEnds(tasks, now);
    const statement = {
      sql: `update approval_tasks t set grant_state = 'deleted'
            from (select t.id, t.grant_state as grant_before from approval_tasks t
              where t.id = any ($1::uuid[]) and ${UNSETTLED} order by t.id for update) b
            where t.id = b.id returning t.id, b.grant_before`,
      params: [listIds(tasks)],
    };
    await this.database.run([recordChanges(statement, { change: changes, ...RECORDED_END })]);
  }

  private async findUnsettled(ids: readonly string[]): Promise<readonly StoredElevation[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select t.* from approval_tasks t where t.id = any ($1::uuid[]) and ${UNSETTLED}`,
        params: [`{${ids.join(',')}}`],
      },
    ]);
    return rows.map(toStoredElevation);
  }

  private prepareEnds(tasks: readonly StoredElevation[], now: Date): Promise<readonly PreparedChange[]> {
    return this.changes.prepareAll(tasks.map((task) => stateElevation(task, 'ended', now)));
  }
}

/** The ids are UUIDs, so an array of them needs no quotes. */
function listIds(tasks: readonly StoredElevation[]): string {
  return `{${tasks.map(({ id }) => id).join(',')}}`;
}

function toStoredElevation(row: DatabaseRow): StoredElevation {
  return { ...toStoredTask(row), grantState: row['grant_state'] as GrantState };
}

function listKey({ resource, relation, subject }: ElevatedRight): string[] {
  return [subject.type, subject.id, resource.type, resource.id, relation];
}
