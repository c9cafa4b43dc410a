/** Masks: the same as the service's own, for every record; and what can't be hidden as it should is removed. */
import fc from 'fast-check';
import { applyMask, maskJson, type Obligation } from 'remit-client';
import { describe, expect, it } from 'vitest';

/** The service's own, as it is built. */
const { createMask } = (await import(new URL('../../../../dist/lists/mask.js', import.meta.url).href)) as {
  createMask: (key: string) => (properties: object, obligations: readonly Obligation[]) => object;
};
const names = fc.constantFrom('a', 'b', 'c', 'a.b', 'b.c');
const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('0123456789'));
const { record } = fc.letrec<{ record: Record<string, unknown>; value: unknown }>((tie) => ({
  record: fc.dictionary(names, tie('value'), { maxKeys: 4 }),
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('record'), fc.array(tie('value'), { maxLength: 3 })),
}));
/** The same without lists within lists. */
const { tidy } = fc.letrec<{ tidy: Record<string, unknown>; value: unknown }>((tie) => ({
  tidy: fc.dictionary(names, tie('value'), { maxKeys: 4 }),
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('tidy'), fc.array(fc.oneof(leaf, tie('tidy')), { maxLength: 3 })),
}));
const field = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
const fields = fc.uniqueArray(field, { minLength: 1, maxLength: 4 });
const mode = fc.constantFrom('remove', 'null', 'redact', 'last4');
const mask = (listed: string[], modes: Record<string, string> = {}): Obligation => ({
  id: 'mask',
  type: 'mask',
  properties: { fields: listed, modes },
});
/** A value as the text of it is masked. */
const maskAnywhere = (value: unknown, masks: Obligation[]): unknown =>
  JSON.parse(maskJson(JSON.stringify(value), masks));
const visible = (listed: string[]): Obligation => ({ id: 'v', type: 'visible_fields', properties: { fields: listed } });

it('is the service’s own for every record', () => {
  const obligations = fc.oneof(
    fc.tuple(fields, fc.dictionary(field, mode)).map(([listed, modes]) => [mask(listed, modes)]),
    fields.map((listed) => [visible(listed)]),
    fc
      .tuple(fields, fields, fc.dictionary(field, mode))
      .map(([shown, hidden, modes]) => [visible(shown), mask(hidden, modes)]),
  );
  const service = createMask('key');
  fc.assert(
    fc.property(record, obligations, (value, list) => {
      expect(applyMask(value, list)).toEqual(service(value, list));
    }),
  );
});

/** The values of a member of this name anywhere. */
function valuesOf(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return (value as unknown[]).flatMap((element) => valuesOf(element, name));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value as Record<string, unknown>).flatMap(([key, inner]) => [
    ...(key === name ? [inner] : []),
    ...valuesOf(inner, name),
  ]);
}

it('anywhere: hides a field in every object, whatever it stands in, and at least what it hides otherwise', () => {
  fc.assert(
    fc.property(tidy, fields, (value, listed) => {
      const everywhere = maskAnywhere(value, [mask([...listed, 'c'])]);
      expect(valuesOf(everywhere, 'c')).toEqual([]);
      // Masking once more, from the root alone, finds nothing that is left.
      expect(applyMask(everywhere, [mask([...listed, 'c'])])).toEqual(everywhere);
    }),
  );
});

describe('what can not be hidden as it should', () => {
  it.each(['hash', 'unknown', '', null, 7, {}])('is removed: mode %j', (unknown) => {
    expect(applyMask({ a: 1, b: 2 }, [mask(['a'], { a: unknown as string })])).toEqual({ b: 2 });
  });

  it.each([undefined, null, 'text', 7, true])('has no fields: %j', (value) => {
    expect(() => applyMask(value, [mask(['a'])])).toThrow(TypeError);
    expect(() => applyMask(value, [visible(['a'])])).toThrow(TypeError);
    expect(applyMask(value, [])).toBe(value);
  });

  it.each([
    {},
    { fields: 'a' },
    { fields: [7] },
    { fields: [''] },
    { fields: ['a'], modes: 'x' },
    { fields: ['a'], modes: ['x'] },
  ])('has a mask that can not be read: %j', (properties) => {
    expect(() => applyMask({ a: 1 }, [{ id: 'm', type: 'mask', properties }])).toThrow(TypeError);
  });

  it('a mode that every object has is none', () => {
    expect(applyMask({ toString: 'x', a: 1 }, [mask(['toString'])])).toEqual({ a: 1 });
  });
});

it('takes values as JSON writes them', () => {
  const value = { toJSON: () => ({ salary: 1, since: new Date(0) }) };
  expect(applyMask<unknown>(value, [mask(['salary'])])).toEqual({ since: '1970-01-01T00:00:00.000Z' });
  expect(maskAnywhere([{ salary: 1 }, { list: [{ salary: 2 }] }], [mask(['salary'])])).toEqual([{}, { list: [{}] }]);
});

it('shows no ending of a number that JSON does not have', () => {
  const ending = [mask(['a'], { a: 'last4' })];
  expect(maskJson('[{"a":1e400},{"a":-0},{"a":12345678}]', ending)).toBe(
    '[{"a":"****"},{"a":"****"},{"a":"****5678"}]',
  );
  expect(applyMask<unknown>({ a: Infinity }, ending)).toEqual({ a: '****' });
});

