/** What is made of an object is made once, whatever it is, and an equal object is another. */
import { expect, it } from 'vitest';
import { memoizeByObject, memoizeByObjects } from '../../src/runtime/memoize.js';

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

it('makes something of each combination of objects once, in their order', () => {
  const pair = memoizeByObjects((a: { readonly name: string }, b: { readonly name: string }) => [a.name, b.name]);
  const [x, y] = [{ name: 'x' }, { name: 'y' }];
  expect(pair(x, y)).toEqual(['x', 'y']);
  expect(pair(x, y)).toBe(pair(x, y));
  expect(pair(y, x)).toEqual(['y', 'x']);
  expect(pair(x, { name: 'y' })).not.toBe(pair(x, y));
  const none = memoizeByObjects((_a: object, _b: object): unknown => undefined);
  expect(none(x, y)).toBeUndefined();
});
