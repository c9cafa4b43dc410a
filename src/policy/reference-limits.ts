/**
 * Holds the references that policies follow within bounds. The entities that they lead to are fetched for each question,
 * so their number is known before any question is asked, and a policy that would need more is refused when it is read.
 */
import type { FindingCollector } from '../diagnostics/diagnostics.js';
import { collectReads } from './collect-reads.js';
import type { Policy } from './policies.js';
import { needsEntity, type PolicyReads, type QuestionTypes, type ValueReads } from './policy-reads.js';
import { formatQuestionKind } from './question-kind.js';
import { canApply } from './scope-match.js';
import { formatUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';

/** References that one expression follows, one behind the other, at most. */
export const MAX_REFERENCE_DEPTH = 4;
/** Entities that the policies of one kind of question reach beside the principal and the resource, at most. */
export const MAX_REACHED_ENTITIES = 64;

export function checkReferenceLimits(
  policies: readonly Policy[],
  { actions, entityTypes }: Pick<Vocabulary, 'actions' | 'entityTypes'>,
  findings: FindingCollector,
): void {
  const reported = new Set<Policy>();
  const report = (policy: Policy, message: string, cure: string): void => {
    if (!reported.has(policy)) findings.error('reference-limit', policy.location, message, cure);
    reported.add(policy);
  };
  const groups = [policies.filter((p) => p.duties === undefined), policies.filter((p) => p.duties !== undefined)];
  for (const action of actions)
    for (const resource of action.resourceTypes)
      for (const principal of action.principalTypes)
        for (const group of groups)
          checkQuestion(
            group.filter((policy) => canApply(policy.json, principal, action, resource)),
            { principal, action, resource },
            { entityTypes },
            report,
          );
}

type Report = (policy: Policy, message: string, cure: string) => void;

function checkQuestion(
  policies: readonly Policy[],
  types: QuestionTypes,
  vocabulary: Pick<Vocabulary, 'entityTypes'>,
  report: Report,
): void {
  const read = (some: readonly Policy[]): PolicyReads => collectReads(some, types, vocabulary);
  const all = read(policies);
  const question = `a question "${formatQuestionKind(types.principal, types.action, types.resource)}"`;
  const reached = listReached(all);
  if (all.unbounded || reached.some(({ depth }) => depth > MAX_REFERENCE_DEPTH))
    for (const policy of policies) {
      const reads = read([policy]);
      const deepest = listReached(reads).find(({ depth }) => depth > MAX_REFERENCE_DEPTH);
      if (deepest !== undefined)
        report(
          policy,
          `follows ${deepest.depth} references, one behind the other (${deepest.path}), and at most ${MAX_REFERENCE_DEPTH} are followed`,
          'keep what the policy decides by in an attribute that is nearer',
        );
      else if (reads.unbounded)
        report(
          policy,
          `takes a value apart whose type can't be told in ${question}, so the entities that it needs can't be told, either`,
          'read the attribute of a variable, of an attribute or of an entity that is named',
        );
    }
  if (reached.length <= MAX_REACHED_ENTITIES) return;
  const excess = policies.find((_, i) => listReached(read(policies.slice(0, i + 1))).length > MAX_REACHED_ENTITIES);
  if (excess !== undefined)
    report(
      excess,
      `with the policies before it, it needs ${reached.length} entities behind references for ${question}, and at most ${MAX_REACHED_ENTITIES} are fetched`,
      'keep what the policies decide by in attributes that are nearer',
    );
}

interface ReachedNode {
  /** The references that lead there. */
  readonly depth: number;
  /** `resource.owner.team`. */
  readonly path: string;
}

/** The entities that are needed beside the principal and the resource, each with the way to it. */
function listReached({ principal, resource, context, literals }: PolicyReads): ReachedNode[] {
  const listWithin = ({ members }: ValueReads, path: string, depth: number): ReachedNode[] =>
    [...members].flatMap(([name, member]) => {
      const memberPath = `${path}.${name}`;
      if (member.type.kind === 'Record') return listWithin(member, memberPath, depth);
      if (!needsEntity(member)) return [];
      return [{ depth: depth + 1, path: memberPath }, ...listWithin(member, memberPath, depth + 1)];
    });
  return [
    ...listWithin(principal, 'principal', 0),
    ...listWithin(resource, 'resource', 0),
    ...listWithin(context, 'context', 0),
    ...literals.flatMap(({ uid, reads }) => [
      { depth: 0, path: formatUid(uid) },
      ...listWithin(reads, formatUid(uid), 0),
    ]),
  ];
}
