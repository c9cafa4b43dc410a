/** The row of a decision or a list: its record, and the columns that it is found by. */
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { describeRef } from '../model/ids.js';
import { sha256 } from '../runtime/sha256.js';

/** The longest text that an index has in clear, in bytes; of longer ones it has the hash. record-item-tables.ts does the same. */
const MAX_KEY_BYTES = 256;

/** The text that a value of any length is found by. */
export function toSearchKey(text: string): string {
  return Buffer.byteLength(text) <= MAX_KEY_BYTES ? text : `#${sha256(text)}`;
}

/**
 * @param recordText the record's JSON, which may have less than the record
 * @returns the JSON of its row, by the columns of record-tables.ts
 */
export function serializeRow(record: DecisionRecord | SearchRecord, recordText: string): string {
  const row = {
    id: record.id,
    kind: 'search' in record ? 'list' : 'decision',
    at: record.evaluated_at,
    client: record.client,
    decision: record.decision,
    ...listSearchKeys(record),
  };
  return `${JSON.stringify(row).slice(0, -1)},"record":${recordText}}`;
}

function listSearchKeys(record: DecisionRecord | SearchRecord): Readonly<Record<string, string>> {
  const acting = 'search' in record ? record.acting : record.rationale.acting;
  const { action, resource, task } = record.request;
  const keys: Readonly<Record<string, unknown>> = {
    user_key: acting?.user,
    agent_key: acting?.agent,
    resource_key: describeResource(resource),
    action: typeof action === 'object' && action !== null && 'name' in action ? action.name : action,
    reason: 'search' in record ? undefined : record.reasons[0]?.code,
    task,
    session: record.token?.session,
  };
  return Object.fromEntries(
    Object.entries(keys).flatMap(([name, key]) => (typeof key === 'string' ? [[name, toSearchKey(key)]] : [])),
  );
}

/** A list may ask for all of a type, and then has no one resource. */
function describeResource(resource: unknown): string | undefined {
  if (typeof resource !== 'object' || resource === null || !('type' in resource) || !('id' in resource))
    return undefined;
  const { type, id } = resource;
  return typeof type === 'string' && typeof id === 'string' ? describeRef({ type, id }) : undefined;
}
