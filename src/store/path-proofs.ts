/**
 * The paths that were proved after their decisions: records of their own, which name the decision and stay as they were written. One
 * that was proved is told again, and not proved again.
 */
import type { StatedChange } from '../model/changes.js';
import { changeStatement, type ChangeRecords } from './change-records.js';
import type { Database } from './database/port.js';
import type { RecordValues } from './record-values.js';

export interface PathProof {
  readonly permission: string;
  /** The revision that it was proved at, as a ZedToken. */
  readonly revision: string;
  /** Relationships from the resource to the subject. */
  readonly path: readonly string[];
  /** The rules by whose schema it was proved. */
  readonly policy_version: string;
}

export interface StoredPathProof {
  /** The id of its record. */
  readonly id: string;
  readonly provedAt: Date;
  readonly proof: PathProof;
}

export class PathProofStore {
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly changes: Pick<ChangeRecords, 'prepare'>,
    private readonly values: Pick<RecordValues, 'open'>,
  ) {}

  /** @throws Fault */
  async add(
    decision: string,
    proof: PathProof,
    proved: Pick<StatedChange, 'at' | 'by' | 'user' | 'agent'>,
  ): Promise<void> {
    const change = await this.changes.prepare({
      ...proved,
      kind: 'path',
      change: 'proved',
      about: decision,
      terms: proof,
    });
    await this.database.run([changeStatement(change)]);
  }

  /**
   * Finds the first path that was proved of a decision.
   * @param withValues whether people are named by their ids, as far as those are still kept; otherwise as the log names them
   * @throws Fault
   */
  async find(decision: string, withValues: boolean): Promise<StoredPathProof | undefined> {
    const [rows] = await this.database.run([
      {
        sql: `select r.id, r.at, r.record, r.protected, encode(v.sealed, 'base64') as sealed, v.persons
              from records r left join record_values v on v.record = r.id
              where r.about = $1::uuid and r.kind = 'path' order by r.at, r.id limit 1`,
        params: [decision],
      },
    ]);
    const row = rows?.[0];
    if (row === undefined) return undefined;
    const [opened] = withValues ? await this.values.open([row]) : [row['record']];
    return { id: String(row['id']), provedAt: row['at'] as Date, proof: (opened as { terms: PathProof }).terms };
  }
}
