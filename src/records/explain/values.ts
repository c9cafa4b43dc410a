/** What an expression of Cedar reads of a request, and the values that it finds there. */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Request } from '../../policy/cedar.js';
import { opened, pathOf, type Expression } from '../../policy/expressions.js';
import { uidText } from '../../policy/schema/uid.js';

/** `["principal", "kind"]`. */
export type Path = readonly string[];

/** Every path that it reads, the longest of each: `context.delegation.depth` and not `context`; sorted. */
export function pathsIn(expression: unknown): Path[] {
  const found = new Map<string, Path>();
  const open: unknown[] = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const path = Array.isArray(next) ? undefined : (askedFor(next as Expression) ?? pathOf(next as Expression));
    if (path === undefined) open.push(...(Object.values(next) as unknown[]).filter((one) => one !== null));
    else found.set(path.join('.'), path);
  }
  return [...found.values()].sort((a, b) => (a.join('.') < b.join('.') ? -1 : 1));
}

/** The path that `left has attr` asks for. */
function askedFor(expression: Expression): Path | undefined {
  const [operator, { left, attr }] = opened(expression);
  const before = operator === 'has' && left !== undefined ? pathOf(left) : undefined;
  return before === undefined || attr === undefined ? undefined : [...before, ...[attr].flat()];
}

export const ABSENT = 'absent';

/** What is at the path, as Cedar would write it; {@link ABSENT} where nothing is. */
export function valueAt([root = '', ...members]: Path, request: Request): string {
  let value: CedarValueJson | undefined = rootOf(root, request);
  for (const member of members) {
    const record: unknown = entityOf(value, request)?.attrs ?? value;
    if (typeof record !== 'object' || record === null || !Object.hasOwn(record, member)) return ABSENT;
    value = (record as Record<string, CedarValueJson>)[member];
  }
  return value === undefined ? ABSENT : cedarText(value);
}

function rootOf(root: string, { principal, action, resource, context }: Request): CedarValueJson | undefined {
  if (root === 'context') return context;
  const uid = { principal, action, resource }[root];
  return uid === undefined ? undefined : { __entity: { ...uid } };
}

function entityOf(value: CedarValueJson | undefined, { entities }: Request): EntityJson | undefined {
  const uid = escaped(value, '__entity');
  if (uid === undefined) return undefined;
  return entities.find((entity) => {
    const own = '__entity' in entity.uid ? entity.uid.__entity : entity.uid;
    return own.type === uid['type'] && own.id === uid['id'];
  });
}

/** A value of Cedar's JSON as its policies write it. */
export function cedarText(value: CedarValueJson): string {
  const entity = escaped(value, '__entity');
  if (entity !== undefined) return uidText(entity as { type: string; id: string });
  const call = escaped(value, '__extn');
  if (call !== undefined) return `${String(call['fn'])}(${JSON.stringify(call['arg'])})`;
  if (Array.isArray(value)) return `[${value.map(cedarText).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([name, member]) => `${name}: ${cedarText(member as CedarValueJson)}`)
      .join(', ')}}`;
  return JSON.stringify(value);
}

/** What stands behind Cedar's escape; only Remit's own conversion writes one. */
function escaped(value: unknown, escape: '__entity' | '__extn'): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, escape)) return undefined;
  return (value as Record<string, Record<string, unknown>>)[escape];
}
