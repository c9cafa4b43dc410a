/** What obligations hide of a record by word is what masking hides of it in fact. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMask } from '../../src/lists/mask.js';
import type { Obligation } from '../../src/model/obligations.js';
import { uniteDuties, type Duty } from '../../src/policy/duties.js';
import { findMaskMode, formatMask, formatVisibleFields, MASK_MODES } from '../../src/policy/duty-fields.js';
import type { EntityType } from '../../src/policy/schema/action.js';
import { vocabularyOf } from './sources.js';

const { entityTypes } = vocabularyOf(`
  entity User;
  entity Doc {
    @class("pii") contact: { phone: String, at: { street: String, city: String } }, @class("pay") salary: String, status: String,
  };
  action "view" appliesTo { principal: [User], resource: [Doc] };
`);
const DOC = entityTypes.get('Doc') as EntityType;
const RECORD = {
  contact: { phone: 'p-0123456789', at: { street: 's-0123456789', city: 'c-0123456789' } },
  salary: 'l-0123456789',
  status: 't-0123456789',
};
const LEAVES = ['contact.phone', 'contact.at.street', 'contact.at.city', 'salary', 'status'];
const TARGETS = ['pii', 'pay', 'contact', 'contact.at', ...LEAVES];
const mask = createMask('a key');
const unite = (duties: readonly Duty[]): readonly Obligation[] => uniteDuties([duties], DOC);

function readLeaf(record: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], record);
}

describe('findMaskMode', () => {
  const duty = fc.oneof(
    fc.record({ kind: fc.constant('mask' as const), argument: fc.tuple(fc.constantFrom(...TARGETS), fc.constantFrom(...MASK_MODES)).map(([target, mode]) => `${target}=${mode}`) }),
    fc.record({ kind: fc.constant('visible_fields' as const), argument: fc.constantFrom(...TARGETS) }),
  ); // prettier-ignore

  it('says how each part of a record is hidden, as masking it does', () => {
    fc.assert(
      fc.property(fc.array(duty, { maxLength: 4 }), (duties) => {
        const obligations = unite(duties);
        const shown = mask(RECORD, obligations);
        for (const leaf of LEAVES) {
          const mode = findMaskMode(obligations, leaf);
          const value = readLeaf(shown, leaf);
          const original = readLeaf(RECORD, leaf);
          expect(value === original, `${leaf} ${JSON.stringify(obligations)}`).toBe(mode === undefined);
          if (mode === 'remove') expect(value).toBeUndefined();
        }
      }),
    );
  });

  it('says nothing of what is hidden in part', () => {
    expect(findMaskMode(unite([{ kind: 'mask', argument: 'contact.phone' }]), 'contact')).toBeUndefined();
    expect(findMaskMode(unite([{ kind: 'visible_fields', argument: 'contact.phone' }]), 'contact')).toBeUndefined();
  });
});

it('obligations about fields are written as duties', () => {
  expect([formatMask('ssn', 'remove'), formatMask('ssn', 'last4')]).toEqual(['mask:ssn', 'mask:ssn=last4']);
  expect(formatVisibleFields({ fields: ['a', 'b'] })).toBe('visible_fields:a, visible_fields:b');
  expect(formatVisibleFields({ fields: [] })).toBe('visible_fields of nothing');
});
