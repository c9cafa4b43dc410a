/**
 * Finds what is stated or stored and no declaration of the Cedar schema has, so that no policy can read it. Entities are
 * held to it before they are stored; of a question and of a test it is named.
 */
import { isObject, type CedarType, type RecordMembers } from './schema/types.js';

export interface UndeclaredMember {
  readonly path: string;
  readonly name: string;
  /** The names that are declared there. */
  readonly names: readonly string[];
}

/** The first member that no declaration has; undefined where all are declared. */
export function findUndeclaredMember(
  types: readonly CedarType[],
  value: unknown,
  path: string,
): UndeclaredMember | undefined {
  return listUndeclaredMembers(types, value, path).next().value ?? undefined;
}

/**
 * Every member that no declaration has, in order. A value of another type than all of them is no matter of its members.
 * @param types the declarations of the value, of which one must have each member
 */
export function* listUndeclaredMembers(
  types: readonly CedarType[],
  value: unknown,
  path: string,
): Generator<UndeclaredMember, void> {
  if (Array.isArray(value)) {
    const elements = types.flatMap((type) => (type.kind === 'Set' ? [type.element] : []));
    if (elements.length === 0) return;
    for (const [i, item] of value.entries()) yield* listUndeclaredMembers(elements, item, `${path}[${i}]`);
    return;
  }
  // A reference is written as an object, too.
  if (!isObject(value) || types.some(({ kind }) => kind === 'Entity')) return;
  const records = types.flatMap((type): RecordMembers[] => (type.kind === 'Record' ? [type.members] : []));
  if (records.length === 0 && types.length > 0) return;
  const names = records.flatMap((members) => Object.keys(members));
  for (const [name, member] of Object.entries(value)) {
    const declared = records.flatMap((members) => (Object.hasOwn(members, name) ? (members[name]?.type ?? []) : []));
    const memberPath = `${path}.${name}`;
    if (declared.length > 0) yield* listUndeclaredMembers(declared, member, memberPath);
    else yield { path: memberPath, name, names };
  }
}
