/** Only what is blank to everyone is trimmed. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { trimBlanks } from '../../src/runtime/trim-blanks.js';

it('takes spaces, tabs and ends of line from both ends, and nothing else', () => {
  const part = fc.constantFrom(
    ' ',
    '\t',
    '\r',
    '\n',
    '\v',
    '\f',
    '\u0085',
    '\u00a0',
    '\u2003',
    '\u2028',
    '\ufeff',
    'a',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const trimmed = trimBlanks(parts.join(''));
      const isBlank = (text: string): boolean => /^[ \t\r\n]*$/.test(text);
      expect(trimmed).not.toMatch(/^[ \t\r\n]|[ \t\r\n]$/);
      const [before = '', ...others] = trimmed === '' ? [parts.join('')] : parts.join('').split(trimmed);
      expect(isBlank(before) && isBlank(others.join(trimmed))).toBe(true);
    }),
  );
});
