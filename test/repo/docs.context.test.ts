/** docs/reference/configuration.md has each member of the context that there is, and no other. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { contextFormat } from '../../src/http/authzen-formats.js';
import { CONTEXT_MEMBERS } from '../../src/policy/schema/check-action.js';
import { PRELUDE } from '../../src/policy/schema/prelude.js';

const text = readFileSync(fileURLToPath(new URL('../../docs/reference/configuration.md', import.meta.url)), 'utf8');
/** The rows of the first table behind a text, as cells. */
function rows(behind: string): string[][] {
  const [table = ''] = /^\|[\s\S]*?\n\n/m.exec(text.slice(text.indexOf(behind))) ?? [];
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())); // prettier-ignore
}
const names = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

it('The members of a policy’s context', () => {
  expect(rows('**Context.**').flatMap(([cell]) => names(cell)).sort()).toEqual([...CONTEXT_MEMBERS].sort());
}); // prettier-ignore

it('The members of Remit’s types, with their types', () => {
  const declared = [...PRELUDE.replace(/\/\/.*/g, '').matchAll(/type (\w+) = \{([^}]*)\}/g)].flatMap(
    ([, type = '', members = '']) =>
      [...members.matchAll(/(\w+\??: [\w<>]+)/g)].map(([, member = '']) => `Remit::${type} ${member}`),
  );
  let type = '';
  const documented = rows("### Remit's types").flatMap(([typeCell, memberCell]) => {
    type = names(typeCell)[0] ?? type;
    return names(memberCell).map((member) => `${type} ${member}`);
  });
  expect(documented).toEqual(declared);
});

it('Remit’s own members of a request’s context', () => {
  expect(rows('### The context of a request').flatMap(([cell]) => names(cell))).toEqual(Object.keys(contextFormat.shape));
}); // prettier-ignore
