/**
 * Finds the relationships that grant a yes. A SpiceDB server caches what it has worked out for as long as nothing is
 * written, past the expiration of relationships that it came from, and its traces stop where it did; what it reads is
 * never cached. So its answers say where to look, and the relationships that are there say whether the yes still holds,
 * until when, and why.
 */
import type { EntityRef } from '../../model/ids.js';
import type { CheckRequest } from '../../model/checks.js';
import type { Relationship } from '../../model/relationships.js';
import { judgeExpression, type Arrow, type ObjectMember } from '../judge-expression.js';
import { isAllArrow, type Expression, type GraphSchema, type SubjectType } from '../schema/schema.js';
import {
  combineProofs,
  earliestInstant,
  EMPTY_PROOF,
  extendProof,
  findFirstProof,
  NO_PROOF,
  proofByLastToExpire,
  UNSURE_PROOF,
  type GrantProof,
} from './proof.js';
import { MAX_RELATION_ROWS, ProofLimitError, ProofReader } from './proof-reader.js';
import type { SnapshotReader } from './snapshot-reader.js';
import { mayLeadFurther, proveByOneRow, unionOperands } from './union-parts.js';

/** The most members that lead from the resource to the subject: SpiceDB itself follows no more. */
const MAX_PROOF_DEPTH = 50;

export interface ProofOptions {
  /** Whether a yes that depends on a caveat is asked about again; otherwise it is `unsure`. */
  readonly checkCaveats: boolean;
  /** The end by `performance.now()`: nothing more is asked after it, and what isn't proved by then is `unsure`. */
  readonly deadline: number;
}

/**
 * @param check one that SpiceDB says yes to
 * @throws what the snapshot's reader throws
 */
export async function proveGrant(
  check: CheckRequest,
  schema: GraphSchema,
  snapshot: SnapshotReader,
  { checkCaveats, deadline }: ProofOptions,
): Promise<GrantProof> {
  const reader = new ProofReader(check, schema, snapshot, deadline);
  try {
    return await new ProofSearch(check, schema, reader, checkCaveats).proveMember(check.resource, check.permission, []);
  } catch (error) {
    if (error instanceof ProofLimitError) return UNSURE_PROOF;
    throw error;
  }
}

