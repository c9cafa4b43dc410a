/**
 * Measures which policies the tests cover. A policy has two points: a case that it decides and, where it is conditional, a
 * case that it doesn't apply to. Coverage is the share of points that the tests reach.
 */
import type { Decision } from '../../model/decision.js';
import type { Rules } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';
import { canApply } from '../../policy/scope-match.js';
import type { Action, EntityType } from '../../policy/schema/action.js';
import { citedDutyIds, citedPolicyIds, findStep } from './compare.js';
import type { CaseResult } from './run.js';
import { formatQuestionKind } from '../../policy/question-kind.js';

export interface PolicyCoverage {
  readonly id: string;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  readonly effect: 'permit' | 'forbid' | 'duty';
  /** Whether it may not apply to a question that its scope's types take: it has a condition, or names an entity. */
  readonly conditional: boolean;
  /** Cases that it decided: those that it permitted, that only forbids denied and it among them, or that it put its duties on. */
  readonly decided: number;
  /** Cases of a kind that its scope takes and to which it didn't apply. */
  readonly notApplied: number;
  /** Kinds that its scope takes and of which it decided no case, such as `agent read employee`. */
  readonly unseen: readonly string[];
}

export interface TestCoverage {
  /** Whole percent, rounded down, so that 100 means that every point is reached. */
  readonly percent: number;
  readonly points: { readonly reached: number; readonly all: number };
  readonly policies: readonly PolicyCoverage[];
}

export function measureCoverage(rules: Rules, results: readonly CaseResult[]): TestCoverage {
  const tallies = new Map<string, PolicyTally>();
  const tallyOf = (id: string): PolicyTally => {
    const tally = tallies.get(id) ?? { decided: 0, notApplied: 0, kinds: new Set() };
    tallies.set(id, tally);
    return tally;
  };
  for (const result of results) {
    const kind = resolveCaseKind(result, rules);
    if (result.decision === undefined || kind === undefined) continue;
    for (const id of decisivePolicies(result.decision)) {
      tallyOf(id).decided += 1;
      tallyOf(id).kinds.add(kind.text);
    }
    for (const policy of policiesNotApplied(result.decision, kind, rules)) tallyOf(policy.id).notApplied += 1;
  }
  const policies = [...rules.policies.values()].map((policy): PolicyCoverage => {
    const { decided, notApplied, kinds } = tallyOf(policy.id);
    return {
      id: policy.id,
      source: policy.source,
      effect: policy.duties === undefined ? policy.json.effect : 'duty',
      conditional: isConditional(policy),
      decided,
      notApplied,
      unseen: kindsInScope(policy, rules).filter((text) => !kinds.has(text)),
    };
  });
  const all = policies.reduce((sum, p) => sum + (p.conditional ? 2 : 1), 0);
  const reached = policies.reduce((sum, p) => sum + reachedPoints(p), 0);
  return { percent: all === 0 ? 100 : Math.floor((100 * reached) / all), points: { reached, all }, policies };
}

/** Whether the tests reach all points of the policy. */
export function isCovered(policy: PolicyCoverage): boolean {
  return reachedPoints(policy) === (policy.conditional ? 2 : 1);
}

function reachedPoints({ decided, notApplied, conditional }: PolicyCoverage): number {
  return (decided > 0 ? 1 : 0) + (conditional && notApplied > 0 ? 1 : 0);
}

interface PolicyTally {
  decided: number;
  notApplied: number;
  readonly kinds: Set<string>;
}

/** The kind of a case's question: its action and types decide which policies can apply. */
interface CaseKind {
  readonly principal: EntityType;
  readonly action: Action;
  readonly resource: EntityType;
  readonly text: string;
}

function resolveCaseKind(
  { case: { requester, action, resource } }: CaseResult,
  { vocabulary }: Rules,
): CaseKind | undefined {
  const on = vocabulary.find(action.name, resource.type);
  const object =
    requester.token !== undefined || requester.agent !== undefined ? vocabulary.agentObject : requester.subject.type;
  const principal = on?.action.principalTypes.find((type) => type.object === object);
  if (on === undefined || principal === undefined) return undefined;
  return {
    principal,
    action: on.action,
    resource: on.resourceType,
    text: formatQuestionKind(principal, on.action, on.resourceType),
  };
}

/** Every kind of question that the policy's scope takes. */
function kindsInScope({ json }: Policy, { vocabulary }: Rules): string[] {
  return vocabulary.actions.flatMap((action) =>
    action.principalTypes.flatMap((principal) =>
      action.resourceTypes
        .filter((resource) => canApply(json, principal, action, resource))
        .map((resource) => formatQuestionKind(principal, action, resource)),
    ),
  );
}

function isConditional({ json }: Policy): boolean {
  const namesEntity = [json.principal, json.resource].some(
    ({ op, ...scope }) => op === '==' || op === 'in' || 'in' in scope,
  );
  return json.conditions.length > 0 || namesEntity;
}

/** Ids of the policies that decided; none where another step denied as well. */
function decisivePolicies(decision: Decision): string[] {
  const alone = decision.rationale.steps.every(({ step, outcome }) => step === 'policy' || outcome === 'pass');
  if (!alone) return [];
  const deciding = citedPolicyIds(decision, 'policy', decision.decision ? 'permitted_by' : 'forbidden_by');
  return [...deciding, ...citedDutyIds(decision)];
}

/** The policies of the kind that are known not to have applied. */
function policiesNotApplied(decision: Decision, { principal, action, resource }: CaseKind, rules: Rules): Policy[] {
  const deciding = rules.deciding.slice(principal, action, resource).policies;
  const duties = rules.duties.slice(principal, action, resource).policies;
  const withoutApplying = (policies: readonly Policy[], applying: readonly string[]): Policy[] =>
    policies.filter(({ id }) => !applying.includes(id));

  const permitting = citedPolicyIds(decision, 'policy', 'permitted_by');
  const forbidding = citedPolicyIds(decision, 'policy', 'forbidden_by');
  const step = findStep(decision, 'policy')?.outcome;
  const codes = decision.reasons.filter((r) => r.step === 'policy').map((r) => r.code);
  // A step that failed doesn't say which policies apply.
  const evaluated =
    step === 'pass' || (step === 'deny' && codes.every((c) => c === 'policy_forbid' || c === 'policy_no_permit'));
  // Where a forbid applies, Cedar doesn't say which permits do.
  const permitsKnown = evaluated && (permitting.length > 0 || forbidding.length === 0);
  return [
    ...(evaluated
      ? withoutApplying(
          deciding.filter((p) => p.json.effect === 'forbid'),
          forbidding,
        )
      : []),
    ...(permitsKnown
      ? withoutApplying(
          deciding.filter((p) => p.json.effect === 'permit'),
          permitting,
        )
      : []),
    ...(findStep(decision, 'obligations')?.outcome === 'pass' ? withoutApplying(duties, citedDutyIds(decision)) : []),
  ];
}
