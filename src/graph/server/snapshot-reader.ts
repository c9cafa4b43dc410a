/** SpiceDB at one revision, as a proof reads it: everything is answered at the revision of the answer to be proved. */
import { randomBytes } from 'node:crypto';
import { Fault } from '../../model/faults.js';
import type { CheckRequest } from '../../model/checks.js';
import type { Relationship } from '../../model/relationships.js';
import type { PartJudgement } from '../judge-expression.js';
import type { RelationshipFilter } from '../port.js';
import { fromProtoRelationship } from '../protobuf.js';
import { checkBulk } from '../bulk-check.js';
import { atExactSnapshot, readRelationships, type SpiceDBClient } from '../spicedb-api.js';
import type { ReadCache } from './read-cache.js';

/** Its calls throw what the client throws. */
export interface SnapshotReader {
  /** Relationships that have not expired, `limit` at most. */
  readRelationships(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]>;
  /** SpiceDB's answer to each, which may come from its cache. `unsure`: a caveat lacks something, or it can't be answered. */
  checkPermissions(checks: readonly CheckRequest[]): Promise<readonly PartJudgement[]>;
  /** The same for one check, whose own relationships SpiceDB reads anew. */
  checkUncached(check: CheckRequest): Promise<boolean>;
}

export function createSnapshotReader(client: SpiceDBClient, revision: string, reads: ReadCache): SnapshotReader {
  const snapshot = atExactSnapshot(revision);
  const checkPermissions = async (checks: readonly CheckRequest[]): Promise<readonly PartJudgement[]> => {
    const { answers } = await checkBulk(client, checks, snapshot);
    for (const { answer } of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
    return answers.map(({ answer: { result } }) => (result === 'yes' || result === 'no' ? result : 'unsure'));
  };
  return {
    readRelationships: (filter, limit) =>
      reads.read(revision, filter, limit, async () => {
        const { relationships } = await readRelationships(client, filter, limit, snapshot);
        return relationships.map(fromProtoRelationship);
      }),
    checkPermissions,
    // A check that comes together with one on an object that nothing knows is none that SpiceDB has cached.
    checkUncached: async (check) => {
      const unknownObject = { type: check.resource.type, id: randomBytes(12).toString('hex') };
      const [answer] = await checkPermissions([check, { ...check, resource: unknownObject }]);
      return answer === 'yes';
    },
  };
}
