/**
 * What grants a yes, read relationship by relationship. A SpiceDB server keeps what it has worked out for as long as
 * nothing is written, past the end of relationships that it came from, and its traces stop where it did; what it reads
 * is never kept. So its answers say where to look, and the relationships that are there say whether it still holds,
 * until when, and why.
 */
import type { EntityRef } from '../../model/ids.js';
import { type Relationship } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { Expression, GraphSchema, SubjectType } from '../schema/schema.js';
import type { SubjectRelationshipFilter } from '../protobuf.js';
import type { CheckRequest } from '../../model/checks.js';

export type GrantProof =
  | {
      readonly kind: 'proved';
      /** From the resource to the subject; undefined where a caveat decided, which has no path. */
      readonly path: readonly string[] | undefined;
      /** When the first of what grants it ends, RFC 3339. */
      readonly until: string | undefined;
    }
  /** Nothing that is there grants it. */
  | { readonly kind: 'none' }
  /** Something may grant it that can't be followed: a caveat on the way, or too many to look at. */
  | { readonly kind: 'unsure' };

/** SpiceDB, at one revision. */
export interface SnapshotReader {
  /** Relationships that have not ended. */
  readRelationships(filter: SubjectRelationshipFilter, limit: number): Promise<readonly Relationship[]>;
  /** What SpiceDB says yes to; it may have kept that. */
  checkPermissions(checks: readonly CheckRequest[]): Promise<readonly boolean[]>;
  /** The same of one check, whose own relationships it reads anew. */
  checkUncached(check: CheckRequest): Promise<boolean>;
}

/** Of one relation of one object. */
const MAX_RELATION_ROWS = 1000;
const MAX_OBJECT_ROWS = 50;
/** SpiceDB itself follows no more. */
const MAX_PROOF_DEPTH = 50;
/** Questions to SpiceDB for one proof. */
const MAX_PROOF_READS = 200;

const NO_PROOF: GrantProof = { kind: 'none' };
const UNSURE_PROOF: GrantProof = { kind: 'unsure' };

export interface ProofOptions {
  /** Whether a yes that hangs on a caveat is asked about again; otherwise it is `unsure`. */
  readonly checkCaveats: boolean;
  /** By `performance.now()`: nothing more is asked after it, and what isn't proved by then is `unsure`. */
  readonly deadline: number;
}

/** @param check that SpiceDB says yes to */
export async function proveGrant(
  check: CheckRequest,
  schema: GraphSchema,
  reader: SnapshotReader,
  { checkCaveats, deadline }: ProofOptions,
): Promise<GrantProof> {
  try {
    const search = new ProofSearch(check, schema, reader, checkCaveats, deadline);
    return await search.proveMember(check.resource, check.permission, []);
  } catch (error) {
    if (error instanceof ProofLimitError) return UNSURE_PROOF;
    throw error;
  }
}

class ProofLimitError extends Error {}

class ProofSearch {
  private reads = 0;
  private readonly objectRows = new Map<string, Promise<readonly Relationship[] | undefined>>();

  constructor(
    private readonly check: CheckRequest,
    private readonly schema: GraphSchema,
    private readonly reader: SnapshotReader,
    private readonly checkCaveats: boolean,
    private readonly deadline: number,
  ) {}

  /** @param trail the members that led here: one that comes again grants nothing new */
  async proveMember(object: EntityRef, name: string, trail: readonly string[]): Promise<GrantProof> {
    const memberKey = `${object.type}#${name}:${object.id}`;
    if (trail.includes(memberKey)) return NO_PROOF;
    if (trail.length >= MAX_PROOF_DEPTH) return UNSURE_PROOF;
    const types = this.schema.relationTypes(object.type, name);
    if (types !== undefined) return this.proveRelation(object, name, types, [...trail, memberKey]);
    const expression = this.schema.permissionExpression(object.type, name);
    if (expression !== undefined) return this.proveExpression(object, expression, [...trail, memberKey]);
    const { subject } = this.check;
    const itself = name === 'self' && subject.type === object.type && subject.id === object.id;
    return itself ? { kind: 'proved', path: [], until: undefined } : NO_PROOF;
  }

