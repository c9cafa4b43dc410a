/**
 * Makes mutants: policies with one change of meaning each, such as an author makes by mistake. Good tests fail for each of
 * them.
 */
import { createRequire } from 'node:module';
import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Rules } from '../../../src/policy/load.js';
import type { Policy } from '../../../src/policy/policies.js';
import { canApply } from '../../../src/policy/scope-match.js';
import type { Vocabulary } from '../../../src/policy/schema/vocabulary.js';

const cedar = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs') as typeof Cedar;

export interface Mutant {
  /** `agents-never-delete: permit for forbid`. */
  readonly what: string;
  /** All policies, as text. */
  readonly text: string;
}

/** Mutants that mean the same as the original, each with the reason. */
export const EQUIVALENT = new Map([
  ['long-chains-only-read: any principal', 'a person alone has no chain: the depth is 0'],
  ['owners-hear-of-protected-merges: @duty notification:nobody', 'no test has an allow that it would come with'],
  ['agents-work-with-records: any action', 'what it adds is deleting, which agents-never-delete forbids every agent'],
]);

type Json = Record<string, unknown>;

/** Every mutant of every policy, always in the same order. */
export function mutants({ policies: all, vocabulary }: Rules): Mutant[] {
  const policies = [...all.values()];
  return policies.flatMap((policy) => {
    const others = policies.filter((p) => p !== policy).map((p) => p.text);
    const changed = changes(policy, vocabulary).map(([what, json], i, all) => {
      const before = all.slice(0, i).filter(([other]) => other === what).length;
      return { what: before === 0 ? what : `${what} (${before + 1})`, text: [...others, textOf(json)].join('\n') };
    });
    return [{ what: 'removed', text: others.join('\n') }, ...changed].map(({ what, text }) => ({
      what: `${policy.id}: ${what}`,
      text,
    }));
  });
}

function textOf(json: PolicyJson): string {
  const answer = cedar.policyToText(json);
  if (answer.type === 'failure') throw new Error(answer.errors.map((e) => e.message).join('; '));
  return answer.text;
}

function changes({ json, duties }: Policy, vocabulary: Vocabulary): [string, PolicyJson][] {
  return [
    // The effect of a duty means nothing.
    ...(duties === undefined ? [effect(json)] : []),
    // A scope that is written otherwise and takes the same is no change.
    ...scopes(json).filter(([, changed]) => takes(changed, vocabulary) !== takes(json, vocabulary)),
    ...annotations(json),
    ...json.conditions.flatMap((condition, i): [string, PolicyJson][] => {
      const rest = json.conditions.filter((_, j) => j !== i);
      const other = condition.kind === 'when' ? 'unless' : 'when';
      const put = (changed: unknown): PolicyJson => ({
        ...json,
        conditions: json.conditions.map((c, j) => (j === i ? { ...c, body: changed as typeof c.body } : c)),
      });
      return [
        [`${condition.kind} ${i} dropped`, { ...json, conditions: rest }],
        [
          `${other} for ${condition.kind} ${i}`,
          { ...json, conditions: json.conditions.map((c, j) => (j === i ? { ...c, kind: other } : c)) },
        ],
        ...expressions(condition.body as unknown as Json).map(([what, body]): [string, PolicyJson] => [
          `${condition.kind} ${i}: ${what}`,
          put(body),
        ]),
      ];
    }),
  ];
}

function effect(json: PolicyJson): [string, PolicyJson] {
  const other = json.effect === 'permit' ? 'forbid' : 'permit';
  const { remedy: _remedy, ...kept } = (json.annotations ?? {}) as Record<string, string>;
  return [`${other} for ${json.effect}`, { ...json, effect: other, annotations: kept }];
}

function scopes(json: PolicyJson): [string, PolicyJson][] {
  const out: [string, PolicyJson][] = [];
  const all = { op: 'All' } as const;
  for (const part of ['principal', 'resource'] as const)
    if (json[part].op !== 'All') out.push([`any ${part}`, { ...json, [part]: all }]);
  const { action } = json;
  if (action.op !== 'All') out.push(['any action', { ...json, action: all }]);
  if (action.op === 'in' && 'entities' in action && action.entities.length > 1)
    for (const left of action.entities) {
      const entities = action.entities.filter((e) => e !== left);
      out.push([`without ${JSON.stringify(left)}`, { ...json, action: { op: 'in', entities } }]);
    }
  if (json.principal.op === 'is')
    for (const type of ['User', 'Agent'])
      if (json.principal.entity_type !== type)
        out.push([
          `${type} for ${json.principal.entity_type}`,
          { ...json, principal: { op: 'is', entity_type: type } },
        ]);
  return out;
}

