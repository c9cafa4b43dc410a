/** Keeps what a function made of an object for as long as the object is there: the items of a batch share their defaults. */

/** The function, which is called once for each object. What it returns must depend on nothing else and not be changed. */
export function memoizeByObject<K extends object, T>(make: (object: K) => T): (object: K) => T {
  const results = new WeakMap<K, { readonly result: T }>();
  return (object) => {
    let entry = results.get(object);
    if (entry === undefined) {
      entry = { result: make(object) };
      results.set(object, entry);
    }
    return entry.result;
  };
}

/** The names of an object's members. It is for the parts of a question: reading thousands of names takes long, once an item. */
export const listMemberNames = memoizeByObject((object: object): readonly string[] => Object.keys(object));
