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
      // What isn't granted below what is, SpiceDB doesn't explain.
      if (children.length > 0) this.isComplete = false;
      this.path.add(`${formatObject(resource)}#${trace.permission}@${formatTracedSubject(trace)}`);
      return;
    }
    // One branch of a union grants; only an intersection needs them all.
    if (this.schema.hasIntersection(resource.objectType, trace.permission)) {
      for (const child of granted) await this.followChild(trace, resource, child);
      return;
    }
    const isUnconditional = (child: CheckTrace): boolean =>
      !dependsOnCaveat(child) && !this.mayLinkHaveCaveat(trace, resource, child);
    const unconditional = dependsOnCaveat(trace) ? undefined : granted.find(isUnconditional);
    // Where a caveat decides, a trace doesn't show which of several ways it leaves open.
    const child = unconditional ?? (granted.length === 1 ? granted[0] : undefined);
    const isCertain =
      child !== undefined &&
      (child === unconditional || isOfObject(child, resource) || !(await this.mayGrantDirectly(trace)));
    if (isCertain) await this.followChild(trace, resource, child);
    else this.isComplete = false;
  }

  /** Whether a relation may also grant by a relationship to the subject itself, which a trace doesn't show beside others. */
  private async mayGrantDirectly(trace: CheckTrace): Promise<boolean> {
    const { resource, permission, subject } = trace;
    if (!isRelation(trace)) return false;
    if (resource === undefined || subject?.object === undefined) return true;
    const types = this.schema.relationTypes(resource.objectType, permission) ?? [];
    if (types.some(({ wildcard }) => wildcard)) return true;
    return (await this.reader.findRelation(resource, [permission], subject.object)) !== undefined;
  }

  private async followChild(parent: CheckTrace, resource: ObjectRef, child: CheckTrace): Promise<void> {
    const isOneOfSeveral =
      (child.resource?.objectId.includes(',') ?? false) &&
      (dependsOnCaveat(parent) || this.mayLinkHaveCaveat(parent, resource, child));
    const single = isOneOfSeveral ? undefined : await this.resolveSingle(child);
    if (single?.resource === undefined) {
      this.isComplete = false;
      return;
    }
    if (!isOfObject(single, resource)) {
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

  /**
   * Whether a relationship that leads from the resource to the child's objects may have a caveat. Where another way needs
   * none, the trace doesn't say that this one's is not met.
   */
  private mayLinkHaveCaveat(parent: CheckTrace, resource: ObjectRef, child: CheckTrace): boolean {
    if (child.resource === undefined || isOfObject(child, resource)) return false;
    const { objectType } = resource;
    const target = child.resource.objectType;
    const relations = isRelation(parent)
      ? [parent.permission]
      : this.schema.arrowRelations(objectType, parent.permission, target, child.permission);
    return relations.some((relation) => this.schema.mayHaveCaveat(objectType, relation, target));
  }

  private async findArrowRelation(
    parent: CheckTrace,
    resource: ObjectRef,
    child: CheckTrace,
    object: ObjectRef,
  ): Promise<string | undefined> {
    const { objectType } = resource;
    const relations = this.schema.arrowRelations(objectType, parent.permission, object.objectType, child.permission);
    if (relations.length > 1 && dependsOnCaveat(parent)) return undefined;
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

// The client exports the messages but not these enums of debug.proto.
/** Whether it is held, also where it is so because a caveat is met. */
function isGranted(trace: CheckTrace): boolean {
  const isMet = (trace.caveatEvaluationInfo?.result as number | undefined) === 3;
  return (trace.result as number) === 2 || (dependsOnCaveat(trace) && isMet);
}

/** Whether it is held only where a caveat is met: its own, or one on the way. */
function dependsOnCaveat(trace: CheckTrace): boolean {
  return (trace.result as number) === 3;
}

function isRelation(trace: CheckTrace): boolean {
  return (trace.permissionType as number) === 1;
}

function formatTracedSubject({ subject }: CheckTrace): string {
  return formatObject(subject?.object ?? { objectType: '', objectId: '' });
}

function formatObject({ objectType, objectId }: ObjectRef): string {
  return `${objectType}:${objectId}`;
}

/** Whether it is of that object as well, as the trace of a part of a permission is. */
function isOfObject({ resource }: CheckTrace, { objectType, objectId }: ObjectRef): boolean {
  return resource?.objectType === objectType && resource.objectId === objectId;
}
