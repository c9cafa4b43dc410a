import { expect, it } from 'vitest';
import {
  describeMissingValues,
  formatMissingValue,
  formatTypedPath,
  sortMissingValues,
} from '../../src/policy/missing-values.js';
import type { MissingValue } from '../../src/model/reasons.js';

const erin = { type: 'employee', id: 'erin' };
const street: MissingValue = { entity: erin, path: 'address.street' };
const level: MissingValue = { entity: { type: 'vault', id: 'v' }, path: 'level', unfit: true };
const branch: MissingValue = { path: 'context.action.branch' };

it('A missing value is called by the entity that lacks it, and by its type for policies', () => {
  expect([street, level, branch].map(formatMissingValue)).toEqual([
    'address.street of employee:erin',
    'level of vault:v',
    'context.action.branch',
  ]);
  expect([street, branch].map(formatTypedPath)).toEqual(['employee.address.street', 'context.action.branch']);
});

it('Missing values stand once each, in order, and say whether there is a value at all', () => {
  const values = sortMissingValues([level, branch, street, { ...street }]);
  expect(values).toEqual([street, branch, level]);
  expect(describeMissingValues(values, ' for agent:old')).toBe(
    'Neither stored nor in the request for agent:old: address.street of employee:erin, context.action.branch. ' +
      'Stored with another type than the schema declares for agent:old: level of vault:v.',
  );
  expect(describeMissingValues([branch])).toBe('Neither stored nor in the request: context.action.branch.');
});

it('What a request can not state is told apart, and who can bring it', () => {
  expect(
    describeMissingValues([
      { ...street, source: 'request' },
      { entity: { type: 'user', id: 'ann' }, path: 'grade', source: 'asserting_client' },
      { entity: { type: 'vault', id: 'v' }, path: 'level', source: 'store' },
    ]),
  ).toBe(
    'Neither stored nor in the request: address.street of employee:erin. ' +
      'Not stored, and only a client with asserts_attributes can state it: grade of user:ann. ' +
      'Not stored, and this request can not state it: level of vault:v.',
  );
});