class ProofSearch {
  constructor(
    private readonly check: CheckRequest,
    private readonly schema: GraphSchema,
    private readonly reader: ProofReader,
    private readonly checkCaveats: boolean,
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
    const isSubject = subject.type === object.type && subject.id === object.id;
    return name === 'self' && isSubject ? EMPTY_PROOF : NO_PROOF;
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
      case 'namedarrow':
        return isAllArrow(expression)
          ? this.proveAllArrow(object, expression, trail)
          : this.proveArrow(object, expression, trail);
      case 'binary':
        if (expression.operator === 'union') return this.proveUnion(object, unionOperands(expression), trail);
        if (expression.operator === 'exclusion') return this.proveExclusion(object, expression, trail);
        return combineProofs(await this.proveExpression(object, expression.left, trail), () =>
          this.proveExpression(object, expression.right, trail),
        );
    }
  }

  /**
   * SpiceDB's yes to an exclusion itself is a no to what is subtracted, which with time only becomes truer. An exclusion
   * within something larger may have had nothing to do with the yes: there, what is subtracted is asked about.
   */
  private async proveExclusion(
    object: EntityRef,
    exclusion: Extract<Expression, { kind: 'binary' }>,
    trail: readonly string[],
  ): Promise<GrantProof> {
    const proof = await this.proveExpression(object, exclusion.left, trail);
    const { resource, permission } = this.check;
    const isAsked = trail.length === 1 && exclusion === this.schema.permissionExpression(resource.type, permission);
    if (proof.kind === 'none' || isAsked) return proof;
    const subtracted = await judgeExpression(object, exclusion.right, this.reader);
    if (subtracted === 'yes') return NO_PROOF;
    return subtracted === 'no' ? proof : UNSURE_PROOF;
  }

  /** The first part that grants; where several may, SpiceDB says which of those with a name needn't be looked at. */
  private async proveUnion(
    object: EntityRef,
    parts: readonly Expression[],
    trail: readonly string[],
  ): Promise<GrantProof> {
    let openParts = parts;
    const rows = await this.reader.readObjectRows(object);
    if (rows !== undefined) {
      const proof = proveByOneRow(this.schema, object.type, parts, rows, this.check.subject);
      if (proof.kind === 'proved') return proof;
      openParts = parts.filter((part) => mayLeadFurther(this.schema, object.type, part, rows));
    }
    const prove = (part: Expression): Promise<GrantProof> => this.proveExpression(object, part, trail);
    if (openParts.length === 1) return findFirstProof(openParts, prove);
    const names = openParts.flatMap((part) => (part.kind === 'relationref' ? [part.relationName] : []));
    const members = names
      .filter((name) => this.schema.hasMember(object.type, name))
      .map((permission) => ({ resource: object, permission }));
    const holding = await this.selectHolding(members, (member) => member);
    const denied = new Set(members.filter((member) => !holding.includes(member)).map(({ permission }) => permission));
    return findFirstProof(
      openParts.filter((part) => part.kind !== 'relationref' || !denied.has(part.relationName)),
      prove,
    );
  }

  private async proveRelation(
    object: EntityRef,
    name: string,
    types: readonly SubjectType[],
    trail: readonly string[],
  ): Promise<GrantProof> {
    const rows = await this.reader.readGrantingRows(object, name, types);
    const direct = rows.filter(({ subject }) => subject.relation === undefined);
    const usersets = rows.filter(({ subject }) => subject.relation !== undefined);
    const byOneRow = proofByLastToExpire(direct.filter(({ caveat }) => caveat === undefined));
    if (byOneRow.kind === 'proved') return byOneRow;
    const followed = usersets.filter(({ caveat }) => caveat === undefined);
    const holding = await this.selectHolding(followed, usersetMember);
    const byUserset = await findFirstProof(holding, async (row) =>
      extendProof(row, await this.proveMember(row.subject, row.subject.relation ?? '', trail)),
    );
    if (byUserset.kind !== 'none') return byUserset;
    if (usersets.length > followed.length || usersets.length > MAX_RELATION_ROWS) return UNSURE_PROOF;
    if (direct.length === 0) return NO_PROOF;
    return this.proveByCaveat({ resource: object, permission: name }, direct, followed.map(usersetMember));
  }

  /**
   * Asks SpiceDB whether a caveat of the rows holds. It reads these anew, but what it has cached about usersets would
   * come with the answer, so none of them may hold.
   */
  private async proveByCaveat(
    member: ObjectMember,
    rows: readonly Relationship[],
    usersets: readonly ObjectMember[],
  ): Promise<GrantProof> {
    if (!this.checkCaveats || (await this.reader.checkMembers(usersets)).includes('yes')) return UNSURE_PROOF;
    if (!(await this.reader.checkUncached(member))) return NO_PROOF;
    return { kind: 'proved', path: undefined, until: earliestInstant(rows.map(({ expiresAt }) => expiresAt)) };
  }

  private async proveArrow(object: EntityRef, arrow: Arrow, trail: readonly string[]): Promise<GrantProof> {
    const target = arrow.targetRelationOrPermission;
    const rows = await this.reader.readLinkedRows(object, arrow);
    const followed = rows.filter(({ caveat }) => caveat === undefined);
    const holding = await this.selectHolding(followed, ({ subject }) => ({ resource: subject, permission: target }));
    const proof = await findFirstProof(holding, async (row) =>
      extendProof(row, await this.proveMember(row.subject, target, trail)),
    );
    const hasUnfollowed = rows.length > followed.length || rows.length > MAX_RELATION_ROWS;
    return proof.kind === 'none' && hasUnfollowed ? UNSURE_PROOF : proof;
  }

  private async proveAllArrow(object: EntityRef, arrow: Arrow, trail: readonly string[]): Promise<GrantProof> {
    const target = arrow.targetRelationOrPermission;
    const rows = await this.reader.readLinks(object, arrow);
    if (rows === undefined || rows.some(({ caveat }) => caveat !== undefined)) return UNSURE_PROOF;
    let proof = rows.length === 0 ? NO_PROOF : EMPTY_PROOF;
    for (const row of rows)
      proof = await combineProofs(proof, async () =>
        extendProof(row, await this.proveMember(row.subject, target, trail)),
      );
    return proof;
  }

  /** The candidates to follow, by SpiceDB's word; one alone is followed anyway, which costs no more than to ask. */
  private async selectHolding<T>(candidates: readonly T[], toMember: (candidate: T) => ObjectMember): Promise<T[]> {
    if (candidates.length === 1) return [...candidates];
    const answers = await this.reader.checkMembers(candidates.map(toMember));
    return candidates.filter((_, i) => answers[i] === 'yes');
  }
}

function usersetMember({ subject }: Relationship): ObjectMember {
  return { resource: subject, permission: subject.relation ?? '' };
}
