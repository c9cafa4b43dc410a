/** What a decision's obligations say to people. */
import { describe, expect, it } from 'vitest';
import { obligationText } from '../../../src/cli/print/decision.js';

describe('an obligation', () => {
  it.each([
    ['mask', { fields: ['hiv', 'salary', 'ssn'], modes: { hiv: 'redact', ssn: 'last4' } }, 'mask hiv (redact), salary, ssn (last4)'],
    ['mask', { fields: ['salary'] }, 'mask salary'],
    ['visible_fields', { fields: ['name', 'status'] }, 'visible_fields name, status'],
  ] as const)('%s %j', (type, properties, text) => {
    expect(obligationText({ id: '1', type, properties })).toBe(text);
  });
}); // prettier-ignore
