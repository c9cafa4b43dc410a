/** The sizes of details: each part has a bound, and what is over it is named. */
import { describe, expect, it } from 'vitest';
import {
  checkDetailSizes,
  MAX_CONSTRAINT_DEPTH,
  MAX_CONSTRAINT_ENTRIES,
  MAX_CONSTRAINTS,
  MAX_DETAIL_BYTES,
} from '../../src/govern/detail-limits.js';
import { BadRequest } from '../../src/model/faults.js';

const withConstraints = (constraints: Record<string, unknown>) => ({ type: 'remit', actions: ['read'], constraints });
const nest = (levels: number): unknown => (levels === 0 ? 1 : [nest(levels - 1)]);

describe('checkDetailSizes', () => {
  it('takes what is as large as it may be', () => {
    const constraints = Object.fromEntries(Array.from({ length: MAX_CONSTRAINTS }, (_, i) => [`c${i}`, i]));
    const oneOf = Array.from({ length: MAX_CONSTRAINT_ENTRIES }, () => 1);
    expect(() => {
      checkDetailSizes(
        [
          withConstraints(constraints),
          withConstraints({ x: { one_of: oneOf, equals: nest(MAX_CONSTRAINT_DEPTH - 1) } }),
        ],
        'details',
      );
    }).not.toThrow();
  });

  it.each([
    ['bytes of one', [withConstraints({ x: 'é'.repeat(MAX_DETAIL_BYTES / 2) })], 'details[0]', 'bytes'],
    [
      'bytes together',
      [0, 1, 2].map(() => withConstraints({ x: 'a'.repeat(MAX_DETAIL_BYTES - 100) })),
      'details',
      'bytes',
    ],
    [
      'constraints',
      [withConstraints(Object.fromEntries(Array.from({ length: MAX_CONSTRAINTS + 1 }, (_, i) => [`c${i}`, i])))],
      'details[0].constraints',
      'members',
    ],
    [
      'entries of a list',
      [withConstraints({ x: { one_of: Array.from({ length: MAX_CONSTRAINT_ENTRIES + 1 }, () => 1) } })],
      'details[0].constraints.x',
      'entries',
    ],
    [
      'members of an object',
      [
        withConstraints({
          x: { equals: Object.fromEntries(Array.from({ length: MAX_CONSTRAINT_ENTRIES + 1 }, (_, i) => [`m${i}`, 1])) },
        }),
      ],
      'details[0].constraints.x',
      'entries',
    ],
    ['levels', [withConstraints({ x: { equals: nest(MAX_CONSTRAINT_DEPTH) } })], 'details[0].constraints.x', 'levels'],
  ])('refuses too many %s', (_, details, place, word) => {
    const attempt = (): void => {
      checkDetailSizes(details, 'details');
    };
    expect(attempt).toThrow(BadRequest);
    expect(attempt).toThrow(word);
    expect(attempt).toThrow(expect.objectContaining({ at: place }) as Error);
  });
});