  private async proveExpression(
    object: EntityRef,
    expression: Expression,
    trail: readonly string[],
  ): Promise<GrantProof> {
    switch (expression.kind) {
      case 'nil':
        return NO_PROOF;
      case 'relationref':
        return this.proveMember(object, expression.relationName, trail);
      case 'arrow':
        return this.proveArrow(
          object,
          expression.sourceRelation.relationName,
          expression.targetRelationOrPermission,
          trail,
        );
      case 'namedarrow': {
        const [source, target] = [expression.sourceRelation.relationName, expression.targetRelationOrPermission];
        return expression.functionName === 'all'
          ? this.proveAllArrow(object, source, target, trail)
          : this.proveArrow(object, source, target, trail);
      }
      case 'binary':
        if (expression.operator === 'union') return this.proveUnion(object, unionOperands(expression), trail);
        // Of what is subtracted SpiceDB's no stands: with time it only becomes truer, or the caller knows better.
        if (expression.operator === 'exclusion') return this.proveExpression(object, expression.left, trail);
        return combineProofs(await this.proveExpression(object, expression.left, trail), () =>
          this.proveExpression(object, expression.right, trail),
        );
    }
  }

  /** The first that grants; where several may, SpiceDB says of those with a name which needn't be looked at. */
  private async proveUnion(
    object: EntityRef,
    parts: readonly Expression[],
    trail: readonly string[],
  ): Promise<GrantProof> {
    const allRows = await this.readObjectRows(object);
    const directProof = allRows && this.proveDirectly(object, parts, allRows);
    if (directProof !== undefined) return directProof;
    const openParts =
      allRows === undefined ? parts : parts.filter((part) => this.mayLeadFurther(object.type, part, allRows));
    if (openParts.length === 1) return findFirstProof(openParts, (part) => this.proveExpression(object, part, trail));
    const relationNames = openParts.flatMap((part) => (part.kind === 'relationref' ? [part.relationName] : []));
    const memberNames = relationNames.filter((name) => this.schema.hasMember(object.type, name));
    const answers = await this.selectHolding(memberNames.map((permission) => ({ resource: object, permission })));
    const denied = new Set(memberNames.filter((_, i) => answers[i] !== true));
    const holdingParts = openParts.filter((part) => part.kind !== 'relationref' || !denied.has(part.relationName));
    return findFirstProof(holdingParts, (part) => this.proveExpression(object, part, trail));
  }

  /** What one relationship of the object's own grants, by any of these parts. */
  private proveDirectly(
    object: EntityRef,
    parts: readonly Expression[],
    allRows: readonly Relationship[],
  ): GrantProof | undefined {
    const { subject } = this.check;
    const names = new Set(parts.flatMap((part) => this.grantingRelations(object.type, part)));
    const [grantingRow] = allRows
      .filter(({ relation, caveat }) => caveat === undefined && names.has(relation))
      .filter((row) => matchesSubject(row, subject))
      .sort(compareByLatestEnd);
    return grantingRow === undefined
      ? undefined
      : extendProof(grantingRow, { kind: 'proved', path: [], until: undefined });
  }

  /** The relations that each grant a part by themselves, over unions of unions on the same object. */
  private grantingRelations(type: string, part: Expression, depth = 0): string[] {
    if (depth > MAX_PROOF_DEPTH) return [];
    if (part.kind === 'binary' && part.operator === 'union')
      return unionOperands(part).flatMap((operand) => this.grantingRelations(type, operand, depth + 1));
    if (part.kind !== 'relationref') return [];
    if (this.schema.relationTypes(type, part.relationName) !== undefined) return [part.relationName];
    const expression = this.schema.permissionExpression(type, part.relationName);
    return expression === undefined ? [] : this.grantingRelations(type, expression, depth + 1);
  }

