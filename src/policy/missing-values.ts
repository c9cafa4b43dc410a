/** The required parts of a request to Cedar that are nowhere, and the stored ones that no longer fit the schema. */
import { describeRef } from '../model/ids.js';
import type { MissingValue, ValueSource } from '../model/reasons.js';

/** The value with the type of what lacks it, as policies come to it: `employee.status`, `context.action.branch`. */
export function formatTypedPath({ entity, path }: MissingValue): string {
  return entity === undefined ? path : `${entity.type}.${path}`;
}

/** `status of employee:erin`, `context.action.branch`. */
export function formatMissingValue({ entity, path }: MissingValue): string {
  return entity === undefined ? path : `${path} of ${describeRef(entity)}`;
}

/** Each value once, in order. */
export function sortMissingValues(values: readonly MissingValue[]): readonly MissingValue[] {
  if (values.length === 0) return values;
  const byText = new Map(values.map((value) => [formatMissingValue(value), value]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}

/**
 * Says which values are missing, as sentences.
 * @param suffix names the earlier agent that the policies were asked for
 */
export function describeMissingValues(values: readonly MissingValue[], suffix = ''): string {
  const kinds = [...new Set(values.map(describeLack))].sort();
  return kinds
    .map((kind) => {
      const list = values.filter((value) => describeLack(value) === kind).map(formatMissingValue);
      return `${kind}${suffix}: ${list.join(', ')}.`;
    })
    .join(' ');
}

/** The beginning of the sentence that names the value. */
function describeLack({ unfit, source = 'request' }: MissingValue): string {
  if (unfit === true)
    return `${source === 'token' ? 'In the token' : 'Stored'} with another type than the schema declares`;
  return LACKS[source];
}

const LACKS: Readonly<Record<ValueSource, string>> = {
  request: 'Neither stored nor in the request',
  asserting_client: 'Not stored, and only a client with asserts_attributes can state it',
  token: 'Not in the token',
  store: 'Not stored, and this request can not state it',
};
