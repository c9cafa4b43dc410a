/** Proofs that have been used: each counts once, whichever replica saw it and whatever has restarted since. */
import type { Database } from './database/port.js';

export interface UsedProofs {
  /**
   * Whether this is the first use.
   * @param expiresAt seconds since the epoch, after which the proof is refused for its age
   * @throws Fault
   */
  markUsed(id: string, expiresAt: number, now: Date): Promise<boolean>;
  /** Whether it would be. @throws Fault */
  isUnused(id: string): Promise<boolean>;
}

/** Uses between two sweeps of what has expired. */
const SWEEP_INTERVAL_USES = 100;
/** Replicas sweep at the same time: none waits for what another is about to remove. */
const SWEEP_SQL = `delete from spent_proofs where id in
  (select id from spent_proofs where expires_at < $1::bigint for update skip locked)`;

export class UsedDpopProofStore implements UsedProofs {
  private uses = 0;

  constructor(private readonly database: Database) {}

  async isUnused(id: string): Promise<boolean> {
    const [rows = []] = await this.database.run([{ sql: 'select 1 from spent_proofs where id = $1', params: [id] }]);
    return rows.length === 0;
  }

  async markUsed(id: string, expiresAt: number, now: Date): Promise<boolean> {
    this.uses += 1;
    const sweep =
      this.uses % SWEEP_INTERVAL_USES === 0 ? [{ sql: SWEEP_SQL, params: [Math.floor(now.getTime() / 1000)] }] : [];
    const [rows = []] = await this.database.run([
      {
        sql: 'insert into spent_proofs (id, expires_at) values ($1, $2) on conflict do nothing returning id',
        params: [id, expiresAt],
      },
      ...sweep,
    ]);
    return rows.length === 1;
  }
}
