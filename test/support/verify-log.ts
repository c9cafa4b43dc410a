/** Verifies the whole log of a service against its records, as an operator does. */
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { LogVerifier } from '../../src/records/verify-log.js';
import type { Service } from '../../src/service/service.js';
import { LogPages } from '../../src/store/log-pages.js';
import { LogStore } from '../../src/store/log-store.js';

/** @returns what is wrong, as `kind id` */
export async function verifyLog({ database, auditLog }: Pick<Service, 'database' | 'auditLog'>): Promise<string[]> {
  if (auditLog.key === undefined) throw new TypeError('nothing signs the log');
  const pages = new LogPages(database);
  const { checkpoint = '' } = await new LogStore(database).readState();
  const verifier = new LogVerifier(openCheckpoint(checkpoint, auditLog.key), []);
  for (let from = 0; ;) {
    const leaves = await pages.readLeaves(from, 100, true);
    for (const leaf of leaves) verifier.take({ ...leaf, record: leaf.record ?? null });
    const last = leaves.at(-1);
    if (last === undefined) break;
    from = last.index + 1;
  }
  const { unlogged, lost } = await pages.listUnsequenced('');
  verifier.takeUnlogged(unlogged, lost);
  return verifier.finish().map(({ kind, id = '' }) => `${kind} ${id}`);
}
