/**
 * Policies taken apart: of each whose scope takes in the request, which of its conditions held. Cedar itself says so, of
 * a policy made of just that condition and on the very request that the decision was made of; nothing here evaluates.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine, type Answer, type Request } from '../../policy/cedar.js';
import { consultFacts } from '../../decide/facts.js';
import { principal } from '../../model/acting.js';
import { refText, type EntityRef } from '../../model/ids.js';
import { opened, type Expression } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { buildRequest } from '../../policy/cedar-request.js';
import type { Slice } from '../../policy/slices.js';
import { requestFacts, type Consulted } from '../../decide/ask-cedar.js';
import type { Facts } from '../../decide/step.js';
import type { Established } from '../../decide/bound-question.js';
import { pathsIn, valueAt } from './values.js';

/**
 * Of a condition: whether it is true, or why Cedar can't say; `unreached` behind one that has settled its clause,
 * `inconclusive` where it can't be asked apart.
 */
export type Held = true | false | { readonly error: string } | 'unreached' | 'inconclusive';

/** One operand of the `&&` that a clause is. */
export interface Part {
  readonly text: string;
  readonly held: Held;
  /** What it reads, by path. */
  readonly values: Readonly<Record<string, string>>;
}

export interface Clause {
  readonly kind: 'when' | 'unless';
  /** Whether the policy may apply, as far as this clause goes; undefined where that can't be told. */
  readonly satisfied: boolean | undefined;
  readonly parts: readonly Part[];
}

export interface PolicyTold {
  readonly id: string;
  readonly title?: string;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  readonly effect: 'permit' | 'forbid' | 'duty';
  readonly applies: true | false | { readonly error: string };
  readonly clauses: readonly Clause[];
}

/** What the policies said when they were asked for one principal. */
export interface Asked {
  /** `agent:planner`. */
  readonly principal: string;
  /** Of an earlier agent of the chain only forbids count. */
  readonly role: 'acting' | 'earlier';
  /** Those that apply first, then those that failed; empty where they were not asked. */
  readonly policies: readonly PolicyTold[];
  /** Why they were not asked, in a sentence. */
  readonly not_evaluated?: string;
}

/** @throws Fault where Cedar fails */
export function policiesTold(e: Established, facts: Facts): Asked[] {
  const { rules, on, acting, principalType } = e;
  const [deciding, duties] = [rules.deciding, rules.duties].map((slices) =>
    slices.slice(principalType, on.action, on.resourceType),
  ) as [Slice, Slice];
  const given = consultFacts(e, facts);
  const known = requestFacts(e, given);
  const cedar = new CedarEngine();

  /** Of a slice as it was asked; what was not asked is not told either. */
  const told = (who: EntityRef, slice: Slice, { kind }: Consulted): PolicyTold[] => {
    const principalOf = { ref: who, type: principalType };
    const built =
      kind === 'answer' ? buildRequest(known, principalOf, slice.reads, rules.vocabulary, given.reachable) : undefined;
    return built?.ok === true ? slice.policies.flatMap((policy) => takenApart(policy, built.request, cedar) ?? []) : [];
  };
  const asked = (role: Asked['role'], who: EntityRef, consulted: Consulted, policies: PolicyTold[]): Asked => {
    const not_evaluated = whyUnasked(consulted);
    return {
      principal: refText(who),
      role,
      policies: policies.sort(byWeight),
      ...(not_evaluated === undefined ? {} : { not_evaluated }),
    };
  };
  const who = principal(acting);
  return [
    asked('acting', who, facts.cedar.acting, [
      ...told(who, deciding, facts.cedar.acting),
      ...told(who, duties, facts.cedar.duties),
    ]),
    ...facts.cedar.chain.map(({ agent, consulted }) => {
      const forbids = told(agent, deciding, consulted).filter(({ effect }) => effect === 'forbid');
      return asked('earlier', agent, consulted, forbids);
    }),
  ];
}

function whyUnasked(consulted: Consulted): string | undefined {
  switch (consulted.kind) {
    case 'answer':
      return undefined;
    case 'missing':
      return `nowhere to be found: ${consulted.attributes.join(', ')}`;
    case 'withheld':
      return 'the resource is out of reach, so of what is stored of it nothing may be told';
    case 'fault':
      return `undecided: ${consulted.fault}`;
  }
}

function byWeight(a: PolicyTold, b: PolicyTold): number {
  const weight = ({ applies }: PolicyTold): number => (applies === true ? 0 : applies === false ? 2 : 1);
  return weight(a) - weight(b);
}

