/** The attributes that a policy reads of entities that it names, as `locked` of `Team::"all".locked`. */
import { splitOperator, type Expression } from '../../policy/expressions.js';
import { formatUid, type EntityUid } from '../../policy/schema/uid.js';
import { unwrapUid } from '../../policy/scope-match.js';
import type { AttributePath } from '../../records/explain/values.js';

export interface NamedRead {
  readonly uid: EntityUid;
  readonly names: AttributePath;
}

/** Each read once. */
export function collectNamedReads(expression: unknown): NamedRead[] {
  const readsByName = new Map<string, NamedRead>();
  const pending: unknown[] = [expression];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const read = Array.isArray(next) ? undefined : readNamed(next as Expression);
    if (read === undefined) pending.push(...(Object.values(next) as unknown[]).filter((member) => member !== null));
    else readsByName.set(`${formatUid(read.uid)}.${read.names.join('.')}`, read);
  }
  return [...readsByName.values()];
}

function readNamed(expression: Expression): NamedRead | undefined {
  const [operator, { left, attr }] = splitOperator(expression);
  if ((operator !== '.' && operator !== 'has') || left === undefined || attr === undefined) return undefined;
  const literal = left['Value'];
  const isEntity = typeof literal === 'object' && literal !== null && '__entity' in literal;
  const owner = isEntity ? { uid: unwrapUid(literal as Parameters<typeof unwrapUid>[0]), names: [] } : readNamed(left);
  return owner === undefined ? undefined : { uid: owner.uid, names: [...owner.names, ...[attr].flat()] };
}
