/** The store of used DPoP proofs: each proof counts once, over all replicas and restarts. */
import type { Database } from './database/port.js';

export interface UsedProofs {
  /**
   * Marks the proof as used. @returns whether this is its first use
   * @param expiresAt seconds since the epoch, after which the proof is refused for its age
   * @throws Fault
   */
  markUsed(id: string, expiresAt: number, now: Date): Promise<boolean>;
  /** Whether the proof was never used. @throws Fault */
  isUnused(id: string): Promise<boolean>;
}

/** Uses between two sweeps of expired proofs. */
const SWEEP_INTERVAL_USES = 100;
/** Removes expired proofs. Replicas may sweep at the same time: none waits for rows that another is removing. */
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
