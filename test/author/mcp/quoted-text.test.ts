/** Quoted texts: each reads back as it was, and nothing in it ends the string or stands in the file unseen. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  flattenText,
  formatCedarMember,
  formatYamlValue,
  quoteCedarText,
} from '../../../src/author/mcp/quoted-text.js';
import { CedarEngine } from '../../../src/policy/cedar.js';
import { tokenizeCedar } from '../../../src/policy/lexer.js';
import { hostileName } from '../../mcp/hostile-tools.js';

const text = fc.oneof(hostileName, fc.string({ unit: 'binary' })).map((name) => name.toWellFormed());
const UNSEEN = /(?! )[\p{C}\p{Z}]/u;

it('a Cedar string is one token, and the action that it names', () => {
  const cedar = new CedarEngine();
  fc.assert(
    fc.property(text, (name) => {
      const quoted = quoteCedarText(name);
      expect(quoted).not.toMatch(UNSEEN);
      expect(tokenizeCedar(quoted).map(({ kind }) => kind)).toEqual(['string']);
      if (name === '__proto__') return;
      const { value, diagnostics } = cedar.parseSchema(`entity E; action ${quoted} appliesTo { principal: [E], resource: [E] };`); // prettier-ignore
      expect(diagnostics).toEqual([]);
      expect(Object.keys(value?.['']?.actions ?? {})).toEqual([name]);
    }),
  );
});

it('a member of a Cedar record is the one that it names', () => {
  const cedar = new CedarEngine();
  fc.assert(
    fc.property(
      fc.oneof(text, fc.constantFrom('if', 'has', 'like', 'true', 'in', 'is', 'principal', 'Set')),
      (name) => {
        if (name.startsWith('__')) return;
        const { value } = cedar.parseSchema(`entity E { ${formatCedarMember(name)}: String };`);
        const type = value?.['']?.entityTypes['E'] as { shape: { attributes: object } } | undefined;
        expect(Object.keys(type?.shape.attributes ?? {})).toEqual([name]);
      },
    ),
  );
});

it('a value of YAML reads back as it was', () => {
  const value = fc.oneof(text, fc.array(text), fc.dictionary(text.filter((name) => name !== '__proto__'), fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)), { noNullPrototype: true })); // prettier-ignore
  fc.assert(
    fc.property(value, (original) => {
      const formatted = formatYamlValue(original);
      expect(formatted).not.toMatch(UNSEEN);
      expect(parse(formatted)).toEqual(original);
    }),
  );
});

it('a flattened text is one line of what is seen', () => {
  expect(flattenText(' a\n\tb\u202E  c ', 80)).toBe('a b c');
  expect(flattenText('😀'.repeat(5), 3)).toBe('😀😀😀');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (original) => {
      expect(flattenText(original, 10)).not.toMatch(UNSEEN);
    }),
  );
});
