/**
 * Cedar's types, and the conversion of a caller's JSON to Cedar values by them. Only declared members are read, so a
 * caller's `__entity` or `__extn` never reaches Cedar. `read-types.ts` reads the types from the schema.
 */
import { didYouMean } from '../../diagnostics/suggest.js';
import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import { parseInstant } from '../../model/instants.js';
import { findIdProblem } from '../../model/ids.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { readAddressRange } from '../../runtime/ip-address.js';
import type { EntityUid } from './uid.js';

export type CedarType =
  | { readonly kind: 'String' | 'Long' | 'Bool' }
  | { readonly kind: 'Set'; readonly element: CedarType }
  | { readonly kind: 'Record'; readonly members: RecordMembers }
  /** `ids` are all that there are of an `enum` type. */
  | { readonly kind: 'Entity'; readonly name: string; readonly ids?: readonly string[] }
  | { readonly kind: 'Extension'; readonly name: 'datetime' | 'duration' | 'decimal' | 'ipaddr' };

export interface RecordMember {
  readonly type: CedarType;
  readonly required: boolean;
  readonly annotations: Readonly<Record<string, string>>;
}
export type RecordMembers = Readonly<Record<string, RecordMember>>;

export const EXTENSIONS = ['datetime', 'duration', 'decimal', 'ipaddr'] as const;
const MAX_SET_ELEMENTS = 1000;

/** A value that isn't of the declared type. */
export class InvalidValueError extends Error {
  override readonly name = 'InvalidValueError';

  constructor(
    message: string,
    /** Within the caller's object: `address.street`. */
    readonly path: string,
    /** Whether a required member isn't there, rather than there with a wrong type. */
    readonly missing = false,
  ) {
    super(message);
  }
}

/**
 * The Cedar JSON of `value` as `type`, without what the type doesn't declare.
 * @param objectOf names the SpiceDB definition of a Cedar entity type, so that callers can write either
 * @throws InvalidValueError
 */
export function toCedarValue(
  type: CedarType,
  value: unknown,
  path: string,
  objectOf: (name: string) => string,
): CedarValueJson {
  switch (type.kind) {
    case 'String':
      if (typeof value !== 'string') throw new InvalidValueError('must be a string', path);
      if (!value.isWellFormed()) throw new InvalidValueError('must be well-formed Unicode', path);
      return value;
    case 'Bool':
      if (typeof value !== 'boolean') throw new InvalidValueError('must be true or false', path);
      return value;
    case 'Long':
      if (!Number.isSafeInteger(value)) throw new InvalidValueError('must be a whole number within ±(2^53 − 1)', path);
      return value as number;
    case 'Set':
      if (!Array.isArray(value)) throw new InvalidValueError('must be a list', path);
      if (value.length > MAX_SET_ELEMENTS)
        throw new InvalidValueError(`must have at most ${MAX_SET_ELEMENTS} elements`, path);
      return value.map((element, i) => toCedarValue(type.element, element, `${path}[${i}]`, objectOf));
    case 'Record': {
      if (!isObject(value)) throw new InvalidValueError('must be an object', path);
      return toCedarRecord(type.members, value, path, objectOf);
    }
    case 'Entity':
      return { __entity: { type: type.name, id: readEntityId(type, value, path, objectOf) } };
    case 'Extension':
      return toExtensionValue(type.name, value, path);
  }
}

/**
 * The Cedar JSON of each declared member that is given.
 * @throws InvalidValueError, `missing` where a required one isn't given
 */
export function toCedarRecord(
  members: RecordMembers,
  values: Readonly<Record<string, unknown>>,
  path: string,
  objectOf: (name: string) => string,
): Record<string, CedarValueJson> {
  const record: Record<string, CedarValueJson> = {};
  for (const [name, member] of listDeclaredMembers(members)) {
    const memberPath = path === '' ? name : `${path}.${name}`;
    const value = getStatedMember(values, name);
    if (value !== undefined) record[name] = toCedarValue(member.type, value, memberPath, objectOf);
    else if (member.required) throw new InvalidValueError('is required', memberPath, true);
  }
  return record;
}

/** The members that a record of the schema declares, in its order. */
export const listDeclaredMembers = memoizeByObject((members: RecordMembers) => Object.entries(members));

/** The value of the member; undefined where there is none, or where it is null, which is as if it weren't said. */
export function getStatedMember(values: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(values, name) ? (values[name] ?? undefined) : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entity that a value refers to; undefined where it is no reference to one of the type. */
export function readReference(type: string, value: unknown, objectOf: (name: string) => string): EntityUid | undefined {
  try {
    return { type, id: readEntityId({ kind: 'Entity', name: type }, value, '', objectOf) };
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}

function readEntityId(
  { name, ids }: Extract<CedarType, { kind: 'Entity' }>,
  value: unknown,
  path: string,
  objectOf: (name: string) => string,
): string {
  const problem = `must be the id of a ${objectOf(name)}, or {"type": "${objectOf(name)}", "id": …}`;
  const id = isObject(value) && (value['type'] === objectOf(name) || value['type'] === name) ? value['id'] : value;
  if (typeof id !== 'string') throw new InvalidValueError(problem, path);
  const idFault = findIdProblem(id);
  if (idFault !== undefined) throw new InvalidValueError(idFault, path);
  if (ids?.includes(id) === false)
    throw new InvalidValueError(`must be one of ${ids.join(', ')}${didYouMean(id, ids)}`, path);
  return id;
}

function toExtensionValue(name: (typeof EXTENSIONS)[number], value: unknown, path: string): CedarValueJson {
  const extensionCall = (fn: string, arg: string): CedarValueJson => ({ __extn: { fn, arg } });
  switch (name) {
    case 'datetime': {
      const isDay = typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value);
      const date = typeof value === 'string' ? parseInstant(isDay ? `${value}T00:00:00Z` : value) : undefined;
      if (date === undefined)
        throw new InvalidValueError(
          'must be an instant such as "2030-01-01T00:00:00Z", to the millisecond at most',
          path,
        );
      return datetimeValue(date);
    }
    case 'duration':
      if (
        typeof value !== 'string' ||
        !/^-?(?=\d)(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?(\d{1,12}ms)?$/.test(value)
      ) {
        throw new InvalidValueError('must be a duration such as "1h30m"', path);
      }
      return extensionCall('duration', value);
    case 'decimal': {
      const text = typeof value === 'number' ? formatDecimal(value) : value;
      if (typeof text !== 'string' || !/^-?\d{1,14}\.\d{1,4}$/.test(text)) {
        throw new InvalidValueError('must be a decimal with one to four digits after the point, such as "12.50"', path);
      }
      return extensionCall('decimal', text);
    }
    case 'ipaddr': {
      const range = typeof value === 'string' ? readAddressRange(value) : undefined;
      if (range === undefined) throw new InvalidValueError('must be an IP address or range such as "10.0.0.0/8"', path);
      return extensionCall('ip', range);
    }
  }
}

/** The instant as Cedar's `datetime`. */
export function datetimeValue(date: Date): CedarValueJson {
  return { __extn: { fn: 'datetime', arg: date.toISOString() } };
}

function formatDecimal(value: number): string {
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
