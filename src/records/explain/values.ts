/** The attributes that a Cedar expression reads of a request, and their values as text. The explanation of policies calls it. */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from '../../policy/cedar.js';
import { collectPaths } from '../../policy/expressions.js';
import { formatUid } from '../../policy/schema/uid.js';

/** `["principal", "kind"]`. */
export type AttributePath = readonly string[];

/** The paths that the expression reads, each once and sorted. */
export function listSortedPaths(expression: unknown): AttributePath[] {
  const paths = new Map(collectPaths(expression).map((path) => [path.join('.'), path]));
  return [...paths.values()].sort((a, b) => (a.join('.') < b.join('.') ? -1 : 1));
}

export const ABSENT = 'absent';

/** The value at the path in Cedar's syntax; {@link ABSENT} where there is none. */
export function readValueAt([root = '', ...members]: AttributePath, request: CedarRequest): string {
  let value: CedarValueJson | undefined = readRoot(root, request);
  for (const member of members) {
    const record: unknown = findRequestEntity(value, request)?.attrs ?? value;
    if (typeof record !== 'object' || record === null || !Object.hasOwn(record, member)) return ABSENT;
    value = (record as Record<string, CedarValueJson>)[member];
  }
  return value === undefined ? ABSENT : formatCedarValue(value);
}

function readRoot(root: string, { principal, action, resource, context }: CedarRequest): CedarValueJson | undefined {
  if (root === 'context') return context;
  const uid = { principal, action, resource }[root];
  return uid === undefined ? undefined : { __entity: { ...uid } };
}

function findRequestEntity(value: CedarValueJson | undefined, { entities }: CedarRequest): EntityJson | undefined {
  const uid = readEscape(value, '__entity');
  if (uid === undefined) return undefined;
  return entities.find((entity) => {
    const entityUid = '__entity' in entity.uid ? entity.uid.__entity : entity.uid;
    return entityUid.type === uid['type'] && entityUid.id === uid['id'];
  });
}

/** Formats a value of Cedar's JSON in Cedar's syntax. */
export function formatCedarValue(value: CedarValueJson): string {
  const entity = readEscape(value, '__entity');
  if (entity !== undefined) return formatUid(entity as { type: string; id: string });
  const call = readEscape(value, '__extn');
  if (call !== undefined) return `${String(call['fn'])}(${JSON.stringify(call['arg'])})`;
  if (Array.isArray(value)) return `[${value.map(formatCedarValue).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([name, member]) => `${name}: ${formatCedarValue(member as CedarValueJson)}`)
      .join(', ')}}`;
  return JSON.stringify(value);
}

/** The content of Cedar's escape, which only Remit's own conversion writes; undefined for other values. */
function readEscape(value: unknown, escape: '__entity' | '__extn'): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, escape)) return undefined;
  return (value as Record<string, Record<string, unknown>>)[escape];
}
