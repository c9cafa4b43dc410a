/**
 * Policies taken apart: of each whose scope takes in the request, which of its conditions held. Cedar itself says so, of
 * a policy made of just that condition and on the very request that the decision was made of; nothing here evaluates.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine, type CedarAnswer, type CedarRequest } from '../../policy/cedar.js';
import { collectCedarFacts } from '../../decide/facts.js';
import { cedarPrincipal } from '../../model/acting.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import { splitOperator, type Expression } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { stripParentheses } from '../../policy/policy-text.js';
import { buildCedarRequest } from '../../policy/cedar-request.js';
import type { Slice } from '../../policy/slices.js';
import { collectRequestFacts, type CedarOutcome } from '../../decide/ask-cedar.js';
import type { Facts } from '../../decide/step.js';
import type { BoundQuestion } from '../../decide/bound-question.js';
import { collectPaths, readValueAt } from './values.js';

/**
 * Of a condition: whether it is true, or why Cedar can't say; `unreached` behind one that has settled its clause,
 * `inconclusive` where it can't be asked apart.
 */
export type ConditionResult = true | false | { readonly error: string } | 'unreached' | 'inconclusive';

/** One operand of the `&&` that a clause is. */
export interface ClauseOperand {
  readonly text: string;
  readonly held: ConditionResult;
  /** What it reads, by path. */
  readonly values: Readonly<Record<string, string>>;
}

export interface PolicyClause {
  readonly kind: 'when' | 'unless';
  /** Whether the policy may apply, as far as this clause goes; undefined where that can't be told. */
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

/** What the policies said when they were asked for one principal. */
export interface PrincipalExplanation {
  /** `agent:planner`. */
  readonly principal: string;
  /** Of an earlier agent of the chain only forbids count. */
  readonly role: 'acting' | 'earlier';
  /** Those that apply first, then those that failed; empty where they were not asked. */
  readonly policies: readonly PolicyExplanation[];
  /** Why they were not asked, in a sentence. */
  readonly not_evaluated?: string;
}

/** @throws Fault where Cedar fails */
export function explainPolicies(e: BoundQuestion, facts: Facts): PrincipalExplanation[] {
  const { rules, target, acting, principalType } = e;
  const [deciding, duties] = [rules.deciding, rules.duties].map((slices) =>
    slices.slice(principalType, target.action, target.resourceType),
  ) as [Slice, Slice];
  const cedarFacts = collectCedarFacts(e, facts);
  const requestFacts = collectRequestFacts(e, cedarFacts);
  const cedar = new CedarEngine();

  /** Of a slice as it was asked; what was not asked is not told either. */
  const told = (who: EntityRef, slice: Slice, { kind }: CedarOutcome): PolicyExplanation[] => {
    const principalOf = { ref: who, type: principalType };
    const built =
      kind === 'answer'
        ? buildCedarRequest(requestFacts, principalOf, slice.reads, rules.vocabulary, cedarFacts.reachable)
        : undefined;
    return built?.ok === true
      ? slice.policies.flatMap((policy) => explainPolicy(policy, built.request, cedar) ?? [])
      : [];
  };
  const asked = (
    role: PrincipalExplanation['role'],
    who: EntityRef,
    outcome: CedarOutcome,
    policies: PolicyExplanation[],
  ): PrincipalExplanation => {
    const not_evaluated = explainNotAsked(outcome);
    return {
      principal: formatRef(who),
      role,
      policies: policies.sort(compareByWeight),
      ...(not_evaluated === undefined ? {} : { not_evaluated }),
    };
  };
  const who = cedarPrincipal(acting);
  return [
    asked('acting', who, facts.cedar.acting, [
      ...told(who, deciding, facts.cedar.acting),
      ...told(who, duties, facts.cedar.duties),
    ]),
    ...facts.cedar.chain.map(({ agent, outcome }) => {
      const forbids = told(agent, deciding, outcome).filter(({ effect }) => effect === 'forbid');
      return asked('earlier', agent, outcome, forbids);
    }),
  ];
}

function explainNotAsked(outcome: CedarOutcome): string | undefined {
  switch (outcome.kind) {
    case 'answer':
      return undefined;
    case 'missing':
      return `nowhere to be found: ${outcome.attributes.join(', ')}`;
    case 'withheld':
      return 'the resource is out of reach, so of what is stored of it nothing may be told';
    case 'fault':
      return `undecided: ${outcome.fault}`;
  }
}

function compareByWeight(a: PolicyExplanation, b: PolicyExplanation): number {
  const weight = ({ applies }: PolicyExplanation): number => (applies === true ? 0 : applies === false ? 2 : 1);
  return weight(a) - weight(b);
}

/** Undefined where its scope doesn't take in the request. */
function explainPolicy(policy: Policy, request: CedarRequest, cedar: CedarEngine): PolicyExplanation | undefined {
  const { id, title, source, json } = policy;
  const clauses = json.conditions.map(({ kind, body }) => ({ kind, parts: listOperands(body as Expression) }));
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
      const told = clause.parts.map((part, k): ClauseOperand => {
        const result = isExactInJson(part) ? parts(`${i}.${k}`) : 'inconclusive';
        // Alone it may fail where an operand before it, such as a `has`, would have kept Cedar from asking.
        const held = settled && typeof result === 'object' ? 'unreached' : result;
        settled ||= held === false || typeof held === 'object';
        return { text: formatOperand(part, cedar), held, values: collectValues(part, request) };
      });
      return { kind: clause.kind, satisfied: evaluateClause(clause.kind, told), parts: told };
    }),
  };
}

