/**
 * Explains which conditions of each policy held, for `remit explain`. Nothing is evaluated here: Cedar is asked about a
 * policy made of just the one condition, with the same request that the decision was made of.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine, type CedarAnswer, type CedarRequest } from '../../policy/cedar.js';
import { collectCedarFacts } from '../../decide/facts.js';
import { cedarPrincipal } from '../../model/acting.js';
import { describeRef, type EntityRef } from '../../model/ids.js';
import { splitOperator, type Expression } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { stripParentheses } from '../../policy/policy-text.js';
import { buildCedarRequest } from '../../policy/cedar-request.js';
import { describeMissingValues } from '../../policy/missing-values.js';
import type { Slice } from '../../policy/slices.js';
import { collectRequestFacts, type CedarOutcome } from '../../decide/ask-cedar.js';
import type { Facts } from '../../decide/step.js';
import type { BoundQuestion } from '../../decide/bound-question.js';
import { listSortedPaths, readValueAt } from './values.js';

/**
 * The value of a condition, or the error that it fails with. It is `unreached` behind a condition that has settled its
 * clause, and `inconclusive` where Cedar can't be asked about it alone.
 */
export type ConditionResult = true | false | { readonly error: string } | 'unreached' | 'inconclusive';

/** One operand of the `&&` that a clause is. */
export interface ClauseOperand {
  readonly text: string;
  readonly held: ConditionResult;
  /** The values that the operand reads, by path. */
  readonly values: Readonly<Record<string, string>>;
}

export interface PolicyClause {
  readonly kind: 'when' | 'unless';
  /** undefined where it can't be told. */
  readonly satisfied: boolean | undefined;
  readonly parts: readonly ClauseOperand[];
}

export interface PolicyExplanation {
  readonly id: string;
  readonly title?: string;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  readonly effect: 'permit' | 'forbid' | 'duty';
  readonly applies: true | false | { readonly error: string };
  readonly clauses: readonly PolicyClause[];
}

/** The policies as they were evaluated for one principal. */
export interface PrincipalExplanation {
  /** `agent:planner`. */
  readonly principal: string;
  /** Only forbids count for an `earlier` agent of the chain. */
  readonly role: 'acting' | 'earlier';
  /** The policies that apply come first, then those that failed; empty where none were evaluated. */
  readonly policies: readonly PolicyExplanation[];
  /** The reason why they were not evaluated. */
  readonly not_evaluated?: string;
}

/**
 * Explains what the policies answered for the acting principal, and for each earlier agent.
 * @throws Fault where Cedar fails
 */
export function explainPolicies(bound: BoundQuestion, facts: Facts): PrincipalExplanation[] {
  const { rules, target, acting, principalType } = bound;
  const deciding = rules.deciding.slice(principalType, target.action, target.resourceType);
  const duties = rules.duties.slice(principalType, target.action, target.resourceType);
  const cedarFacts = collectCedarFacts(bound, facts);
  const requestFacts = collectRequestFacts(bound, cedarFacts);
  const cedar = new CedarEngine();

  /** Builds the slice's request as the decision did. A slice that was not asked explains nothing. */
  const explainSlice = (ref: EntityRef, slice: Slice, { kind }: CedarOutcome): PolicyExplanation[] => {
    if (kind !== 'answer') return [];
    const principal = { ref, type: principalType };
    const built = buildCedarRequest(requestFacts, principal, slice.reads, rules.vocabulary, cedarFacts.reachable);
    return built.ok ? slice.policies.flatMap((policy) => explainPolicy(policy, built.request, cedar) ?? []) : [];
  };

  const principal = cedarPrincipal(acting);
  return [
    toPrincipalExplanation('acting', principal, facts.cedar.acting, [
      ...explainSlice(principal, deciding, facts.cedar.acting),
      ...explainSlice(principal, duties, facts.cedar.duties),
    ]),
    ...facts.cedar.chain.map(({ agent, outcome }) => {
      const forbids = explainSlice(agent, deciding, outcome).filter(({ effect }) => effect === 'forbid');
      return toPrincipalExplanation('earlier', agent, outcome, forbids);
    }),
  ];
}

function toPrincipalExplanation(
  role: PrincipalExplanation['role'],
  principal: EntityRef,
  outcome: CedarOutcome,
  policies: readonly PolicyExplanation[],
): PrincipalExplanation {
  const notEvaluated = explainNotAsked(outcome);
  return {
    principal: describeRef(principal),
    role,
    policies: [...policies].sort(compareByEffect),
    ...(notEvaluated === undefined ? {} : { not_evaluated: notEvaluated }),
  };
}

function explainNotAsked(outcome: CedarOutcome): string | undefined {
  switch (outcome.kind) {
    case 'answer':
      return undefined;
    case 'missing':
      return `required attributes are missing: ${describeMissingValues(outcome.values).replace(/\.$/, '')}`;
    case 'withheld':
      return 'the resource is out of reach, so the answer must not tell what is stored of it';
    case 'fault':
      return `undecided: ${outcome.fault}`;
  }
}

