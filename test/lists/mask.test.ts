/** Masks: nothing that is to be hidden is left, and nothing else is touched. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMask } from '../../src/lists/mask.js';
import { MASK_MODES, type MaskMode } from '../../src/policy/duty-fields.js';

const mask = (fields: string[], modes?: Record<string, MaskMode>) => [
  { id: 'mask', type: 'mask' as const, properties: { fields, ...(modes === undefined ? {} : { modes }) } },
];
const apply = (properties: Record<string, unknown>, fields: string[], modes?: Record<string, MaskMode>): unknown =>
  createMask('secret')(properties, mask(fields, modes));

describe('a field', () => {
  it.each<[string, MaskMode | undefined, unknown, unknown]>([
    ['is removed', undefined, 1, undefined],
    ['is removed, a list too', 'remove', [1, 2], undefined],
    ['is null', 'null', { a: 1 }, null],
    ['is redacted', 'redact', 'secret', '[redacted]'],
    ['is redacted, each of a list', 'redact', ['a', { b: 1 }], ['[redacted]', '[redacted]']],
    ['keeps its last four', 'last4', '000-15-1348', '****1348'],
    ['keeps its last four, a number too', 'last4', 123456789, '****6789'],
    ['keeps nothing of what is short', 'last4', '1234567', '****'],
    ['keeps nothing of what is neither', 'last4', { number: '000-15-1348' }, '****'],
    ['keeps its last four by characters', 'last4', '🙂🙂🙂🙂abc🙂', '****abc🙂'],
  ])('%s', (_how, mode, value, left) => {
    const result = apply({ field: value, other: value }, ['field'], mode === undefined ? undefined : { field: mode });
    expect(result).toEqual(left === undefined ? { other: value } : { field: left, other: value });
  });

  it('is hashed alike where it is alike, and only there, and with the key', () => {
    const hash = (value: unknown, key = 'secret'): unknown =>
      createMask(key)({ field: value }, mask(['field'], { field: 'hash' }))['field'];
    expect(hash('a')).toBe(hash('a'));
    expect(new Set([hash('a'), hash('b'), hash(1), hash('1'), hash('a', 'other')]).size).toBe(5);
  });

  it('is found along its path, through lists', () => {
    const people = { people: [{ address: { street: 's', city: 'c' } }, { address: null }, 7, { name: 'n' }], street: 's' };
    expect(apply(people, ['people.address.street'])).toEqual({ people: [{ address: { city: 'c' } }, { address: null }, 7, { name: 'n' }], street: 's' });
    expect(apply(people, ['people.address.street'], { 'people.address.street': 'redact' })).toMatchObject({ people: [{ address: { street: '[redacted]' } }, {}, 7, {}] });
  }); // prettier-ignore

  it('is found where its path is one word, as columns are called', () => {
    const row = {
      'address.street': 's',
      'address.city.name': 'c',
      address: { 'city.name': 'c', zip: 1 },
      addresses: 's',
    };
    expect(apply(row, ['address.street', 'address.city'])).toEqual({ address: { zip: 1 }, addresses: 's' });
    expect(apply(row, ['address'])).toEqual({ addresses: 's' });
  });

  it('that is not there stays away, whatever it is called', () => {
    for (const field of ['missing', 'a.b.c', 'constructor', '__proto__.x', 'toString'])
      for (const mode of MASK_MODES) expect(apply({ a: 1 }, [field], { [field]: mode })).toEqual({ a: 1 });
  });
});

describe('visible fields', () => {
  const shown = (properties: Record<string, unknown>, ...fields: string[]): unknown =>
    createMask('secret')(properties, [{ id: 'visible_fields', type: 'visible_fields', properties: { fields } }]);
  const record = { name: 'n', address: { street: 's', city: { name: 'c', zip: 1 } }, people: [{ name: 'p', age: 1 }, 7, null], 'address.street': 'x' }; // prettier-ignore

  it.each<[string, string[], unknown]>([
    ['are all that is left', ['name'], { name: 'n' }],
    ['may be none', [], {}],
    ['that are not there make nothing', ['nickname', 'name.first', 'constructor', 'address.constructor'], { address: {} }],
    ['are found along their paths', ['address.city.zip'], { address: { city: { zip: 1 } } }],
    ['are found through lists, without what has no such field', ['people.name'], { people: [{ name: 'p' }] }],
    ['are whole where they are named whole', ['address', 'people.name'], { address: record.address, 'address.street': 'x', people: [{ name: 'p' }] }],
    ['may be named in one word', ['address.street'], { address: { street: 's' }, 'address.street': 'x' }],
  ])('%s', (_, fields, left) => expect(shown(record, ...fields)).toEqual(left)); // prettier-ignore

  it('are masked all the same', () => {
    const obligations = [
      ...mask(['name'], { name: 'redact' }),
      { id: 'visible_fields', type: 'visible_fields' as const, properties: { fields: ['name'] } },
    ];
    expect(createMask('secret')(record, obligations)).toEqual({ name: '[redacted]' });
  });
});

it('leaves nothing of any value, at any depth, in any mode', () => {
  const leaf = 'S3CRET-S3CRET-S3CRET-';
  const value = fc.oneof(fc.constant(leaf), fc.array(fc.constant(leaf), { minLength: 1, maxLength: 3 }), fc.constant({ a: leaf }));
  const wrapped = fc.tuple(value, fc.array(fc.boolean(), { maxLength: 4 }));
  fc.assert(
    fc.property(wrapped, fc.constantFrom(...MASK_MODES), ([inner, wraps], mode) => {
      const path = ['f', ...wraps.map((_, i) => `p${i}`)];
      const nest = (rest: string[]): unknown => {
        const [name = '', ...more] = rest;
        const made = { [name]: more.length === 0 ? inner : nest(more), kept: 'k' };
        return wraps[rest.length - 1] === true ? made : [made, made].slice(0, rest.length === path.length ? 1 : 2);
      };
      const top = nest(path);
      const record = (Array.isArray(top) ? top[0] : top) as Record<string, unknown>;
      const field = path.join('.');
      const result = apply(record, [field], { [field]: mode });
      expect(JSON.stringify(result)).not.toContain('S3CRET-S3CRET');
      expect(JSON.stringify(record)).toContain(leaf);
      expect((result as Record<string, unknown>)['kept']).toBe('k');
    }),
  );
}); // prettier-ignore
