/**
 * Checks whose path comes from SpiceDB's own trace of them; the embedded engine's worker makes them. They need a SpiceDB
 * without a cache, as the embedded one is: a trace that meets a cached answer ends there.
 */
import type { v1 } from '@authzed/authzed-node';
import { decodeId } from '../../model/ids.js';
import type { GraphSchema } from '../schema/schema.js';
import { checkBulk, type TracedAnswer } from '../bulk-check.js';
import { atExactSnapshot, readRelationships, toBulkRequest, type SpiceDBClient } from '../spicedb-api.js';
import { findGrantingPath, type ObjectRef, type PathReader } from './trace-path.js';
import type { CheckRequest } from '../../model/checks.js';
import { OUTAGE_ANSWER, type AnswerWithoutRevision } from '../errors.js';

/** Traced checks of one call: a trace of 1,000 items can pass gRPC's 4 MiB. */
const TRACED_BULK_SIZE = 200;

/**
 * An answer for each check, in order and at the one revision: one bulk call for the checks that want no path, and traced
 * ones for those that do.
 */
export async function checkAtRevision(
  client: SpiceDBClient,
  schema: GraphSchema,
  checks: readonly CheckRequest[],
  revision: string,
): Promise<AnswerWithoutRevision[]> {
  const plain = checks.filter(({ explain }) => explain !== true);
  const explained = checks.filter(({ explain }) => explain === true);
  const groups = [plain];
  for (let start = 0; start < explained.length; start += TRACED_BULK_SIZE)
    groups.push(explained.slice(start, start + TRACED_BULK_SIZE));
  const answers = new Map<CheckRequest, AnswerWithoutRevision>();
  const consistency = atExactSnapshot(revision);
  for (const group of groups) {
    if (group.length === 0) continue;
    const withTracing = group !== plain;
    const response = await checkBulk(client, group, consistency, withTracing);
    for (const [i, check] of group.entries()) {
      const traced = response.answers[i] ?? { answer: OUTAGE_ANSWER };
      const reader = createPathReader(client, check, consistency);
      answers.set(check, withTracing ? await addPath(traced, schema, reader) : traced.answer);
    }
  }
  return checks.map((check) => answers.get(check) ?? OUTAGE_ANSWER);
}

async function addPath(
  { answer, trace }: TracedAnswer,
  schema: GraphSchema,
  reader: PathReader,
): Promise<AnswerWithoutRevision> {
  if (answer.result !== 'yes' || trace === undefined) return answer;
  return { ...answer, path: await findGrantingPath(trace, schema, reader) };
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
  return (await readRelationships(client, filter, 1, consistency)).relationships.length > 0;
}
