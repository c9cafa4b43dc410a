/** The row of a decision or a list: its record, and the columns that it is found by. */
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { parseDescribedRef } from '../model/ids.js';
import type { ProtectedRecord } from './record-values.js';
import { sha256 } from '../runtime/sha256.js';

/** The longest text that an index has in clear, in bytes; of longer ones it has the hash. record-item-tables.ts does the same. */
const MAX_KEY_BYTES = 256;

/** The text that a value of any length is found by. */
export function toSearchKey(text: string): string {
  return Buffer.byteLength(text) <= MAX_KEY_BYTES ? text : `#${sha256(text)}`;
}

/**
 * @param protectedRecord the same record without people and values
 * @returns the JSON of its row, by the columns of record-tables.ts
 */
export function serializeRow(record: DecisionRecord | SearchRecord, protectedRecord: ProtectedRecord): string {
  const { text, sealed } = protectedRecord;
  const row = {
    id: record.id,
    kind: 'search' in record ? 'list' : 'decision',
    at: record.evaluated_at,
    client: record.client,
    decision: record.decision,
    protected: true,
    ...listSearchKeys(record, protectedRecord),
  };
  return `${JSON.stringify(row).slice(0, -1)}${sealed},"record":${text}}`;
}

function listSearchKeys(
  record: DecisionRecord | SearchRecord,
  { nameOf, nameTask }: Pick<ProtectedRecord, 'nameOf' | 'nameTask'>,
): Readonly<Record<string, string>> {
  const acting = 'search' in record ? record.acting : record.rationale.acting;
  const { action, resource, task } = record.request;
  const nameParty = (text = ''): string | undefined => nameRef(parseDescribedRef(text), nameOf);
  const keys: Readonly<Record<string, unknown>> = {
    user_key: nameParty(acting?.user),
    agent_key: nameParty(acting?.agent),
    resource_key: nameRef(resource, nameOf),
    action: typeof action === 'object' && action !== null && 'name' in action ? action.name : action,
    reason: 'search' in record ? undefined : record.reasons[0]?.code,
    task: typeof task === 'string' ? nameTask(task) : undefined,
    session: record.token?.session,
  };
  return Object.fromEntries(
    Object.entries(keys).flatMap(([name, key]) => (typeof key === 'string' ? [[name, toSearchKey(key)]] : [])),
  );
}

/** A party or thing as the log names it. A list may ask for all of a type, and then has no one resource. */
export function nameRef(ref: unknown, nameOf: ProtectedRecord['nameOf']): string | undefined {
  if (typeof ref !== 'object' || ref === null || !('type' in ref) || !('id' in ref)) return undefined;
  const { type, id } = ref;
  return typeof type === 'string' && typeof id === 'string' ? `${type}:${nameOf({ type, id })}` : undefined;
}