/** Of policies by id, whether each applies. */
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

/** What `&&` makes of its operands: the first that isn't true settles it. */
function evaluateClause(kind: PolicyClause['kind'], parts: readonly ClauseOperand[]): boolean | undefined {
  const settling = parts.find(({ held }) => held !== true)?.held ?? true;
  if (settling === 'inconclusive') return undefined;
  return settling === (kind === 'when');
}

/**
 * Whether JSON can hand it to Cedar as it is: JavaScript has no whole numbers beyond 2^53, and Cedar's reader ends where
 * the JSON is nested too deeply.
 */
function isExactInJson(expression: Expression): boolean {
  const pending: [unknown, number][] = [[expression, 0]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [at, depth] = next;
    if (depth > MAX_JSON_DEPTH || (typeof at === 'number' && !Number.isSafeInteger(at))) return false;
    if (typeof at === 'object' && at !== null)
      for (const member of Object.values(at)) pending.push([member, depth + 1]);
  }
  return true;
}

const MAX_JSON_DEPTH = 100;

function buildPermitWhen(expression: Expression): PolicyJson {
  const all = { op: 'All' } as const;
  const body = expression as PolicyJson['conditions'][number]['body'];
  return { effect: 'permit', principal: all, action: all, resource: all, conditions: [{ kind: 'when', body }] };
}

/** The operands of the `&&` at the top, in the order in which Cedar asks them. */
function listOperands(expression: Expression): Expression[] {
  const [operator, { left, right }] = splitOperator(expression);
  return operator === '&&' && left !== undefined && right !== undefined
    ? [...listOperands(left), ...listOperands(right)]
    : [expression];
}

function formatOperand(expression: Expression, cedar: CedarEngine): string {
  const text = isExactInJson(expression) ? cedar.policyText(buildPermitWhen(expression)).value : undefined;
  if (text === undefined) return 'a condition that is too long to be taken apart, or has a number beyond 2^53';
  // Cedar writes parentheses around an operand.
  return stripParentheses(text.slice(text.indexOf('{') + 1, text.lastIndexOf('}')).trim());
}

function collectValues(expression: Expression, request: CedarRequest): Record<string, string> {
  const paths = collectPaths(expression).filter(([root]) => root !== 'action');
  return Object.fromEntries(paths.map((path) => [path.join('.'), readValueAt(path, request)]));
}
