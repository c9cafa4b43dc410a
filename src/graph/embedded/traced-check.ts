/**
 * Checks whose path comes from SpiceDB's own trace of them; the embedded engine's worker makes them. They need a SpiceDB
 * without a cache, as the embedded one is: a trace that meets a cached answer ends there.
 */
import type { v1 } from '@authzed/authzed-node';
import { decodeId } from '../../model/ids.js';
import type { GraphSchema } from '../schema/schema.js';
import { toBulkRequest, checkBulk, readRelationships, type SpiceDBClient } from '../spicedb-api.js';
import { findGrantingPath, type ObjectRef, type PathReader } from './trace-path.js';
import type { CheckRequest } from '../../model/checks.js';
import { OUTAGE_ANSWER, type AnswerWithoutRevision } from '../errors.js';

/** An answer for each check, in order, a yes with its path; and the revision, as a ZedToken, of the answers. */
export async function checkWithTraces(
  client: SpiceDBClient,
  schema: GraphSchema,
  checks: readonly CheckRequest[],
  consistency: v1.Consistency,
): Promise<{ readonly answers: readonly AnswerWithoutRevision[]; readonly checkedAt: string | undefined }> {
  const { answers, checkedAt } = await checkBulk(client, checks, consistency, true);
  const explained: AnswerWithoutRevision[] = [];
  for (const [i, check] of checks.entries()) {
    const { answer, trace } = answers[i] ?? { answer: OUTAGE_ANSWER, trace: undefined };
    if (answer.result === 'yes' && trace !== undefined) {
      const reader = createPathReader(client, check, consistency);
      explained.push({ ...answer, path: await findGrantingPath(trace, schema, reader) });
    } else explained.push(answer);
  }
  return { answers: explained, checkedAt };
}

function createPathReader(client: SpiceDBClient, check: CheckRequest, consistency: v1.Consistency): PathReader {
  return {
    findRelation: async (resource, relations, object) => {
      for (const relation of relations)
        if (await isLinked(client, resource, relation, object, consistency)) return relation;
      return undefined;
    },
    readTraces: async (resources, permission) => {
      const checks = resources.map(({ objectType, objectId }) => ({
        ...check,
        resource: { type: objectType, id: decodeId(objectId) },
        permission,
      }));
      const { pairs } = await client.checkBulkPermissions(toBulkRequest(checks, consistency, true));
      return pairs.map(({ response }) => (response.oneofKind === 'item' ? response.item.debugTrace?.check : undefined));
    },
  };
}

async function isLinked(
  client: SpiceDBClient,
  resource: ObjectRef,
  relation: string,
  object: ObjectRef,
  consistency: v1.Consistency,
): Promise<boolean> {
  const filter = {
    resourceType: resource.objectType,
    resourceId: decodeId(resource.objectId),
    relation,
    subjectType: object.objectType,
    subjectId: decodeId(object.objectId),
  };
  return (await readRelationships(client, filter, 1, consistency)).length > 0;
}
