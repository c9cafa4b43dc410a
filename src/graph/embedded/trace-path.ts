/**
 * Reads SpiceDB's trace of a check into the relationships that grant it, from the resource to the subject:
 * `employee:erin#reports_to@employee:dave`, `employee:dave#manager@user:alice`.
 */
import type { GraphSchema } from '../schema/schema.js';
import type { CheckTrace } from '../spicedb-api.js';

export interface PathReader {
  /** The one of `relations` that leads from the resource to the object; asked only where the schema leaves a choice. */
  findRelation(resource: ObjectRef, relations: readonly string[], object: ObjectRef): Promise<string | undefined>;
  /** The traces of a check on each object; asked only where a trace is of several objects at once. */
  readTraces(resources: readonly ObjectRef[], permission: string): Promise<readonly (CheckTrace | undefined)[]>;
}

/** Its id is encoded, as SpiceDB has it. */
export interface ObjectRef {
  readonly objectType: string;
  readonly objectId: string;
}

/** Enough for any path that SpiceDB can follow, and a limit for a trace that is odd. */
const MAX_TRACE_STEPS = 200;

/** Relationship texts with encoded ids; empty where the trace doesn't grant, or doesn't show all that grants. */
export async function findGrantingPath(trace: CheckTrace, schema: GraphSchema, reader: PathReader): Promise<string[]> {
  const search = new TraceSearch(schema, reader);
  await search.follow(trace);
  return search.isComplete ? [...search.path] : [];
}

class TraceSearch {
  readonly path = new Set<string>();
  /** False where a part of the path isn't shown: half a path would say what isn't so. */
  isComplete = true;
  private steps = 0;

  constructor(
    private readonly schema: GraphSchema,
    private readonly reader: PathReader,
  ) {}

  async follow(trace: CheckTrace): Promise<void> {
    this.steps += 1;
    if (this.steps > MAX_TRACE_STEPS) {
      this.isComplete = false;
      return;
    }
    const { resource } = trace;
    if (!isGranted(trace) || resource === undefined) return;
    const children = trace.resolution.oneofKind === 'subProblems' ? trace.resolution.subProblems.traces : [];
    const granted = children.filter((child) => isGranted(child) && child.resource !== undefined);
    if (granted.length === 0) {
      // Below a caveat that holds, SpiceDB marks nothing as granted: by which child it holds isn't shown.
      if (children.length > 0) this.isComplete = false;
      const { objectType, objectId } = trace.subject?.object ?? { objectType: '', objectId: '' };
      this.path.add(`${formatObject(resource)}#${trace.permission}@${objectType}:${objectId}`);
      return;
    }
    // One branch of a union grants; only an intersection needs them all.
    const needsAll = this.schema.hasIntersection(resource.objectType, trace.permission);
    for (const child of needsAll ? granted : granted.slice(0, 1)) await this.followChild(trace, resource, child);
  }

  private async followChild(parent: CheckTrace, resource: ObjectRef, child: CheckTrace): Promise<void> {
    const single = await this.resolveSingle(child);
    if (single?.resource === undefined) {
      this.isComplete = false;
      return;
    }
    if (!isSameObject(single.resource, resource)) {
      if (isRelation(parent)) {
        const userset = `${formatObject(single.resource)}#${single.permission}`;
        this.path.add(`${formatObject(resource)}#${parent.permission}@${userset}`);
      } else {
        const relation = await this.findArrowRelation(parent, resource, child, single.resource);
        if (relation === undefined) this.isComplete = false;
        else this.path.add(`${formatObject(resource)}#${relation}@${formatObject(single.resource)}`);
      }
    }
    await this.follow(single);
  }

  private async findArrowRelation(
    parent: CheckTrace,
    resource: ObjectRef,
    child: CheckTrace,
    object: ObjectRef,
  ): Promise<string | undefined> {
    const { objectType } = resource;
    const relations = this.schema.arrowRelations(objectType, parent.permission, object.objectType, child.permission);
    return relations.length === 1 ? relations[0] : this.reader.findRelation(resource, relations, object);
  }

  /** SpiceDB traces objects of one type together (`a,b`): then each is asked, and the first that grants is followed. */
  private async resolveSingle(trace: CheckTrace): Promise<CheckTrace | undefined> {
    const ids = trace.resource?.objectId.split(',') ?? [];
    if (ids.length <= 1) return trace;
    this.steps += ids.length;
    if (this.steps > MAX_TRACE_STEPS) return undefined;
    const objectType = trace.resource?.objectType ?? '';
    const objects = ids.map((objectId) => ({ objectType, objectId }));
    const traces = await this.reader.readTraces(objects, trace.permission);
    return traces.find((candidate) => candidate !== undefined && isGranted(candidate));
  }
}

// The client exports the messages but not these two enums of debug.proto.
function isGranted(trace: CheckTrace): boolean {
  return (trace.result as number) === 2;
}

function isRelation(trace: CheckTrace): boolean {
  return (trace.permissionType as number) === 1;
}

function formatObject({ objectType, objectId }: ObjectRef): string {
  return `${objectType}:${objectId}`;
}

function isSameObject(a: ObjectRef, b: ObjectRef): boolean {
  return a.objectType === b.objectType && a.objectId === b.objectId;
}
