/** The part of approvals that the graph has to follow: relationships that an elevation gives, until they are written or gone. */
import { KEPT_AFTER_END_MS, toStoredTask, type StoredTask } from './approvals.js';
import type { Database, DatabaseRow } from './database/port.js';

/** The state of a task's relationship in the graph: none of ours is to be there, or it is to be, or it is, or was. */
export type GrantState = 'none' | 'wanted' | 'written' | 'deleted';

export interface StoredElevation extends StoredTask {
  readonly grantState: GrantState;
}

export class ElevationStore {
  constructor(private readonly database: Database) {}

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
        sql: `select t.* from approval_tasks t where t.grant_state in ('wanted', 'written')
                and (t.grant_state = 'wanted' or t.state <> 'approved' or t.approved_until <= $1::timestamptz - $2::interval)
              order by t.id limit $3::int`,
        params: [now.toISOString(), `${KEPT_AFTER_END_MS} milliseconds`, limit],
      },
    ]);
    return rows.map(toStoredElevation);
  }

  /** Notes what became of the relationship of an approval that is in force. @returns false where it was ended meanwhile @throws Fault */
  async noteGranted(id: string, state: 'none' | 'written'): Promise<boolean> {
    const [rows = []] = await this.database.run([
      {
        sql: `update approval_tasks set grant_state = $2
              where id = $1::uuid and state = 'approved' and grant_state in ('wanted', 'written') returning id`,
        params: [id, state],
      },
    ]);
    return rows.length > 0;
  }

  /** Notes that nothing of it is there, and nothing will come. @throws Fault */
  async noteDeleted(id: string): Promise<void> {
    await this.database.run([
      { sql: `update approval_tasks set grant_state = 'deleted' where id = $1::uuid`, params: [id] },
    ]);
  }
}

function toStoredElevation(row: DatabaseRow): StoredElevation {
  return { ...toStoredTask(row), grantState: row['grant_state'] as GrantState };
}
