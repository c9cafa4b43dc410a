/**
 * Finds whether a person holds a permission by relationships none of which rests on the requester of an approval. It walks
 * what the permission is made of, as SpiceDB does, over the relationships that are there; SpiceDB's own answers only say
 * where to look. What it says yes to is held; where that can't be told (a caveat on the way, too much to read) it is no.
 */
import { judgeExpression, listLinkFilters, type Arrow, type ObjectMember } from '../../graph/judge-expression.js';
import type { RelationshipFilter } from '../../graph/port.js';
import { subjectFilters } from '../../graph/server/proof-reader.js';
import { unionOperands } from '../../graph/server/union-parts.js';
import { isAllArrow, type Expression, type GraphSchema, type SubjectType } from '../../graph/schema/schema.js';
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import { ExpansionLimitError, type BoundedGraph } from './bounded-graph.js';
import type { Deputies } from './deputies.js';
import { createPartWorld, readAllLinks } from './part-world.js';
import type { RequesterTies } from './requester-ties.js';

/** The most members that lead from the resource to the person: SpiceDB itself follows no more. */
const MAX_GRANT_DEPTH = 50;
/** Members that are visited, each as often as a way leads to it. */
const MAX_VISITS = 5000;

export interface IndependentPathDeps {
  readonly graph: BoundedGraph;
  readonly ties: RequesterTies;
  readonly schema: GraphSchema;
  /** undefined: members of a group have none who stand in for them. */
  readonly deputies: Deputies | undefined;
}

export class IndependentPathSearch {
  /** Whether something was passed over that can't be told: a caveat, or more than is read. */
  isUnsure = false;
  private visits = 0;
  /** Members that were visited to their end, whatever led there. */
  private readonly settled = new Map<string, boolean>();
  /** The number of members on the trail that the last visits came back to, and no later one: what is above isn't settled. */
  private returnedTo = Infinity;

  constructor(
    private readonly subject: EntityRef,
    private readonly deps: IndependentPathDeps,
  ) {}

  /**
   * @param trail the members that led here: one that comes again grants nothing new
   * @throws ExpansionLimitError, and what the graph throws
   */
  async holds({ resource, permission }: ObjectMember, trail: readonly string[] = []): Promise<boolean> {
    const key = `${permission}@${formatRef(resource)}`;
    const known = this.settled.get(key);
    if (known !== undefined) return known;
    if (trail.includes(key)) {
      this.returnedTo = Math.min(this.returnedTo, trail.indexOf(key));
      return false;
    }
    this.visits += 1;
    if (this.visits > MAX_VISITS) throw new ExpansionLimitError();
    if (trail.length >= MAX_GRANT_DEPTH) {
      this.isUnsure = true;
      this.returnedTo = 0;
      return false;
    }
    const returnedBefore = this.returnedTo;
    this.returnedTo = Infinity;
    const isHeld = await this.visit({ resource, permission }, [...trail, key]);
    // A no is final unless it comes of having been on the way to a member that is still open.
    if (isHeld || this.returnedTo >= trail.length) this.settled.set(key, isHeld);
    this.returnedTo = Math.min(returnedBefore, this.returnedTo >= trail.length ? Infinity : this.returnedTo);
    return isHeld;
  }

  private async visit({ resource, permission }: ObjectMember, path: readonly string[]): Promise<boolean> {
    const { schema, deputies } = this.deps;
    const types = schema.relationTypes(resource.type, permission);
    if (types !== undefined) {
      if (await this.holdsRelation(resource, permission, types, path)) return true;
    } else {
      const expression = schema.permissionExpression(resource.type, permission);
      const isHeld =
        expression === undefined
          ? permission === 'self' && isSameRef(this.subject, resource)
          : await this.satisfies(resource, expression, path);
      if (isHeld) return true;
    }
    const deputyRelation = deputies?.relationBeside(resource.type, permission);
    return deputyRelation !== undefined && this.holds({ resource, permission: deputyRelation }, path);
  }

  private async satisfies(object: EntityRef, expression: Expression, trail: readonly string[]): Promise<boolean> {
    switch (expression.kind) {
      case 'nil':
        return false;
      case 'relationref':
        return this.holds({ resource: object, permission: expression.relationName }, trail);
      case 'arrow':
      case 'namedarrow':
        return this.satisfiesArrow(object, expression, trail);
      case 'binary': {
        if (expression.operator === 'union') return this.satisfiesAny(object, unionOperands(expression), trail);
        const { left, right } = expression;
        if (!(await this.satisfies(object, left, trail))) return false;
        return expression.operator === 'exclusion'
          ? (await judgeExpression(object, right, createPartWorld(this.subject, this.deps))) === 'no'
          : this.satisfies(object, right, trail);
      }
    }
  }

