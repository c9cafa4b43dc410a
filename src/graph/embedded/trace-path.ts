/**
 * From SpiceDB's trace of a check to the relationships that grant it, from the resource to the subject:
 * `employee:erin#reports_to@employee:dave`, `employee:dave#manager@user:alice`.
 */
import type { Graph } from '../schema/schema.js';
import type { Trace } from '../spicedb-api.js';

// The client exports the messages and not these two enums of debug.proto.
const granted = (trace: Trace): boolean => (trace.result as number) === 2;
const isRelation = (trace: Trace): boolean => (trace.permissionType as number) === 1;

export interface PathReader {
  /** Which of `relations` leads from the resource to the object; asked only where the schema leaves a choice. */
  relationBetween(resource: ObjectRef, relations: readonly string[], object: ObjectRef): Promise<string | undefined>;
  /** The traces of a check on each object; asked only where a trace speaks of several at once. */
  traces(resources: readonly ObjectRef[], permission: string): Promise<readonly (Trace | undefined)[]>;
}
export interface ObjectRef {
  readonly objectType: string;
  readonly objectId: string;
}

/** Enough for any path SpiceDB can follow, and a bound should a trace be odd. */
const MAX_STEPS = 200;

/** Relationship texts, encoded ids as SpiceDB has them; empty where the trace doesn't grant, or not all can be told. */
export async function grantingPath(trace: Trace, graph: Graph, reader: PathReader): Promise<string[]> {
  const path = new Set<string>();
  let steps = 0;
  // Where a part can't be told, nothing is: half a path would say what isn't so.
  const told = { whole: true };

  async function follow(node: Trace): Promise<void> {
    steps += 1;
    if (steps > MAX_STEPS) told.whole = false;
    if (!granted(node) || node.resource === undefined || steps > MAX_STEPS) return;
    const { resource } = node;
    const children = node.resolution.oneofKind === 'subProblems' ? node.resolution.subProblems.traces : [];
    const all = children.filter((child) => granted(child) && child.resource !== undefined);
    // Below a caveat that holds, SpiceDB marks nothing as granted: which way it came can't be told.
    if (all.length === 0 && children.length > 0) told.whole = false;
    if (all.length === 0) {
      const { objectType, objectId } = node.subject?.object ?? { objectType: '', objectId: '' };
      path.add(`${text(resource)}#${node.permission}@${objectType}:${objectId}`);
      return;
    }
    // Of a union one branch grants; only an intersection needs them all.
    const granting = graph.needsAll(resource.objectType, node.permission) ? all : all.slice(0, 1);
    for (const child of granting) {
      const one = await single(child);
      if (one?.resource === undefined) {
        told.whole = false;
        continue;
      }
      if (!same(one.resource, resource)) {
        if (isRelation(node)) {
          path.add(`${text(resource)}#${node.permission}@${text(one.resource)}#${one.permission}`);
        } else {
          const relations = graph.arrowRelations(resource.objectType, node.permission, child.permission);
          const relation =
            relations.length === 1 ? relations[0] : await reader.relationBetween(resource, relations, one.resource);
          path.add(`${text(resource)}#${relation ?? '?'}@${text(one.resource)}`);
        }
      }
      await follow(one);
    }
  }

  /** SpiceDB traces objects of one kind together (`a,b`): then each is asked, all at once, and the first that grants. */
  async function single(node: Trace): Promise<Trace | undefined> {
    const ids = node.resource?.objectId.split(',') ?? [];
    if (ids.length <= 1) return node;
    steps += ids.length;
    if (steps > MAX_STEPS) return undefined;
    const objectType = node.resource?.objectType ?? '';
    const traces = await reader.traces(
      ids.map((objectId) => ({ objectType, objectId })),
      node.permission,
    );
    return traces.find((one) => one !== undefined && granted(one));
  }

  await follow(trace);
  return told.whole ? [...path] : [];
}

function text(object: ObjectRef): string {
  return `${object.objectType}:${object.objectId}`;
}

function same(a: ObjectRef, b: ObjectRef): boolean {
  return a.objectType === b.objectType && a.objectId === b.objectId;
}
