/**
 * Literals that policies compare attributes with. At these values, and at those next to them, decisions change:
 * `remit diff` varies the requests that it makes up by them, and why-not tries them to find what would allow a request.
 */
import { listSortedPaths } from '../../records/explain/values.js';
import { collectAtoms } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { isObject } from '../../policy/schema/types.js';
import { formatUid, type EntityUid } from '../../policy/schema/uid.js';

const CONSTRUCTORS = ['datetime', 'duration', 'decimal', 'ip'] as const;

export interface Literal {
  /** The function that makes a value of it, such as `duration` of `duration("5h")`; `entity` where it is an entity's id. */
  readonly as: 'plain' | 'entity' | (typeof CONSTRUCTORS)[number];
  readonly value: string | number | boolean;
}

export interface Literals {
  /** Literals by the name of an attribute or of a member of the context, wherever that is read. */
  readonly of: (name: string) => readonly Literal[];
  /** Entities that scopes and conditions name. */
  readonly entities: readonly EntityUid[];
}

export function findLiterals(policies: Iterable<Policy>): Literals {
  const byName = new Map<string, Map<string, Literal>>();
  const entities = new Map<string, EntityUid>();
  const addEntities = (uids: readonly EntityUid[]): void => {
    for (const uid of uids) entities.set(formatUid(uid), uid);
  };
  const comparedNames: (readonly string[])[] = [];
  for (const { json } of policies) {
    for (const scope of [json.principal, json.resource]) addEntities(collectLiterals(scope).entities);
    for (const { expression } of collectAtoms(json)) {
      const operands = collectLiterals(expression);
      const names = [
        ...listSortedPaths(expression).map((path) => path.at(-1) ?? ''),
        ...collectLiteralReads(expression),
      ];
      addEntities(operands.entities);
      for (const name of names) addLiterals(byName, name, operands.literals);
      comparedNames.push(names);
    }
  }
  // Attributes that are compared with each other get each other's literals, so that they can be equal.
  for (const names of comparedNames) {
    const shared = names.flatMap((name) => [...(byName.get(name)?.values() ?? [])]);
    for (const name of names) addLiterals(byName, name, shared);
  }
  return { of: (name) => [...(byName.get(name)?.values() ?? [])], entities: [...entities.values()] };
}

/** The texts among literals: plain ones, or those that a function makes values of. */
export function literalTexts(literals: readonly Literal[], as: Literal['as'] = 'plain'): string[] {
  return literals.flatMap((literal) => (literal.as === as && typeof literal.value === 'string' ? [literal.value] : []));
}

/** The integers among literals, as far as a number can hold them exactly. */
export function literalNumbers(literals: readonly Literal[]): number[] {
  return literals.flatMap(({ value }) => (typeof value === 'number' && Number.isSafeInteger(value) ? [value] : []));
}

function addLiterals(byName: Map<string, Map<string, Literal>>, name: string, literals: readonly Literal[]): void {
  const distinct = byName.get(name) ?? new Map<string, Literal>();
  byName.set(name, distinct);
  for (const literal of literals) distinct.set(JSON.stringify([literal.as, literal.value]), literal);
}

/** The attributes that an expression reads of entities that it names: `locked` of `Team::"night".locked`. */
function collectLiteralReads(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(collectLiteralReads);
  if (!isObject(node)) return [];
  return Object.entries(node).flatMap(([operator, operands]) => {
    if ((operator !== '.' && operator !== 'has') || !isObject(operands)) return collectLiteralReads(operands);
    const name = [operands['attr']].flat().at(-1);
    return isLiteralChain(operands['left']) && typeof name === 'string'
      ? [name]
      : collectLiteralReads(operands['left']);
  });
}

/** Whether the expression is an entity that is named, or an attribute of one. */
function isLiteralChain(node: unknown): boolean {
  if (!isObject(node)) return false;
  const inner = node['.'];
  return isObject(node['Value']) || (isObject(inner) && isLiteralChain(inner['left']));
}

interface LiteralOperands {
  readonly literals: Literal[];
  readonly entities: EntityUid[];
}

/** @param expression a condition's atom or a policy's scope, as Cedar's JSON writes them */
function collectLiterals(expression: unknown): LiteralOperands {
  const operands: LiteralOperands = { literals: [], entities: [] };
  visitOperands(expression, 'plain', operands);
  return operands;
}

/** INVARIANT: the depth of a policy's expressions has been held to a limit before, so the recursion ends. */
function visitOperands(node: unknown, as: Literal['as'], operands: LiteralOperands): void {
  if (Array.isArray(node)) {
    for (const element of node) visitOperands(element, as, operands);
    return;
  }
  if (!isObject(node)) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === 'Value' && ['string', 'number', 'boolean'].includes(typeof value))
      operands.literals.push({ as, value: value as Literal['value'] });
    else if (key === '__entity' || key === 'entity') addEntity(value, operands);
    else if (key === 'pattern')
      operands.literals.push(...textsMatching(value).map((text): Literal => ({ as: 'plain', value: text })));
    else visitOperands(value, CONSTRUCTORS.find((constructor) => constructor === key) ?? as, operands);
  }
}

function addEntity(value: unknown, { entities, literals }: LiteralOperands): void {
  const uid = isObject(value) && isObject(value['__entity']) ? value['__entity'] : value;
  if (!isObject(uid) || typeof uid['type'] !== 'string' || typeof uid['id'] !== 'string') return;
  entities.push({ type: uid['type'], id: uid['id'] });
  literals.push({ as: 'entity', value: uid['id'] });
}

/** Texts that a pattern of `like` matches: its wildcards stand for nothing, or for a letter. */
function textsMatching(pattern: unknown): string[] {
  const parts = Array.isArray(pattern) ? (pattern as unknown[]) : [];
  const fill = (wildcard: string): string =>
    parts.map((part) => (isObject(part) ? String(part['Literal']) : wildcard)).join('');
  return [...new Set([fill(''), fill('x')])];
}
