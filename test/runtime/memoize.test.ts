/** What is made of an object is made once, whatever it is, and an equal object is another. */
import { expect, it } from 'vitest';
import { memoizeByObject } from '../../src/runtime/memoize.js';

it('makes something of each object once, be it undefined', () => {
  const seen: object[] = [];
  const read = memoizeByObject((object: { readonly value?: number }) => {
    seen.push(object);
    return object.value;
  });
  const [one, same, none] = [{ value: 1 }, { value: 1 }, {}];
  expect([read(one), read(same), read(none), read(one), read(none)]).toEqual([1, 1, undefined, 1, undefined]);
  expect(seen).toEqual([one, same, none]);
});
