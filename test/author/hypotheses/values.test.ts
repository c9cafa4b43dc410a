/** Values are made around the literals that policies compare with, at which and beside which decisions change. */
import { describe, expect, it } from 'vitest';
import type { Literal } from '../../../src/author/hypotheses/literals.js';
import { findMoments, listValues, makeValues, type UsualValues } from '../../../src/author/hypotheses/values.js';
import type { CedarType } from '../../../src/policy/schema/types.js';

const DAY = new Date('2030-03-04T12:00:00Z');
const USUAL: UsualValues = { text: 'other', datetime: [], duration: ['0s'], decimal: ['0.0'], ipaddr: ['192.0.2.1'] };

function makeFor(type: CedarType, ...literals: readonly Literal[]): ReturnType<typeof makeValues> {
  return makeValues(type, { literals, ids: (entityType) => [`a-${entityType}`], usual: USUAL, day: DAY });
}
const plain = (value: Literal['value']): Literal => ({ as: 'plain', value });

describe('values of', () => {
  it.each<[string, CedarType, readonly Literal[], object]>([
    ['a text', { kind: 'String' }, [plain('a'), plain(1)], { usual: ['other'], compared: ['a'] }],
    ['a Bool', { kind: 'Bool' }, [], { usual: [false], compared: [true] }],
    ['a number', { kind: 'Long' }, [plain(10), plain('a')], { usual: [], compared: [10, 9, 11] }],
    ['a number that is compared with none', { kind: 'Long' }, [], { usual: [0], compared: [1] }],
    ['a set', { kind: 'Set', element: { kind: 'String' } }, [plain('a')], { usual: [[]], compared: [['other'], ['a'], ['other', 'a']] }],
    ['an entity', { kind: 'Entity', name: 'User' }, [], { usual: [], compared: ['a-User'] }],
    ['an entity of those that there are', { kind: 'Entity', name: 'User', ids: ['b', 'a-User'] }, [], { usual: [], compared: ['a-User', 'b', 'a-User'] }],
    ['a duration', { kind: 'Extension', name: 'duration' }, [{ as: 'duration', value: '1m' }], { usual: ['0s'], compared: ['1m', '59999ms', '60001ms'] }],
    ['a decimal', { kind: 'Extension', name: 'decimal' }, [{ as: 'decimal', value: '9.5' }], { usual: ['0.0'], compared: ['9.5', '9.4999', '9.5001'] }],
    ['an address', { kind: 'Extension', name: 'ipaddr' }, [{ as: 'ip', value: '10.0.0.0/8' }], { usual: ['192.0.2.1'], compared: ['10.0.0.0'] }],
  ])('%s', (_, type, literals, values) => {
    expect(makeFor(type, ...literals)).toEqual(values);
  }); // prettier-ignore

  it('a record, with its required members alone', () => {
    const member = (required: boolean) => ({ type: { kind: 'Long' } as const, required, annotations: {} });
    expect(makeFor({ kind: 'Record', members: { a: member(true), b: member(false) } })).toEqual({
      usual: [{ a: 0 }],
      compared: [],
    });
  });

  it('a record that has a member of which there is no value are none', () => {
    const members = { since: { type: { kind: 'Extension', name: 'datetime' }, required: true, annotations: {} } } as const;
    expect(makeFor({ kind: 'Record', members })).toEqual({ usual: [], compared: [] });
  }); // prettier-ignore
});

it('are listed once each, the usual ones first', () => {
  expect(listValues({ usual: [0], compared: [1, 0, 2] })).toEqual([0, 1, 2]);
});

describe('moments', () => {
  it('are instants, and times of the day that durations are taken for', () => {
    const literals = [{ as: 'datetime', value: '2029-01-01' }, { as: 'duration', value: '5h' }] as const;
    expect(findMoments(literals, DAY).map((moment) => moment.toISOString())).toEqual([
      '2029-01-01T00:00:00.000Z',
      '2028-12-31T23:59:59.999Z',
      '2029-01-01T00:00:00.001Z',
      '2030-03-04T05:00:00.000Z',
      '2030-03-04T04:59:59.999Z',
      '2030-03-04T05:00:00.001Z',
    ]);
  }); // prettier-ignore

  it('that no clock reaches are left out', () => {
    const literals = [{ as: 'datetime', value: '0001-01-01' }, { as: 'duration', value: '106751991167d' }] as const;
    expect(findMoments(literals, DAY)).toEqual([]);
  }); // prettier-ignore
});