  private async satisfiesAny(
    object: EntityRef,
    operands: readonly Expression[],
    trail: readonly string[],
  ): Promise<boolean> {
    const members = operands.flatMap((operand) =>
      operand.kind === 'relationref' && this.deps.schema.hasMember(object.type, operand.relationName)
        ? [{ resource: object, permission: operand.relationName }]
        : [],
    );
    const open = new Set((await this.selectPossible(members)).map(({ permission }) => permission));
    const closed = new Set(members.map(({ permission }) => permission).filter((permission) => !open.has(permission)));
    for (const operand of operands) {
      if (operand.kind === 'relationref' && closed.has(operand.relationName)) continue;
      if (await this.satisfies(object, operand, trail)) return true;
    }
    return false;
  }

  private async holdsRelation(
    object: EntityRef,
    relation: string,
    types: readonly SubjectType[],
    trail: readonly string[],
  ): Promise<boolean> {
    const filters = [...subjectFilters(this.subject, types)].sort(byNumberOfRows);
    for (const filter of filters) {
      const rows = await this.readIndependent([
        { resourceType: object.type, resourceId: object.id, relation, ...filter },
      ]);
      if (filter.subjectRelation === '') {
        if (rows.length > 0) return true;
        continue;
      }
      const usersets = rows.map(({ subject: { type, id, relation: permission = '' } }) => ({
        resource: { type, id },
        permission,
      }));
      for (const userset of await this.selectPossible(usersets)) if (await this.holds(userset, trail)) return true;
    }
    return false;
  }

  private async satisfiesArrow(object: EntityRef, arrow: Arrow, trail: readonly string[]): Promise<boolean> {
    const permission = arrow.targetRelationOrPermission;
    const filters = listLinkFilters(object, arrow, this.deps.schema);
    if (isAllArrow(arrow)) return this.satisfiesAll(filters, permission, trail);
    const targets = (await this.readIndependent(filters)).map(({ subject: { type, id } }) => ({
      resource: { type, id },
      permission,
    }));
    for (const target of await this.selectPossible(targets)) if (await this.holds(target, trail)) return true;
    return false;
  }

  /** Whether it holds over every relationship. One that rests on the requester may stand for another that they took away. */
  private async satisfiesAll(
    filters: readonly RelationshipFilter[],
    permission: string,
    trail: readonly string[],
  ): Promise<boolean> {
    const { graph, ties } = this.deps;
    const all = await readAllLinks(graph, filters);
    this.isUnsure ||= all === undefined;
    if (all === undefined) return false;
    const independent = await ties.selectIndependent(all.filter(({ caveat }) => caveat === undefined));
    if (all.length === 0 || independent.length < all.length) return false;
    for (const { subject } of all) if (!(await this.holds({ resource: subject, permission }, trail))) return false;
    return true;
  }

  private async readIndependent(filters: readonly RelationshipFilter[]): Promise<Relationship[]> {
    const linked: Relationship[] = [];
    for (const filter of filters) {
      const { rows, isComplete } = await this.deps.graph.read(filter);
      this.isUnsure ||= !isComplete;
      linked.push(...rows);
    }
    const independent = await this.deps.ties.selectIndependent(linked);
    const certain = independent.filter(({ caveat }) => caveat === undefined);
    this.isUnsure ||= certain.length < independent.length;
    return certain;
  }

  /** The members that may be held: SpiceDB says no to the others, and no deputy is looked for behind them. */
  private async selectPossible(members: readonly ObjectMember[]): Promise<ObjectMember[]> {
    const { graph, deputies } = this.deps;
    const asked = members.filter(({ resource, permission }) => deputies?.mayReach(resource.type, permission) !== true);
    if (asked.length < 2) return [...members];
    const answers = await graph.check(asked.map((member) => ({ ...member, subject: this.subject })));
    const closed = new Set(asked.filter((_, i) => answers[i]?.result === 'no' || answers[i]?.result === 'conditional'));
    return members.filter((member) => !closed.has(member));
  }
}

/** Orders what a subject holds by one relationship before usersets, which may be many. */
function byNumberOfRows(a: Pick<RelationshipFilter, 'subjectRelation'>, b: typeof a): number {
  return Number(a.subjectRelation !== '') - Number(b.subjectRelation !== '');
}