  /** Whether more than {@link proveDirectly} sees may come of a part: by a userset, an object that an arrow leads to, a caveat. */
  private mayLeadFurther(type: string, part: Expression, allRows: readonly Relationship[], depth = 0): boolean {
    if (depth > MAX_PROOF_DEPTH) return true;
    switch (part.kind) {
      case 'nil':
        return false;
      case 'arrow':
      case 'namedarrow':
        return allRows.some(({ relation }) => relation === part.sourceRelation.relationName);
      case 'binary':
        return (
          part.operator !== 'union' ||
          unionOperands(part).some((operand) => this.mayLeadFurther(type, operand, allRows, depth + 1))
        );
      case 'relationref': {
        const { relationName: name } = part;
        if (this.schema.relationTypes(type, name) !== undefined)
          return allRows.some(
            (r) => r.relation === name && (r.subject.relation !== undefined || r.caveat !== undefined),
          );
        const expression = this.schema.permissionExpression(type, name);
        return expression === undefined || this.mayLeadFurther(type, expression, allRows, depth + 1);
      }
    }
  }

  private async proveRelation(
    object: EntityRef,
    name: string,
    types: readonly SubjectType[],
    trail: readonly string[],
  ): Promise<GrantProof> {
    const { subject } = this.check;
    const allRows = await this.readGrantingRows(
      { resourceType: object.type, resourceId: object.id, relation: name },
      types,
    );
    const usersets = allRows.filter((row) => row.subject.relation !== undefined);
    const rows = allRows.filter((row) => row.subject.relation === undefined);
    // Each of these grants by itself, so the last to end is what counts.
    const [grantingRow] = rows.filter((row) => row.caveat === undefined).sort(compareByLatestEnd);
    if (grantingRow !== undefined) return extendProof(grantingRow, { kind: 'proved', path: [], until: undefined });

    const followedRows = usersets.filter((row) => row.caveat === undefined);
    const members = followedRows.map((row) => ({ resource: row.subject, permission: row.subject.relation ?? '' }));
    const answers = await this.selectHolding(members);
    const holdingRows = followedRows.filter((_, i) => answers[i] === true);
    const proof = await findFirstProof(holdingRows, async (row) =>
      extendProof(row, await this.proveMember(row.subject, row.subject.relation ?? '', trail)),
    );
    if (proof.kind !== 'none') return proof;
    if (usersets.length > followedRows.length || usersets.length > MAX_RELATION_ROWS) return UNSURE_PROOF;
    if (rows.length === 0) return NO_PROOF;
    // Only caveats are left. SpiceDB reads them anew, but what it has kept of usersets would come with the answer.
    if (!this.checkCaveats || (await this.checkMembers(members)).includes(true)) return UNSURE_PROOF;
    this.countRead();
    const { context } = this.check;
    if (!(await this.reader.checkUncached({ resource: object, permission: name, subject, context }))) return NO_PROOF;
    return { kind: 'proved', path: undefined, until: earliestInstant(rows.map((row) => row.expiresAt)) };
  }

  /** The relationships of a relation that may grant: to the subject, to everybody, to usersets. */
  private async readGrantingRows(
    filter: SubjectRelationshipFilter,
    types: readonly SubjectType[],
  ): Promise<readonly Relationship[]> {
    const { subject } = this.check;
    const filters = new Map<string, Omit<SubjectRelationshipFilter, 'resourceType'>>();
    for (const { path, relationName, wildcard } of types) {
      if (relationName !== undefined)
        filters.set(`${path}#${relationName}`, { subjectType: path, subjectRelation: relationName });
      else if (path === subject.type)
        filters.set(wildcard ? '*' : '', {
          subjectType: path,
          subjectRelation: '',
          ...(wildcard ? { wildcard: true } : { subjectId: subject.id }),
        });
    }
    // Where the object has too many, the relation may yet have few: those come in one call.
    const objectRows = filters.size > 1 ? await this.readRows(filter, MAX_OBJECT_ROWS + 1) : [];
    if (filters.size > 1 && objectRows.length <= MAX_OBJECT_ROWS)
      return objectRows.filter((row) => row.subject.relation !== undefined || matchesSubject(row, subject));
    return (
      await Promise.all([...filters.values()].map((subjectFilter) => this.readRows({ ...filter, ...subjectFilter })))
    ).flat();
  }

