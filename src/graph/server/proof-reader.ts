/**
 * The reads of one proof: within a number and a deadline, and an object's relationships in one call where they are few,
 * whatever will be asked of it.
 */
import { isSameRef, type EntityRef } from '../../model/ids.js';
import type { CheckRequest } from '../../model/checks.js';
import type { Relationship } from '../../model/relationships.js';
import type { RelationshipFilter } from '../port.js';
import { judgeAskable, listLinkFilters, type Arrow, type ObjectMember, type PartJudgement, type PartWorld } from '../judge-expression.js'; // prettier-ignore
import type { GraphSchema, SubjectType } from '../schema/schema.js';
import type { SnapshotReader } from './snapshot-reader.js';

/** Relationships that are read of one relation of one object; one more says that there are too many. */
export const MAX_RELATION_ROWS = 1000;
/** Relationships of an object that are read in one call. */
const MAX_OBJECT_ROWS = 50;
/** Questions to SpiceDB for one proof. */
const MAX_PROOF_READS = 200;

/** The proof has taken too many reads, or too long. */
export class ProofLimitError extends Error {}

/** Every method throws ProofLimitError, and what the snapshot's reader throws. */
export class ProofReader implements PartWorld {
  private reads = 0;
  private readonly objectRows = new Map<string, Promise<readonly Relationship[] | undefined>>();

  /** @param deadline by `performance.now()`: nothing is read after it */
  constructor(
    private readonly check: CheckRequest,
    private readonly schema: GraphSchema,
    private readonly snapshot: SnapshotReader,
    private readonly deadline: number,
  ) {}

  /** The relationships of a relation that may grant: to the subject, to its type's wildcard, to usersets. */
  async readGrantingRows(
    object: EntityRef,
    relation: string,
    types: readonly SubjectType[],
  ): Promise<readonly Relationship[]> {
    const { subject } = this.check;
    const filter = { resourceType: object.type, resourceId: object.id, relation };
    const filters = subjectFilters(subject, types);
    if (filters.length > 1) {
      // Where the object has too many, the relation may yet have few: those come in one call.
      const rows = await this.readRows(filter, MAX_OBJECT_ROWS + 1);
      if (rows.length <= MAX_OBJECT_ROWS)
        return rows.filter((row) => row.subject.relation !== undefined || matchesSubject(row, subject));
    }
    const rows = await Promise.all(filters.map((subjectFilter) => this.readRows({ ...filter, ...subjectFilter })));
    return rows.flat();
  }

  /** The relationships to the objects that an arrow leads to, of each type of them at most one more than may be read. */
  async readLinkedRows(object: EntityRef, arrow: Arrow): Promise<Relationship[]> {
    const filters = listLinkFilters(object, arrow, this.schema);
    const rows = await Promise.all(filters.map((filter) => this.readRows(filter)));
    return rows.flat();
  }

  async readLinks(object: EntityRef, arrow: Arrow): Promise<readonly Relationship[] | undefined> {
    const rows = await this.readLinkedRows(object, arrow);
    return rows.length > MAX_RELATION_ROWS ? undefined : rows;
  }

  /** All that an object has; undefined where that is more than one call reads. */
  readObjectRows({ type, id }: EntityRef): Promise<readonly Relationship[] | undefined> {
    const key = `${type}:${id}`;
    const cached = this.objectRows.get(key);
    if (cached !== undefined) return cached;
    this.countRead();
    const rows = this.snapshot
      .readRelationships({ resourceType: type, resourceId: id }, MAX_OBJECT_ROWS + 1)
      .then((list) => (list.length > MAX_OBJECT_ROWS ? undefined : list));
    this.objectRows.set(key, rows);
    return rows;
  }

  /** Whether SpiceDB says, maybe from its cache, that the subject has each member. */
  async checkMembers(members: readonly ObjectMember[]): Promise<readonly PartJudgement[]> {
    if (members.length === 0) return [];
    this.countRead();
    const { subject, context } = this.check;
    return this.snapshot.checkPermissions(
      members.map(({ resource: { type, id }, permission }) => ({
        resource: { type, id },
        permission,
        subject,
        context,
      })),
    );
  }

  /** The same, also for `self`, which SpiceDB can't be asked for. */
  judgeMembers(members: readonly ObjectMember[]): Promise<readonly PartJudgement[]> {
    return judgeAskable(
      members,
      ({ resource, permission }) => this.schema.hasMember(resource.type, permission),
      (askable) => this.checkMembers(askable),
      ({ resource, permission }) => (permission === 'self' && isSameRef(resource, this.check.subject) ? 'yes' : 'no'),
    );
  }

  /** Whether SpiceDB says so of the one member, whose own relationships it reads anew. */
  checkUncached({ resource, permission }: ObjectMember): Promise<boolean> {
    this.countRead();
    const { subject, context } = this.check;
    return this.snapshot.checkUncached({ resource, permission, subject, context });
  }

  private async readRows(filter: RelationshipFilter, limit = MAX_RELATION_ROWS + 1): Promise<readonly Relationship[]> {
    const objectRows = await this.readObjectRows({ type: filter.resourceType, id: filter.resourceId ?? '' });
    if (objectRows !== undefined) return objectRows.filter((row) => matchesFilter(row, filter));
    this.countRead();
    return this.snapshot.readRelationships(filter, limit);
  }

  /** @throws ProofLimitError */
  private countRead(): void {
    this.reads += 1;
    if (this.reads > MAX_PROOF_READS || performance.now() > this.deadline) throw new ProofLimitError();
  }
}

/** Whether the relationship is one to the subject itself, or to its type's wildcard. */
export function matchesSubject({ subject, wildcard }: Relationship, expected: EntityRef): boolean {
  return (
    subject.relation === undefined &&
    subject.type === expected.type &&
    (wildcard === true || subject.id === expected.id)
  );
}

/** A filter for each kind of subject that may grant to the subject, each once. */
export function subjectFilters(
  subject: EntityRef,
  types: readonly SubjectType[],
): readonly Omit<RelationshipFilter, 'resourceType'>[] {
  const filters = new Map<string, Omit<RelationshipFilter, 'resourceType'>>();
  for (const { path, relationName, wildcard } of types) {
    if (relationName !== undefined)
      filters.set(`${path}#${relationName}`, { subjectType: path, subjectRelation: relationName });
    else if (path === subject.type && wildcard)
      filters.set('wildcard', { subjectType: path, subjectRelation: '', wildcard: true });
    else if (path === subject.type)
      filters.set('subject', { subjectType: path, subjectRelation: '', subjectId: subject.id });
  }
  return [...filters.values()];
}

function matchesFilter({ relation, subject, wildcard = false }: Relationship, filter: RelationshipFilter): boolean {
  if (filter.relation !== undefined && filter.relation !== relation) return false;
  if (filter.subjectType !== undefined && filter.subjectType !== subject.type) return false;
  if (filter.subjectRelation !== undefined && filter.subjectRelation !== (subject.relation ?? '')) return false;
  if (filter.wildcard === true) return wildcard;
  return filter.subjectId === undefined || (!wildcard && filter.subjectId === subject.id);
}
