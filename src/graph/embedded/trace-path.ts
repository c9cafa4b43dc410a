/**
 * From SpiceDB's trace of a check to the relationships that grant it, from the resource to the subject:
 * `employee:erin#reports_to@employee:dave`, `employee:dave#manager@user:alice`.
 */
import type { GraphSchema } from '../schema/schema.js';
import type { CheckTrace } from '../spicedb-api.js';

// The client exports the messages and not these two enums of debug.proto.
const isGranted = (trace: CheckTrace): boolean => (trace.result as number) === 2;
const isRelation = (trace: CheckTrace): boolean => (trace.permissionType as number) === 1;

export interface PathReader {
  /** Which of `relations` leads from the resource to the object; asked only where the schema leaves a choice. */
  findRelation(resource: ObjectRef, relations: readonly string[], object: ObjectRef): Promise<string | undefined>;
  /** The traces of a check on each object; asked only where a trace speaks of several at once. */
  readTraces(resources: readonly ObjectRef[], permission: string): Promise<readonly (CheckTrace | undefined)[]>;
}
export interface ObjectRef {
  readonly objectType: string;
  readonly objectId: string;
}

/** Enough for any path SpiceDB can follow, and a bound should a trace be odd. */
const MAX_TRACE_STEPS = 200;

/** Relationship texts, encoded ids as SpiceDB has them; empty where the trace doesn't grant, or not all can be told. */
export async function findGrantingPath(trace: CheckTrace, schema: GraphSchema, reader: PathReader): Promise<string[]> {
  const path = new Set<string>();
  let steps = 0;
  // Where a part can't be told, nothing is: half a path would say what isn't so.
  const coverage = { complete: true };

  async function followTrace(node: CheckTrace): Promise<void> {
    steps += 1;
    if (steps > MAX_TRACE_STEPS) coverage.complete = false;
    if (!isGranted(node) || node.resource === undefined || steps > MAX_TRACE_STEPS) return;
    const { resource } = node;
    const children = node.resolution.oneofKind === 'subProblems' ? node.resolution.subProblems.traces : [];
    const grantedChildren = children.filter((child) => isGranted(child) && child.resource !== undefined);
    // Below a caveat that holds, SpiceDB marks nothing as granted: which way it came can't be told.
    if (grantedChildren.length === 0 && children.length > 0) coverage.complete = false;
    if (grantedChildren.length === 0) {
      const { objectType, objectId } = node.subject?.object ?? { objectType: '', objectId: '' };
      path.add(`${formatObject(resource)}#${node.permission}@${objectType}:${objectId}`);
      return;
    }
    // Of a union one branch grants; only an intersection needs them all.
    const followed = schema.hasIntersection(resource.objectType, node.permission)
      ? grantedChildren
      : grantedChildren.slice(0, 1);
    for (const child of followed) {
      const childTrace = await resolveSingle(child);
      if (childTrace?.resource === undefined) {
        coverage.complete = false;
        continue;
      }
      if (!isSameObject(childTrace.resource, resource)) {
        if (isRelation(node)) {
          path.add(
            `${formatObject(resource)}#${node.permission}@${formatObject(childTrace.resource)}#${childTrace.permission}`,
          );
        } else {
          const relations = schema.arrowRelations(resource.objectType, node.permission, child.permission);
          const relation =
            relations.length === 1 ? relations[0] : await reader.findRelation(resource, relations, childTrace.resource);
          path.add(`${formatObject(resource)}#${relation ?? '?'}@${formatObject(childTrace.resource)}`);
        }
      }
      await followTrace(childTrace);
    }
  }

  /** SpiceDB traces objects of one kind together (`a,b`): then each is asked, all at once, and the first that grants. */
  async function resolveSingle(node: CheckTrace): Promise<CheckTrace | undefined> {
    const ids = node.resource?.objectId.split(',') ?? [];
    if (ids.length <= 1) return node;
    steps += ids.length;
    if (steps > MAX_TRACE_STEPS) return undefined;
    const objectType = node.resource?.objectType ?? '';
    const traces = await reader.readTraces(
      ids.map((objectId) => ({ objectType, objectId })),
      node.permission,
    );
    return traces.find((candidate) => candidate !== undefined && isGranted(candidate));
  }

  await followTrace(trace);
  return coverage.complete ? [...path] : [];
}

function formatObject(object: ObjectRef): string {
  return `${object.objectType}:${object.objectId}`;
}

function isSameObject(a: ObjectRef, b: ObjectRef): boolean {
  return a.objectType === b.objectType && a.objectId === b.objectId;
}
