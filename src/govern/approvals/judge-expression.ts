/** Judges a part of a permission in the world as it is: SpiceDB answers for members, and only whole members can be asked for. */
import type { RelationshipFilter } from '../../graph/port.js';
import { isAllArrow, type Expression, type GraphSchema } from '../../graph/schema/schema.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { EntityRef } from '../../model/ids.js';
import type { Check } from '../../model/relationships.js';
import { isSureNo, type BoundedGraph } from './bounded-graph.js';
import type { Deputies } from './deputies.js';

export type PartJudgement = 'yes' | 'no' | 'unsure';

interface JudgeDeps {
  readonly graph: BoundedGraph;
  readonly schema: GraphSchema;
  /** Makes unsure what a deputy may have in the place of members. */
  readonly deputies: Deputies | undefined;
}

type Arrow = Extract<Expression, { kind: 'arrow' | 'namedarrow' }>;

/** Judges whether the subject has the part. @throws ExpansionLimitError, and what the graph throws */
export async function judgeExpression(
  object: EntityRef,
  expression: Expression,
  subject: EntityRef,
  deps: JudgeDeps,
): Promise<PartJudgement> {
  switch (expression.kind) {
    case 'nil':
      return 'no';
    case 'relationref':
      return judgeMember({ resource: object, permission: expression.relationName, subject }, deps);
    case 'arrow':
    case 'namedarrow':
      return judgeArrow(object, expression, subject, deps);
    case 'binary': {
      const left = await judgeExpression(object, expression.left, subject, deps);
      const right = await judgeExpression(object, expression.right, subject, deps);
      if (expression.operator === 'union') return joinAny([left, right]);
      return joinAll([left, expression.operator === 'exclusion' ? invertJudgement(right) : right]);
    }
  }
}

/** The filters of the relationships to objects that an arrow leads to; of an `all` also to those that lack the target. */
export function listLinkFilters(object: EntityRef, arrow: Arrow, schema: GraphSchema): RelationshipFilter[] {
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

async function judgeMember(check: Check, { graph, schema, deputies }: JudgeDeps): Promise<PartJudgement> {
  const { type } = check.resource;
  // `self`, which can't be asked for, and what a deputy may have in a member's place.
  if (!schema.hasMember(type, check.permission) || deputies?.mayReach(type, check.permission) === true) return 'unsure';
  const [answer] = await graph.check([check]);
  return toJudgement(answer);
}

async function judgeArrow(
  object: EntityRef,
  arrow: Arrow,
  subject: EntityRef,
  { graph, schema, deputies }: JudgeDeps,
): Promise<PartJudgement> {
  const permission = arrow.targetRelationOrPermission;
  const judgements: PartJudgement[] = [];
  for (const filter of listLinkFilters(object, arrow, schema)) {
    const { rows, isComplete } = await graph.read(filter);
    if (!isComplete || deputies?.mayReach(filter.subjectType ?? '', permission) === true) return 'unsure';
    const targets = rows.map(({ subject: { type, id } }) => ({ resource: { type, id }, permission, subject }));
    const answers = await graph.check(targets);
    // A relationship with a caveat may be none.
    judgements.push(...rows.map(({ caveat }, i) => (caveat === undefined ? toJudgement(answers[i]) : 'unsure')));
  }
  if (!isAllArrow(arrow)) return joinAny(judgements);
  return judgements.length === 0 ? 'no' : joinAll(judgements);
}

function toJudgement(answer: CheckAnswer | undefined): PartJudgement {
  if (answer?.result === 'yes') return 'yes';
  return isSureNo(answer) ? 'no' : 'unsure';
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