/** Every kind of question that the scope takes. */
function takes(json: PolicyJson, { actions }: Vocabulary): string {
  const kinds = actions.flatMap((action) =>
    action.principalTypes.flatMap((principal) =>
      action.resourceTypes.map((resource) => canApply(json, principal, action, resource)),
    ),
  );
  return JSON.stringify(kinds);
}

function annotations(json: PolicyJson): [string, PolicyJson][] {
  const { duty, remedy, ...kept } = (json.annotations ?? {}) as Record<string, string>;
  const out: [string, PolicyJson][] = [];
  if (duty !== undefined) {
    out.push(['@duty dropped', { ...json, annotations: kept }]);
    const lesser = duty === 'mask:pii' ? ['mask:salary', 'mask:pii=last4'] : ['notification:nobody'];
    for (const other of lesser) out.push([`@duty ${other}`, { ...json, annotations: { ...kept, duty: other } }]);
  }
  if (remedy !== undefined) {
    out.push(['@remedy dropped', { ...json, annotations: kept }]);
    out.push(['@remedy consent', { ...json, annotations: { ...kept, remedy: 'consent' } }]);
  }
  return out;
}

const OPERATORS: Record<string, readonly string[]> = {
  '==': ['!='],
  '!=': ['=='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '&&': ['||'],
  '||': ['&&'],
};

/** Every expression that has one change anywhere in it. */
function expressions(node: unknown): [string, unknown][] {
  if (Array.isArray(node))
    return node.flatMap((element, i) =>
      expressions(element).map(([what, changed]): [string, unknown] => [
        what,
        node.map((e: unknown, j) => (j === i ? changed : e)),
      ]),
    );
  if (typeof node !== 'object' || node === null) return [];
  const [first] = Object.entries(node as Json) as [string, Json | undefined][];
  if (first === undefined) return [];
  const [operator, operands] = first;
  if (operator === 'Value')
    return constants((node as { Value: unknown }).Value).map(([what, Value]) => [what, { Value }]);
  const out: [string, unknown][] = [];
  for (const other of OPERATORS[operator] ?? []) out.push([`${other} for ${operator}`, { [other]: operands }]);
  if (operator === '&&' || operator === '||')
    for (const side of ['left', 'right']) out.push([`only the ${side} of ${operator}`, operands?.[side]]);
  if (operator === '!') out.push(['! dropped', operands?.['arg']]);
  if (['has', 'contains', '==', 'in'].includes(operator) || (operator === '.' && isFlag(operands)))
    out.push([`not ${operator}`, { '!': { arg: node } }]);
  for (const [name, operand] of Object.entries(operands ?? {}))
    if (typeof operand === 'object')
      out.push(
        ...expressions(operand).map(([what, changed]): [string, unknown] => [
          what,
          {
            [operator]: Array.isArray(operands)
              ? operands.map((o: unknown, i) => (String(i) === name ? changed : o))
              : { ...operands, [name]: changed },
          },
        ]),
      );
  return out;
}

/** Whether the expression is a Bool attribute, such as `principal.suspended`. */
function isFlag(operands: Json | undefined): boolean {
  return ['suspended', 'view_salary'].includes(String(operands?.['attr']));
}

function constants(value: unknown): [string, unknown][] {
  if (typeof value === 'number') return [value - 1, value + 1].map((other) => [`${other} for ${value}`, other]);
  if (typeof value === 'boolean') return [[`${!value} for ${value}`, !value]];
  if (typeof value !== 'string') return [];
  const hours = /^(\d+)h$/.exec(value)?.[1];
  const others = hours === undefined ? [`${value}-x`] : [`${Number(hours) - 1}h`, `${Number(hours) + 1}h`];
  return others.map((other) => [`"${other}" for "${value}"`, other]);
}
