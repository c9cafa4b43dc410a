/**
 * Checks whose path comes from SpiceDB's own trace of them. Only for a SpiceDB that keeps no answers, as the embedded
 * one: a trace that meets a kept answer says no more than that it was kept.
 */
import type { v1 } from '@authzed/authzed-node';
import { decodeId } from '../../model/ids.js';
import type { Graph } from '../schema/schema.js';
import { bulkRequest, checkTogether, rows, type SpiceClient } from '../spicedb-api.js';
import { grantingPath, type ObjectRef, type PathReader } from './trace-path.js';
import type { AskedCheck } from '../../model/checks.js';
import type { Unrevised } from '../errors.js';

export async function checkTraced(
  client: SpiceClient,
  graph: Graph,
  checks: readonly AskedCheck[],
  consistency: v1.Consistency,
): Promise<{ readonly answers: readonly Unrevised[]; readonly at: string | undefined }> {
  const { answers, at } = await checkTogether(client, checks, consistency, true);
  const explained: Unrevised[] = [];
  for (const [i, { answer, trace }] of answers.entries())
    explained.push(
      answer.result === 'yes' && trace !== undefined
        ? { ...answer, path: await grantingPath(trace, graph, reader(client, checks[i] as AskedCheck, consistency)) }
        : answer,
    );
  return { answers: explained, at };
}

function reader(client: SpiceClient, asked: AskedCheck, consistency: v1.Consistency): PathReader {
  return {
    relationBetween: async (resource, relations, object) => {
      for (const relation of relations)
        if (await linked(client, resource, relation, object, consistency)) return relation;
      return undefined;
    },
    traces: async (resources, permission) => {
      const checks = resources.map(({ objectType, objectId }) => ({
        ...asked,
        resource: { type: objectType, id: decodeId(objectId) },
        permission,
      }));
      const { pairs } = await client.checkBulkPermissions(bulkRequest(checks, consistency, true));
      return pairs.map(({ response }) => (response.oneofKind === 'item' ? response.item.debugTrace?.check : undefined));
    },
  };
}

async function linked(
  client: SpiceClient,
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
  return (await rows(client, filter, 1, consistency)).length > 0;
}
