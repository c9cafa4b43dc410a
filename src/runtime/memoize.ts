/** Keeps what a function made of an object for as long as the object is there: the items of a batch share their defaults. */

/** The function, which is called once for each object. What it returns must depend on nothing else and not be changed. */
export function memoizeByObject<K extends object, T>(make: (object: K) => T): (object: K) => T {
  const results = new WeakMap<K, T>();
  return (object) => {
    if (!results.has(object)) results.set(object, make(object));
    return results.get(object) as T;
  };
}

/** The same for several objects: what was made is kept for as long as all of them are there. */
export function memoizeByObjects<A extends readonly object[], T>(make: (...objects: A) => T): (...objects: A) => T {
  const root: ResultNode<T> = {};
  return (...objects) => {
    let node = root;
    for (const object of objects) {
      node.next ??= new WeakMap();
      let next = node.next.get(object);
      if (next === undefined) {
        next = {};
        node.next.set(object, next);
      }
      node = next;
    }
    node.entry ??= { result: make(...objects) };
    return node.entry.result;
  };
}

interface ResultNode<T> {
  next?: WeakMap<object, ResultNode<T>>;
  entry?: { readonly result: T };
}

/** The names of an object's members. It is for the parts of a question: reading thousands of names takes long, once an item. */
export const listMemberNames = memoizeByObject((object: object): readonly string[] => Object.keys(object));