  private async proveArrow(
    object: EntityRef,
    source: string,
    target: string,
    trail: readonly string[],
  ): Promise<GrantProof> {
    const rows = await this.readLinkedRows(object, source, target);
    const followedRows = rows.filter((row) => row.caveat === undefined);
    const answers = await this.selectHolding(
      followedRows.map((row) => ({ resource: row.subject, permission: target })),
    );
    const holdingRows = followedRows.filter((_, i) => answers[i] === true);
    const proof = await findFirstProof(holdingRows, async (row) =>
      extendProof(row, await this.proveMember(row.subject, target, trail)),
    );
    const hasUnfollowed = rows.length > followedRows.length || rows.length > MAX_RELATION_ROWS;
    return proof.kind === 'none' && hasUnfollowed ? UNSURE_PROOF : proof;
  }

  private async proveAllArrow(
    object: EntityRef,
    source: string,
    target: string,
    trail: readonly string[],
  ): Promise<GrantProof> {
    const rows = await this.readLinkedRows(object, source, target);
    if (rows.length > MAX_RELATION_ROWS || rows.some((row) => row.caveat !== undefined)) return UNSURE_PROOF;
    let proof: GrantProof = rows.length === 0 ? NO_PROOF : { kind: 'proved', path: [], until: undefined };
    for (const row of rows)
      proof = await combineProofs(proof, async () =>
        extendProof(row, await this.proveMember(row.subject, target, trail)),
      );
    return proof;
  }

  /** What an arrow leads to. */
  private async readLinkedRows(object: EntityRef, source: string, target: string): Promise<Relationship[]> {
    const types = this.schema.relationTypes(object.type, source) ?? [];
    const subjectTypes = new Set(
      types.filter((t) => !t.wildcard && this.schema.hasMember(t.path, target)).map((t) => t.path),
    );
    const filter = { resourceType: object.type, resourceId: object.id, relation: source };
    return (
      await Promise.all([...subjectTypes].map((subjectType) => this.readRows({ ...filter, subjectType })))
    ).flat();
  }

  private async readRows(
    filter: SubjectRelationshipFilter,
    limit = MAX_RELATION_ROWS + 1,
  ): Promise<readonly Relationship[]> {
    const allRows = await this.readObjectRows({ type: filter.resourceType, id: filter.resourceId ?? '' });
    if (allRows !== undefined) return allRows.filter((row) => matchesFilter(row, filter));
    this.countRead();
    return this.reader.readRelationships(filter, limit);
  }

  /** All that an object has, in one call, whatever will be asked of it; undefined where that is much. */
  private readObjectRows({ type, id }: EntityRef): Promise<readonly Relationship[] | undefined> {
    const key = `${type}:${id}`;
    const cached = this.objectRows.get(key);
    if (cached !== undefined) return cached;
    this.countRead();
    const pendingRows = this.reader
      .readRelationships({ resourceType: type, resourceId: id }, MAX_OBJECT_ROWS + 1)
      .then((rows) => (rows.length > MAX_OBJECT_ROWS ? undefined : rows));
    this.objectRows.set(key, pendingRows);
    return pendingRows;
  }

