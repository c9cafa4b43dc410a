/**
 * Rules by which people and values are kept out of what is stored: each says of a member what the log shows of it. The same rules
 * find the places again where what was hidden is put back.
 */
import { decodeId, encodeId, isPlainName, type EntityRef } from '../model/ids.js';
import { commit, deriveSalt, isCommitment } from '../runtime/commitment.js';

/** Makes the names and commitments of one record. */
export interface Protection {
  /** Makes the salts of the record's commitments. */
  readonly seed: Uint8Array;
  /** The name of a thing or a person in the log: a pseudonym of people, the id of others. */
  readonly nameOf: (ref: EntityRef) => string;
  /** Is told of each value that is replaced by a commitment. */
  readonly onCommitted?: (hash: string, value: unknown, path: string) => void;
}

/** A record as it is stored. */
export type ShownRecord = Readonly<Record<string, unknown>>;

/** People and values that a record has in places of their names and commitments. */
export interface HiddenContent {
  /** The id of a person by the type and the name in the log, `user:~…`. */
  readonly names: ReadonlyMap<string, string>;
  /** The value by its commitment's hash. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Replaces what stands at the places that the rules name: by what hides it, or by what was hidden. */
interface Replacement {
  readonly value: (value: unknown, path: string) => unknown;
  readonly id: (ref: EntityRef) => string;
  readonly encodedId: (type: string, encoded: string) => string;
}

/** Makes of a member what takes its place. @param path of the member, as a JSON pointer */
export type ProtectingRule = (value: unknown, replacement: Replacement, path: string) => unknown;

export const shown: ProtectingRule = (value) => value;

const committed: ProtectingRule = (value, replacement, path) => replacement.value(value, path);

export const shownName: ProtectingRule = (value, replacement, path) =>
  typeof value === 'string' && isPlainName(value) ? value : replacement.value(value, path);

/** A commitment has no members: it stands for a value. */
function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isCommitment(value);
}

/** Replaces each member by its rule. This is done for each decision, so it makes no lists of the members. */
export function membersOf(rules: Readonly<Record<string, ProtectingRule>>): ProtectingRule {
  const ruleByName = new Map(Object.entries(rules));
  return (value, replacement, path) => {
    if (!isMembers(value)) return committed(value, replacement, path);
    const result: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      const member = value[name];
      if (member === undefined) continue;
      const rule = ruleByName.get(name) ?? committed;
      result[name] = rule === shown ? member : rule(member, replacement, `${path}/${escapePointer(name)}`);
    }
    return result;
  };
}

/** A name as a part of a JSON pointer. */
function escapePointer(name: string): string {
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}

export function eachOf(rule: ProtectingRule): ProtectingRule {
  return (value, replacement, path) =>
    Array.isArray(value)
      ? value.map((element, i): unknown => rule(element, replacement, `${path}/${i}`))
      : committed(value, replacement, path);
}

/** `{type, id}`; a list may be of all of a type, and has no id. @param rules of the members beside these */
export function referenceWith(rules: Readonly<Record<string, ProtectingRule>>): ProtectingRule {
  const otherMembers = membersOf(rules);
  return (value, replacement, path) => {
    if (!isMembers(value) || typeof value['type'] !== 'string') return committed(value, replacement, path);
    const { type, id, ...others } = value;
    const name = typeof id === 'string' ? replacement.id({ type, id }) : id;
    return { type, ...(id === undefined ? {} : { id: name }), ...(otherMembers(others, replacement, path) as object) };
  };
}

export const reference = referenceWith({});
/** `user:alice`, with the id as it was written. */
export const referenceText: ProtectingRule = (value, replacement, path) => {
  const [, type, id] = typeof value === 'string' ? (/^([a-z0-9_/]+):(.+)$/su.exec(value) ?? []) : [];
  if (type === undefined || id === undefined) return committed(value, replacement, path);
  return `${type}:${replacement.id({ type, id })}`;
};

/** `document:plan#owner@user:alice`, with ids encoded. */
export const relationship: ProtectingRule = (value, replacement, path) => {
  if (typeof value !== 'string') return committed(value, replacement, path);
  return value.replace(
    /(?<=^|@)([a-z0-9_/]+):([\w/|+=~-]+)/g,
    (_, type: string, encoded: string) => `${type}:${replacement.encodedId(type, encoded)}`,
  );
};

/** @returns the record of the same shape, with names and commitments in it */
export function hideContent(
  rule: ProtectingRule,
  record: object,
  { seed, nameOf, onCommitted }: Protection,
): ShownRecord {
  return replaceIn(rule, record, {
    value: (value, path) => {
      const commitment = commit(value, deriveSalt(seed, path));
      onCommitted?.(commitment.$commit, value, path);
      return commitment;
    },
    id: nameOf,
    encodedId: (type, encoded) => {
      const id = decodeId(encoded);
      const name = nameOf({ type, id });
      return name === id ? encoded : name;
    },
  });
}

/** The record with what was hidden of it. What isn't among that stays as it is: it was never hidden. */
export function restoreContent(rule: ProtectingRule, record: object, { names, values }: HiddenContent): ShownRecord {
  const idOf = (type: string, name: string): string | undefined => names.get(`${type}:${name}`);
  return replaceIn(rule, record, {
    value: (value) => (isCommitment(value) && values.has(value.$commit) ? values.get(value.$commit) : value),
    id: ({ type, id }) => idOf(type, id) ?? id,
    encodedId: (type, encoded) => {
      const id = idOf(type, encoded);
      return id === undefined ? encoded : encodeId(id);
    },
  });
}

function replaceIn(rule: ProtectingRule, record: object, replacement: Replacement): ShownRecord {
  return rule(record, replacement, '') as ShownRecord;
}
