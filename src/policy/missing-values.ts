/** The required parts of a request to Cedar that are nowhere, and the stored ones that no longer fit the schema. */
import { describeRef, type EntityRef } from '../model/ids.js';

export interface MissingValue {
  /** The entity that lacks the attribute; undefined for a member of the context. */
  readonly entity?: EntityRef;
  /** Within the entity: `address.street`; of the context: `context.action.branch`. */
  readonly path: string;
  /** Whether it is there and has another type than the schema declares. */
  readonly unfit?: true;
}

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
  const list = (those: readonly MissingValue[]): string => those.map(formatMissingValue).join(', ');
  const [absent, unfit] = [values.filter((value) => value.unfit !== true), values.filter((value) => value.unfit)];
  return [
    ...(absent.length === 0 ? [] : [`Neither stored nor in the request${suffix}: ${list(absent)}.`]),
    ...(unfit.length === 0 ? [] : [`Stored with another type than the schema declares${suffix}: ${list(unfit)}.`]),
  ].join(' ');
}