/** Ways to wrap a value in which a mask still finds its fields. */
const wraps: ((value: unknown) => unknown)[] = [
  (value) => ({ w: value }),
  (value) => ({ w: [value] }),
  (value) => ({ w: JSON.stringify(value) }),
  (value) => ({ w: [` ${JSON.stringify(value)}\n`] }),
  (value) => ({ w: JSON.stringify(JSON.stringify(value)) }),
];

it('anywhere: shows nothing of a hidden field or of a value that has no name, however it is wrapped', () => {
  const secret = 'Erin earns 61000';
  const nameless = fc.constantFrom<unknown>([[secret]], [[[secret]]], [{ w: 1 }, [secret]], { rows: [[secret]] });
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...wraps), { maxLength: 4 }), nameless, (chosen, bare) => {
      const wrap = (value: unknown): unknown => chosen.reduce((inner, each) => each(inner), value);
      const shown = maskAnywhere(wrap({ salary: secret, name: 'E' }), [mask(['salary'])]);
      expect(JSON.stringify(shown)).not.toContain(secret);
      expect(JSON.stringify(shown)).toContain('name');
      expect(() => maskAnywhere(wrap(bare), [mask(['salary'])])).toThrow(TypeError);
    }),
  );
});

it('anywhere: hides a part of a field in whatever the way to it is text, as a column of JSON is', () => {
  const secret = 'Main Street 1';
  const inText = (value: unknown): unknown => JSON.stringify(value);
  const steps = fc.constantFrom<(value: unknown) => unknown>(
    (value) => value,
    inText,
    (value) => [value],
    (value) => [inText(value)],
    (value) => inText([value]),
    (value) => inText(inText(value)),
  );
  const paths = fc.constantFrom(['address', 'street'], ['home', 'address', 'street'], ['home.address', 'street']);
  const tail = fc.constantFrom<unknown>({ street: secret, city: 'X' }, secret, inText(secret), [secret]);
  fc.assert(
    fc.property(paths, fc.array(steps, { minLength: 3, maxLength: 3 }), tail, (path, [a, b, c], last) => {
      const [, ...outer] = [...path].reverse();
      const inner = outer.reduce<unknown>((value, name, i) => (i % 2 ? a : b)?.({ [name]: c?.(value), id: 'e' }), last);
      // Of lists within lists nothing is shown at all.
      const shown = ((): unknown => {
        try {
          return maskAnywhere({ w: inner, name: 'E' }, [mask([path.join('.')]), mask(['other'])]);
        } catch (error) {
          if (error instanceof TypeError) return { name: 'E' };
          throw error;
        }
      })();
      expect(JSON.stringify(shown)).not.toContain('Main Street');
      expect(shown).toMatchObject({ name: 'E' });
    }),
  );
  const column = { id: 'e', address: inText({ street: secret, city: 'X' }) };
  expect(maskAnywhere(column, [mask(['address.street'])])).toEqual({ id: 'e', address: '{"city":"X"}' });
  expect(maskAnywhere({ id: 'e', address: secret }, [mask(['address.street'])])).toEqual({ id: 'e' });
});

describe('anywhere', () => {
  it.each<[string, unknown]>([
    ['a list of texts', ['Erin earns 61000']],
    ['a list of numbers', [61_000]],
    ['a list of an object and a text', [{ name: 'E' }, 'Erin earns 61000']],
    ['rows', { columns: ['name', 'salary'], rows: [['Erin', 61_000]] }],
    ['a text that is a list of texts', { w: '["Erin earns 61000"]' }],
    ['a text that is broken JSON', { w: '{"salary":61000' }],
    ['a text that names a field twice', { w: '[1,{"salary":61000,"salary":1}]' }],
  ])('refuses %s', (_name, value) => {
    expect(() => maskAnywhere(value, [mask(['salary'])])).toThrow();
  });

  it('refuses texts within texts past a depth', () => {
    let value: unknown = { name: 'E' };
    for (let i = 0; i < 10; i += 1) value = { w: JSON.stringify(value) };
    expect(() => maskAnywhere(value, [mask(['salary'])])).toThrow(TypeError);
  });

  it.each(['[draft] a text', '{name}', '"so" she said', ' { "a": [1, 2] }', 'see {"a":1}', '"a"', '{}'])(
    'leaves the text of a field that is not hidden as it is: %s',
    (text) => {
      expect(maskAnywhere({ w: text, tags: ['a', 1] }, [mask(['salary'])])).toEqual({ w: text, tags: ['a', 1] });
    },
  );

  it('a list has objects only, where one record is masked too', () => {
    expect(() => applyMask<unknown>([{ salary: 1 }, 'x'], [mask(['salary'])])).toThrow(TypeError);
    expect(() => applyMask<unknown>([{ salary: 1 }, 'x'], [visible(['name'])])).toThrow(TypeError);
    expect(applyMask<unknown>([], [mask(['salary'])])).toEqual([]);
  });
});
