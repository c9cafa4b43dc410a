/** The row of a decision or a list: its record, and the columns that it is found by. */
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { describeRef, parseDescribedRef } from '../model/ids.js';
import type { ProtectedText } from './record-values.js';
import { sha256 } from '../runtime/sha256.js';

/** The longest text that an index has in clear, in bytes; of longer ones it has the hash. record-item-tables.ts does the same. */
const MAX_KEY_BYTES = 256;

/** The text that a value of any length is found by. */
export function toSearchKey(text: string): string {
  return Buffer.byteLength(text) <= MAX_KEY_BYTES ? text : `#${sha256(text)}`;
}

/**
 * @param protectedText the record's JSON without people and values
 * @returns the JSON of its row, by the columns of record-tables.ts
 */
export function serializeRow(record: DecisionRecord | SearchRecord, { text, sealed, nameOf }: ProtectedText): string {
  const row = {
    id: record.id,
    kind: 'search' in record ? 'list' : 'decision',
    at: record.evaluated_at,
    client: record.client,
    decision: record.decision,
    protected: true,
    ...listSearchKeys(record, nameOf),
  };
  return `${JSON.stringify(row).slice(0, -1)}${sealed},"record":${text}}`;
}

function listSearchKeys(
  record: DecisionRecord | SearchRecord,
  nameOf: ProtectedText['nameOf'],
): Readonly<Record<string, string>> {
  const acting = 'search' in record ? record.acting : record.rationale.acting;
  const { action, resource, task } = record.request;
  const keys: Readonly<Record<string, unknown>> = {
    user_key: nameText(acting?.user, nameOf),
    agent_key: nameText(acting?.agent, nameOf),
    resource_key: nameText(describeResource(resource), nameOf),
    action: typeof action === 'object' && action !== null && 'name' in action ? action.name : action,
    reason: 'search' in record ? undefined : record.reasons[0]?.code,
    task,
    session: record.token?.session,
  };
  return Object.fromEntries(
    Object.entries(keys).flatMap(([name, key]) => (typeof key === 'string' ? [[name, toSearchKey(key)]] : [])),
  );
}

/** The party or thing as the log names it. @param text as `type:id` */
function nameText(text: string | undefined, nameOf: ProtectedText['nameOf']): string | undefined {
  const ref = text === undefined ? undefined : parseDescribedRef(text);
  return ref === undefined ? undefined : `${ref.type}:${nameOf(ref)}`;
}

/** A list may ask for all of a type, and then has no one resource. */
function describeResource(resource: unknown): string | undefined {
  if (typeof resource !== 'object' || resource === null || !('type' in resource) || !('id' in resource))
    return undefined;
  const { type, id } = resource;
  return typeof type === 'string' && typeof id === 'string' ? describeRef({ type, id }) : undefined;
}
