/** What no declaration has is found at any depth, and nothing that one of several declarations has. */
import { describe, expect, it } from 'vitest';
import type { CedarType, RecordMembers } from '../../src/policy/schema/types.js';
import { collectUndeclaredMembers, findUndeclaredMember } from '../../src/policy/undeclared-members.js';

const record = (members: Readonly<Record<string, CedarType>>): Extract<CedarType, { kind: 'Record' }> => ({
  kind: 'Record',
  members: Object.fromEntries(
    Object.entries(members).map(([name, type]) => [name, { type, required: false, annotations: {} }]),
  ) satisfies RecordMembers,
});
const TEXT: CedarType = { kind: 'String' };
const DOC = record({ status: TEXT, at: record({ city: TEXT }), marks: { kind: 'Set', element: record({ by: TEXT }) } });
const OWNED = record({ owner: { kind: 'Entity', name: 'User' } });

const pathsOf = (types: readonly CedarType[], value: unknown): string[] => {
  const { count, first } = collectUndeclaredMembers(types, value, 'attributes', { limit: 100 });
  expect(count).toBe(first.length);
  return first.map(({ path }) => path);
};

describe('collectUndeclaredMembers', () => {
  it('lists all of them, at any depth', () => {
    const value = { status: 'x', colour: 1, at: { citty: 1, city: 'x' }, marks: [{ by: 'x' }, { bye: 1 }] };
    expect(pathsOf([DOC], value)).toEqual(['attributes.colour', 'attributes.at.citty', 'attributes.marks[1].bye']);
  });

  it('takes a member that one of several declarations has for declared', () => {
    const value = { status: 'x', owner: { type: 'user', id: 'ann', colour: 1 } };
    expect(pathsOf([DOC, OWNED], value)).toEqual([]);
    expect(pathsOf([OWNED], value)).toEqual(['attributes.status']);
  });

  it('leaves a value of another type to what checks types', () => {
    expect(pathsOf([DOC], { status: { colour: 1 }, at: 'x', marks: { by: 1 } })).toEqual([]);
  });

  it('names as many as it is asked for, and counts the others', () => {
    const value = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, i]));
    const { count, first } = collectUndeclaredMembers([DOC], { ...value, status: 'x' }, 'attributes', { limit: 2 });
    expect(count).toBe(2_500);
    expect(first.map(({ name }) => name)).toEqual(['k0', 'k1']);
  });

  it('passes over names of the value itself, and not of what is in it', () => {
    const { count, first } = collectUndeclaredMembers([DOC], { hour: 1, at: { hour: 1 } }, 'attributes', {
      limit: 8,
      except: new Set(['hour']),
    });
    expect(count).toBe(1);
    expect(first.map(({ path }) => path)).toEqual(['attributes.at.hour']);
  });

  it('takes no name of JavaScript for declared', () => {
    expect(pathsOf([DOC], { constructor: 1, toString: 1 })).toEqual(['attributes.constructor', 'attributes.toString']);
  });
});

it('findUndeclaredMember finds the first', () => {
  expect(findUndeclaredMember([DOC], { status: 'x', colour: 1, tone: 1 }, 'attributes')).toEqual({
    path: 'attributes.colour',
    name: 'colour',
    names: ['status', 'at', 'marks'],
  });
  expect(findUndeclaredMember([DOC], { status: 'x' }, 'attributes')).toBeUndefined();
});