/** Policies that apply come first, then those that failed. */
function compareByEffect(a: PolicyExplanation, b: PolicyExplanation): number {
  const weight = ({ applies }: PolicyExplanation): number => (applies === true ? 0 : applies === false ? 2 : 1);
  return weight(a) - weight(b);
}

/** undefined where the policy's scope doesn't match the request. */
function explainPolicy(policy: Policy, request: CedarRequest, cedar: CedarEngine): PolicyExplanation | undefined {
  const { id, title, source, json } = policy;
  const clauses = json.conditions.map(({ kind, body }) => ({ kind, parts: listConjuncts(body as Expression) }));
  cedar.define('policy', { [id]: policy.text });
  cedar.define('parts', {
    scope: { ...json, effect: 'permit', conditions: [] },
    ...Object.fromEntries(
      clauses.flatMap(({ parts }, i) =>
        parts.flatMap((part, k) => (isExactInJson(part) ? [[`${i}.${k}`, buildPermitWhen(part)] as const] : [])),
      ),
    ),
  });
  const policyResults = readPolicyResults(cedar.authorize('policy', request));
  const parts = readPolicyResults(cedar.authorize('parts', request));
  if (parts('scope') === false) return undefined;
  return {
    id,
    ...(title === undefined ? {} : { title }),
    source,
    effect: policy.duties === undefined ? json.effect : 'duty',
    applies: policyResults(id),
    clauses: clauses.map((clause, i): PolicyClause => {
      let settled = false;
      const operands = clause.parts.map((part, k): ClauseOperand => {
        const result = isExactInJson(part) ? parts(`${i}.${k}`) : 'inconclusive';
        // Alone an operand may fail where one before it, such as a `has`, keeps Cedar from reaching it.
        const outcome = settled && typeof result === 'object' ? 'unreached' : result;
        settled ||= outcome === false || typeof outcome === 'object';
        return { text: formatOperand(part, cedar), held: outcome, values: collectValues(part, request) };
      });
      return { kind: clause.kind, satisfied: evaluateClause(clause.kind, operands), parts: operands };
    }),
  };
}

/** Returns a function that says of a policy, by its id, whether it applies or how it failed. */
function readPolicyResults({
  determining,
  errors,
}: CedarAnswer): (name: string) => true | false | { readonly error: string } {
  const errorsByPolicy = new Map(errors.map((error) => [error.policy, error.message]));
  return (name) => {
    const error = errorsByPolicy.get(name) ?? errorsByPolicy.get('');
    return error === undefined ? determining.includes(name) : { error };
  };
}

/** Evaluates the clause as `&&` does: its first operand that isn't true settles it. */
function evaluateClause(kind: PolicyClause['kind'], parts: readonly ClauseOperand[]): boolean | undefined {
  const settling = parts.find((part) => part.held !== true)?.held ?? true;
  if (settling === 'inconclusive') return undefined;
  return settling === (kind === 'when');
}

/**
 * Whether the expression survives as JSON: JavaScript's numbers are exact up to 2^53 only, and Cedar's JSON reader has a
 * limit of depth.
 */
function isExactInJson(expression: Expression): boolean {
  const pending: [unknown, number][] = [[expression, 0]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [node, depth] = next;
    if (depth > MAX_CEDAR_JSON_DEPTH || (typeof node === 'number' && !Number.isSafeInteger(node))) return false;
    if (typeof node === 'object' && node !== null)
      for (const member of Object.values(node)) pending.push([member, depth + 1]);
  }
  return true;
}

const MAX_CEDAR_JSON_DEPTH = 100;

function buildPermitWhen(expression: Expression): PolicyJson {
  const all = { op: 'All' } as const;
  const body = expression as PolicyJson['conditions'][number]['body'];
  return { effect: 'permit', principal: all, action: all, resource: all, conditions: [{ kind: 'when', body }] };
}

/** The operands of the outermost `&&`, in the order in which Cedar evaluates them. */
function listConjuncts(expression: Expression): Expression[] {
  const [operator, { left, right }] = splitOperator(expression);
  return operator === '&&' && left !== undefined && right !== undefined
    ? [...listConjuncts(left), ...listConjuncts(right)]
    : [expression];
}

function formatOperand(expression: Expression, cedar: CedarEngine): string {
  const text = isExactInJson(expression) ? cedar.policyText(buildPermitWhen(expression)).value : undefined;
  if (text === undefined) return 'a condition that is nested too deeply to be explained, or has a number beyond 2^53';
  // Cedar writes parentheses around an operand.
  return stripParentheses(text.slice(text.indexOf('{') + 1, text.lastIndexOf('}')).trim());
}

function collectValues(expression: Expression, request: CedarRequest): Record<string, string> {
  const paths = listSortedPaths(expression).filter(([root]) => root !== 'action');
  return Object.fromEntries(paths.map((path) => [path.join('.'), readValueAt(path, request)]));
}
