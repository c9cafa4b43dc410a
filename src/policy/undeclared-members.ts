/**
 * Finds what is stated or stored and no declaration of the Cedar schema has, so that no policy can read it. Entities are
 * held to it before they are stored; of a question and of a test it is named. A caller may state thousands of members, for
 * each item of a batch: what is only counted is neither written down nor kept.
 */
import { listMemberNames } from '../runtime/memoize.js';
import { isObject, type CedarType, type RecordMembers } from './schema/types.js';

export interface UndeclaredMember {
  readonly path: string;
  readonly name: string;
  /** The names that are declared there. */
  readonly names: readonly string[];
}

export interface UndeclaredMembers {
  readonly count: number;
  /** The first of them, in order. */
  readonly first: readonly UndeclaredMember[];
}

export interface UndeclaredMembersOptions {
  /** The members that are named; the others are counted. */
  readonly limit: number;
  /** Members of the value itself that something else than a policy reads. */
  readonly except?: ReadonlySet<string>;
}

/** The first member that no declaration has; undefined where all are declared. */
export function findUndeclaredMember(
  types: readonly CedarType[],
  value: unknown,
  path: string,
): UndeclaredMember | undefined {
  return collectUndeclaredMembers(types, value, path, { limit: 1 }).first[0];
}

/**
 * The members that no declaration has. A value of another type than all of them is no matter of its members.
 * @param types the declarations of the value, of which one must have each member
 */
export function collectUndeclaredMembers(
  types: readonly CedarType[],
  value: unknown,
  path: string,
  { limit, except = NO_NAMES }: UndeclaredMembersOptions,
): UndeclaredMembers {
  const first: UndeclaredMember[] = [];
  let count = 0;
  const visit = (declarations: readonly CedarType[], part: unknown, partPath: string): void => {
    if (Array.isArray(part)) {
      const elements = declarations.flatMap((type) => (type.kind === 'Set' ? [type.element] : []));
      if (elements.some(hasMembers)) for (const [i, item] of part.entries()) visit(elements, item, `${partPath}[${i}]`);
      return;
    }
    // A reference is written as an object, too.
    if (!isObject(part) || declarations.some(({ kind }) => kind === 'Entity')) return;
    const records = declarations.flatMap((type): RecordMembers[] => (type.kind === 'Record' ? [type.members] : []));
    if (records.length === 0 && declarations.length > 0) return;
    const isWhole = part === value;
    for (const name of isWhole ? listMemberNames(part) : Object.keys(part)) {
      if (isWhole && except.has(name)) continue;
      if (!records.some((members) => Object.hasOwn(members, name))) {
        count += 1;
        if (first.length < limit)
          first.push({ path: `${partPath}.${name}`, name, names: records.flatMap((members) => Object.keys(members)) });
        continue;
      }
      const declared = records.flatMap((members) => (Object.hasOwn(members, name) ? (members[name]?.type ?? []) : []));
      if (declared.some(hasMembers)) visit(declared, part[name], `${partPath}.${name}`);
    }
  };
  visit(types, value, path);
  return { count, first };
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Whether a value of the type has members, or elements that may have some. */
function hasMembers({ kind }: CedarType): boolean {
  return kind === 'Record' || kind === 'Set';
}
