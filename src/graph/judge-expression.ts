/**
 * Judges whether a subject has a part of a permission, in the world as it is: SpiceDB answers for whole members only, so a
 * part of an expression is judged by the members and links that it is made of.
 */
import type { EntityRef } from '../model/ids.js';
import type { Check, Relationship } from '../model/relationships.js';
import type { RelationshipFilter } from './port.js';
import { isAllArrow, type Expression, type GraphSchema } from './schema/schema.js';

export type PartJudgement = 'yes' | 'no' | 'unsure';

/** A relation or permission of an object. */
export type ObjectMember = Pick<Check, 'resource' | 'permission'>;

export type Arrow = Extract<Expression, { kind: 'arrow' | 'namedarrow' }>;

/** The world, as it answers for one subject. */
export interface PartWorld {
  judgeMembers: (members: readonly ObjectMember[]) => Promise<readonly PartJudgement[]>;
  /** The relationships to the objects that an arrow leads to; undefined where not all of them can be known. */
  readLinks: (object: EntityRef, arrow: Arrow) => Promise<readonly Relationship[] | undefined>;
}

/** @throws what the world's functions throw */
export async function judgeExpression(
  object: EntityRef,
  expression: Expression,
  world: PartWorld,
): Promise<PartJudgement> {
  switch (expression.kind) {
    case 'nil':
      return 'no';
    case 'relationref': {
      const [judgement] = await world.judgeMembers([{ resource: object, permission: expression.relationName }]);
      return judgement ?? 'unsure';
    }
    case 'arrow':
    case 'namedarrow':
      return judgeArrow(object, expression, world);
    case 'binary': {
      const left = await judgeExpression(object, expression.left, world);
      const right = await judgeExpression(object, expression.right, world);
      if (expression.operator === 'union') return joinAny([left, right]);
      return joinAll([left, expression.operator === 'exclusion' ? invertJudgement(right) : right]);
    }
  }
}

/** Judges the members that can be asked for by the answers to that, and each of the others by itself. */
export async function judgeAskable(
  members: readonly ObjectMember[],
  canAsk: (member: ObjectMember) => boolean,
  ask: (askable: readonly ObjectMember[]) => Promise<readonly PartJudgement[]>,
  judgeOther: (member: ObjectMember) => PartJudgement,
): Promise<PartJudgement[]> {
  const askable = members.filter(canAsk);
  const answers = await ask(askable);
  const judgements = new Map(askable.map((member, i) => [member, answers[i] ?? 'unsure']));
  return members.map((member) => judgements.get(member) ?? judgeOther(member));
}

/** The filters of the relationships to objects that an arrow leads to; of an `all` also to those that lack the target. */
export function listLinkFilters(
  object: EntityRef,
  arrow: Arrow,
  schema: GraphSchema,
): (RelationshipFilter & { readonly subjectType: string })[] {
  const relation = arrow.sourceRelation.relationName;
  const types = schema.relationTypes(object.type, relation) ?? [];
  const linked = types.filter(
    ({ path, wildcard }) =>
      !wildcard && (isAllArrow(arrow) || schema.hasMember(path, arrow.targetRelationOrPermission)),
  );
  return [...new Set(linked.map(({ path }) => path))].map((subjectType) => ({
    resourceType: object.type,
    resourceId: object.id,
    relation,
    subjectType,
  }));
}

async function judgeArrow(object: EntityRef, arrow: Arrow, world: PartWorld): Promise<PartJudgement> {
  const links = await world.readLinks(object, arrow);
  if (links === undefined) return 'unsure';
  const permission = arrow.targetRelationOrPermission;
  const answers = await world.judgeMembers(links.map(({ subject: { type, id } }) => ({ resource: { type, id }, permission }))); // prettier-ignore
  // A relationship with a caveat may be none.
  const judgements = links.map(({ caveat }, i) => (caveat === undefined ? (answers[i] ?? 'unsure') : 'unsure'));
  if (!isAllArrow(arrow)) return joinAny(judgements);
  return judgements.length === 0 ? 'no' : joinAll(judgements);
}

function joinAny(judgements: readonly PartJudgement[]): PartJudgement {
  if (judgements.includes('yes')) return 'yes';
  return judgements.includes('unsure') ? 'unsure' : 'no';
}

function joinAll(judgements: readonly PartJudgement[]): PartJudgement {
  return invertJudgement(joinAny(judgements.map(invertJudgement)));
}

function invertJudgement(judgement: PartJudgement): PartJudgement {
  if (judgement === 'unsure') return judgement;
  return judgement === 'yes' ? 'no' : 'yes';
}
