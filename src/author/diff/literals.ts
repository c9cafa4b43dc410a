/** What policies compare attributes with: these values, and those next to them, are where decisions change. */
import { collectAtoms } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { isObject } from '../../policy/schema/types.js';
import { formatUid, type EntityUid } from '../../policy/schema/uid.js';

export interface Literal {
  /** The function that makes a value of it: `duration` of `duration("5h")`. */
  readonly as: 'datetime' | 'duration' | 'decimal' | 'ip' | undefined;
  readonly value: string | number | boolean;
}

export interface Literals {
  /** By the name of an attribute or of a member of the context, wherever it is read. */
  readonly of: (name: string) => readonly Literal[];
  /** Entities that scopes and conditions name. */
  readonly entities: readonly EntityUid[];
}

const MAKERS = ['datetime', 'duration', 'decimal', 'ip'] as const;

export function literalsOf(policies: readonly Policy[]): Literals {
  const values = new Map<string, Map<string, Literal>>();
  const entities = new Map<string, EntityUid>();
  const together: (readonly string[])[] = [];
  for (const { json } of policies) {
    for (const part of [json.principal, json.resource]) {
      const seen: Seen = { names: new Set(), literals: [], entities: [] };
      look(part, undefined, seen);
      for (const uid of seen.entities) entities.set(formatUid(uid), uid);
    }
    for (const { expression } of collectAtoms(json)) {
      const seen: Seen = { names: new Set(), literals: [], entities: [] };
      look(expression, undefined, seen);
      for (const uid of seen.entities) entities.set(formatUid(uid), uid);
      together.push([...seen.names]);
      for (const name of seen.names) add(values, name, seen.literals);
    }
  }
  // What is compared with each other is given each other's values, so that it can be equal.
  for (const names of together) {
    const shared = names.flatMap((name) => [...(values.get(name)?.values() ?? [])]);
    for (const name of names) add(values, name, shared);
  }
  return { of: (name) => [...(values.get(name)?.values() ?? [])], entities: [...entities.values()] };
}

interface Seen {
  readonly names: Set<string>;
  readonly literals: Literal[];
  readonly entities: EntityUid[];
}

function add(values: Map<string, Map<string, Literal>>, name: string, literals: readonly Literal[]): void {
  const known = values.get(name) ?? new Map<string, Literal>();
  values.set(name, known);
  for (const literal of literals) known.set(JSON.stringify([literal.as, literal.value]), literal);
}

/** An expression, or a part of one, as Cedar's JSON writes it; its depth has been held to a limit before. */
function look(node: unknown, as: Literal['as'], seen: Seen): void {
  if (Array.isArray(node)) {
    for (const element of node) look(element, as, seen);
    return;
  }
  if (!isObject(node)) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === 'Value' && ['string', 'number', 'boolean'].includes(typeof value))
      seen.literals.push({ as, value: value as Literal['value'] });
    else if (key === '__entity' || key === 'entity') entity(value, seen);
    else if (key === 'attr') for (const name of [value].flat()) seen.names.add(String(name));
    else if (key === 'pattern') seen.literals.push(...matching(value).map((text) => ({ as: undefined, value: text })));
    else look(value, MAKERS.find((maker) => maker === key) ?? as, seen);
  }
}

function entity(value: unknown, seen: Seen): void {
  const uid = isObject(value) && isObject(value['__entity']) ? value['__entity'] : value;
  if (isObject(uid) && typeof uid['type'] === 'string' && typeof uid['id'] === 'string')
    seen.entities.push({ type: uid['type'], id: uid['id'] });
}

/** Texts that a pattern of `like` takes. */
function matching(pattern: unknown): string[] {
  const parts = Array.isArray(pattern) ? (pattern as unknown[]) : [];
  const filled = (wildcard: string): string =>
    parts.map((part) => (isObject(part) ? String(part['Literal']) : wildcard)).join('');
  return [...new Set([filled(''), filled('x')])];
}