/** Undefined where its scope doesn't take in the request. */
function takenApart(policy: Policy, request: Request, cedar: CedarEngine): PolicyTold | undefined {
  const { id, title, source, json } = policy;
  const clauses = json.conditions.map(({ kind, body }) => ({ kind, parts: operands(body as Expression) }));
  cedar.define('policy', { [id]: policy.text });
  cedar.define('parts', {
    scope: { ...json, effect: 'permit', conditions: [] },
    ...Object.fromEntries(
      clauses.flatMap(({ parts }, i) =>
        parts.flatMap((part, k) => (isExact(part) ? [[`${i}.${k}`, permitWhen(part)] as const] : [])),
      ),
    ),
  });
  const whole = judged(cedar.authorize('policy', request));
  const parts = judged(cedar.authorize('parts', request));
  if (parts('scope') === false) return undefined;
  return {
    id,
    ...(title === undefined ? {} : { title }),
    source,
    effect: policy.duties === undefined ? json.effect : 'duty',
    applies: whole(id),
    clauses: clauses.map((clause, i): Clause => {
      let settled = false;
      const told = clause.parts.map((part, k): Part => {
        const own = isExact(part) ? parts(`${i}.${k}`) : 'inconclusive';
        // Alone it may fail where an operand before it, such as a `has`, would have kept Cedar from asking.
        const held = settled && typeof own === 'object' ? 'unreached' : own;
        settled ||= held === false || typeof held === 'object';
        return { text: textOf(part, cedar), held, values: valuesOf(part, request) };
      });
      return { kind: clause.kind, satisfied: lets(clause.kind, told), parts: told };
    }),
  };
}

/** Of policies by id, whether each applies. */
function judged({ determining, errors }: Answer): (name: string) => true | false | { readonly error: string } {
  const said = new Map(errors.map((error) => [error.policy, error.message]));
  return (name) => {
    const error = said.get(name) ?? said.get('');
    return error === undefined ? determining.includes(name) : { error };
  };
}

/** What `&&` makes of its operands: the first that isn't true settles it. */
function lets(kind: Clause['kind'], parts: readonly Part[]): boolean | undefined {
  const settling = parts.find(({ held }) => held !== true)?.held ?? true;
  if (settling === 'inconclusive') return undefined;
  return settling === (kind === 'when');
}

/**
 * Whether JSON can hand it to Cedar as it is: JavaScript has no whole numbers beyond 2^53, and Cedar's reader ends where
 * the JSON is nested too deeply.
 */
function isExact(expression: Expression): boolean {
  const open: [unknown, number][] = [[expression, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    if (depth > MAX_DEPTH || (typeof at === 'number' && !Number.isSafeInteger(at))) return false;
    if (typeof at === 'object' && at !== null) for (const member of Object.values(at)) open.push([member, depth + 1]);
  }
  return true;
}

const MAX_DEPTH = 100;

function permitWhen(expression: Expression): PolicyJson {
  const all = { op: 'All' } as const;
  const body = expression as PolicyJson['conditions'][number]['body'];
  return { effect: 'permit', principal: all, action: all, resource: all, conditions: [{ kind: 'when', body }] };
}

/** The operands of the `&&` at the top, in the order in which Cedar asks them. */
function operands(expression: Expression): Expression[] {
  const [operator, { left, right }] = opened(expression);
  return operator === '&&' && left !== undefined && right !== undefined
    ? [...operands(left), ...operands(right)]
    : [expression];
}

function textOf(expression: Expression, cedar: CedarEngine): string {
  const text = isExact(expression) ? cedar.policyText(permitWhen(expression)).value : undefined;
  if (text === undefined) return 'a condition that is too long to be taken apart, or has a number beyond 2^53';
  return outermost(text.slice(text.indexOf('{') + 1, text.lastIndexOf('}')).trim());
}

/** Without the parentheses that Cedar writes around an operand. */
function outermost(text: string): string {
  if (!text.startsWith('(') || !text.endsWith(')')) return text;
  let rest = text.slice(1, -1).replace(/"(?:\\.|[^"\\])*"/g, '');
  for (let before = ''; before !== rest;) {
    before = rest;
    rest = rest.replace(/\([^()]*\)/g, '');
  }
  return /[()]/.test(rest) ? text : text.slice(1, -1);
}

function valuesOf(expression: Expression, request: Request): Record<string, string> {
  const paths = pathsIn(expression).filter(([root]) => root !== 'action');
  return Object.fromEntries(paths.map((path) => [path.join('.'), valueAt(path, request)]));
}
