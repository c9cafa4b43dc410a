/** Counts how often the members of a value are read, so that a test can hold work to a number rather than to a time. */

export interface CountedValue<T> {
  readonly value: T;
  /** The reads so far, at every level of the value. */
  readonly reads: () => number;
}

export function countReads<T extends object>(original: T): CountedValue<T> {
  let count = 0;
  const wrap = (object: object): object => {
    const members = Object.entries(object).map(([name, member]: [string, unknown]) => [
      name,
      typeof member === 'object' && member !== null ? wrap(member) : member,
    ]);
    const copy = (Array.isArray(object) ? members.map(([, member]) => member) : Object.fromEntries(members)) as object;
    return new Proxy(copy, {
      get: (target, name, receiver): unknown => {
        count += 1;
        return Reflect.get(target, name, receiver);
      },
    });
  };
  return { value: wrap(original) as T, reads: () => count };
}
