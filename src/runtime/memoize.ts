/** Keeps what a function made of an object for as long as the object is there: the items of a batch share their defaults. */

/** The function, which is called once for each object. What it returns must depend on nothing else and not be changed. */
export function memoizeByObject<K extends object, T>(make: (object: K) => T): (object: K) => T {
  const made = new WeakMap<K, { readonly result: T }>();
  return (object) => {
    let kept = made.get(object);
    if (kept === undefined) {
      kept = { result: make(object) };
      made.set(object, kept);
    }
    return kept.result;
  };
}
