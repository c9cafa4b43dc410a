/**
 * The canonical text of a JSON value, by RFC 8785: two values are equal where their texts are. Members stand in the order of their
 * names and numbers are told by their values, so -0 is 0. Values that come from outside are compared by it, since comparing
 * each with each of a list takes as many times as long as the list has values, and holds up all others meanwhile.
 */
import { memoizeByObject } from './memoize.js';

/** Takes time in proportion to the value's length, and that once for each object. @param value as JSON has it */
export function formatCanonicalJson(value: unknown): string {
  return typeof value === 'object' && value !== null ? formatOnce(value) : writeCanonicalJson(value);
}

const formatOnce = memoizeByObject((value: object): string => writeCanonicalJson(value));

/**
 * The same for what is made of an object once: keeping the text with the object takes longer than making it. This is done for each
 * decision, so it makes few lists.
 */
export function writeCanonicalJson(value: unknown): string {
  // JSON has no undefined. It is told as null, so a list has it.
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  let text = '';
  if (Array.isArray(value)) {
    for (const element of value) text += `${text === '' ? '' : ','}${writeCanonicalJson(element)}`;
    return `[${text}]`;
  }
  const members = value as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(members).sort()) {
    const member = members[name];
    if (member !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${writeCanonicalJson(member)}`;
  }
  return `{${text}}`;
}

/** The text of what is stated: members of objects that are null are left out, as if they weren't said. */
export function formatStatedJson(value: unknown): string {
  return formatCanonicalJson(omitNullMembers(value));
}

/** The same value without the members of objects that are null, at every depth. */
export function omitNullMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(omitNullMembers);
  if (typeof value !== 'object' || value === null) return value;
  const stated = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(stated.map(([name, member]) => [name, omitNullMembers(member)]));
}