  /** Which of them to follow: one alone is followed anyway, which costs no more than to ask. */
  private async selectHolding(members: readonly ObjectMember[]): Promise<readonly boolean[]> {
    return members.length === 1 ? [true] : this.checkMembers(members);
  }

  /** @throws TooMany */
  private countRead(): void {
    this.reads += 1;
    if (this.reads > MAX_PROOF_READS || performance.now() > this.deadline) throw new ProofLimitError();
  }

  private async checkMembers(members: readonly ObjectMember[]): Promise<readonly boolean[]> {
    if (members.length === 0) return [];
    this.countRead();
    const { subject, context } = this.check;
    return this.reader.checkPermissions(
      members.map(({ resource: { type, id }, permission }) => ({
        resource: { type, id },
        permission,
        subject,
        context,
      })),
    );
  }
}

type ObjectMember = Pick<CheckRequest, 'resource' | 'permission'>;

/** By itself, or as one of everybody. */
function matchesSubject({ subject, wildcard }: Relationship, expected: EntityRef): boolean {
  return (
    subject.relation === undefined &&
    subject.type === expected.type &&
    (wildcard === true || subject.id === expected.id)
  );
}

function matchesFilter({ relation, subject, wildcard }: Relationship, filter: SubjectRelationshipFilter): boolean {
  const { wildcard: wildcardOnly = false, subjectRelation } = filter;
  return (
    (filter.relation === undefined || filter.relation === relation) &&
    (filter.subjectType === undefined || filter.subjectType === subject.type) &&
    (wildcardOnly
      ? wildcard === true
      : filter.subjectId === undefined || (wildcard !== true && filter.subjectId === subject.id)) &&
    (subjectRelation === undefined || subjectRelation === (subject.relation ?? ''))
  );
}

/** The parts of a union, of unions too. */
function unionOperands(expression: Expression): Expression[] {
  return expression.kind === 'binary' && expression.operator === 'union'
    ? [...unionOperands(expression.left), ...unionOperands(expression.right)]
    : [expression];
}

async function findFirstProof<T>(
  candidates: readonly T[],
  prove: (way: T) => Promise<GrantProof>,
): Promise<GrantProof> {
  let result = NO_PROOF;
  for (const candidate of candidates) {
    const proof = await prove(candidate);
    if (proof.kind === 'proved') return proof;
    if (proof.kind === 'unsure') result = UNSURE_PROOF;
  }
  return result;
}

async function combineProofs(left: GrantProof, proveRight: () => Promise<GrantProof>): Promise<GrantProof> {
  if (left.kind === 'none') return NO_PROOF;
  const right = await proveRight();
  if (right.kind === 'none') return NO_PROOF;
  if (left.kind === 'unsure' || right.kind === 'unsure') return UNSURE_PROOF;
  return {
    kind: 'proved',
    path: left.path === undefined || right.path === undefined ? undefined : [...new Set([...left.path, ...right.path])],
    until: earliestInstant([left.until, right.until]),
  };
}

/** The relationship, and what is proved beyond it. */
function extendProof(row: Relationship, beyond: GrantProof): GrantProof {
  if (beyond.kind !== 'proved') return beyond;
  const { path, until } = beyond;
  return {
    kind: 'proved',
    path: path === undefined ? undefined : [relationshipKey(row), ...path],
    until: earliestInstant([row.expiresAt, until]),
  };
}

/** In one form, so that as texts they compare as the instants do. */
function earliestInstant(instants: readonly (string | undefined)[]): string | undefined {
  const times = instants.flatMap((at) => (at === undefined ? [] : [Date.parse(at)]));
  return times.length === 0 ? undefined : new Date(Math.min(...times)).toISOString();
}

function compareByLatestEnd(a: Relationship, b: Relationship): number {
  const end = ({ expiresAt }: Relationship): number => (expiresAt === undefined ? Infinity : Date.parse(expiresAt));
  return end(a) === end(b) ? 0 : end(b) - end(a);
}
