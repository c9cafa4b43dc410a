/** Composable schemas: what is imported stands in the text once, and every line of it is known by its file. */
import { describe, expect, it } from 'vitest';
import { composeSchema, SchemaImportError } from '../../../src/graph/schema/imports.js';

const FILES: Readonly<Record<string, string>> = {
  'user.zed': 'use expiration\ndefinition user {}',
  'a/team.zed': 'use import\nimport "role.zed"\ndefinition team {\n  relation import: role\n}',
  'a/role.zed': 'use self\ndefinition role {}',
  'open.zed': 'definition user {\n',
  'loop.zed': 'use import\nimport "back.zed"',
  'back.zed': 'use import\nimport "./loop.zed"',
};
const read = (path: string): string => {
  const text = FILES[path];
  if (text === undefined) throw new Error(`there is no ${path}`);
  return text;
};
const errorOf = (text: string): unknown => {
  try {
    composeSchema(text, read);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('a schema with imports', () => {
  it('is one text, with every import before what uses it, once, and the features on top', () => {
    const root =
      'use import\nuse partial\n// import "nothing.zed"\nimport "user.zed"\nimport \'a/team.zed\'\nimport "a/role.zed"\ndefinition doc {}';
    const { text, locateLine } = composeSchema(root, read);
    const lines = text.split('\n').map((line) => line.trim());
    expect(lines.filter((line) => line !== '')).toEqual([
      'use partial',
      'use expiration',
      'use self',
      'definition user {}',
      'definition role {}',
      'definition team {',
      'relation import: role',
      '}',
      '// import "nothing.zed"',
      'definition doc {}',
    ]);
    const placeOf = (line: string): object => locateLine(lines.indexOf(line) + 1);
    expect(placeOf('definition user {}')).toEqual({ path: 'user.zed', line: 2 });
    expect(placeOf('relation import: role')).toEqual({ path: 'a/team.zed', line: 4 });
    expect(placeOf('definition doc {}')).toEqual({ path: '', line: 7 });
  });

  it.each([
    'definition user {}\n',
    'import "user.zed"\ndefinition doc {}',
    'caveat use(import string) {\n import == "user.zed"\n}\ndefinition import {\n relation use: import\n}',
  ])('is left as it is where nothing is imported: %j', (text) => expect(composeSchema(text, read).text).toBe(text));

  it.each([
    ['a file that is not there', 'use import\n\nimport "none.zed"', 3, '"none.zed" can\'t be imported: there is no none.zed'],
    ['a file above', 'use import\nimport "../user.zed"', 2, 'is outside of the schema\'s directory'],
    ['a file hidden above', 'use import\nimport "a/../../user.zed"', 2, 'is outside of the schema\'s directory'],
    ['a file of the machine', 'use import\nimport "/etc/passwd"', 2, 'is outside of the schema\'s directory'],
    ['a definition that another file would end', 'use import\nimport "open.zed"\n}', 2, 'the SpiceDB schema could not be read'],
    ['a circle', 'use import\nimport "loop.zed"', 2, '"./loop.zed" imports, over others, itself'],
  ])('is refused with %s', (_, text, line, message) => {
    const error = errorOf(text);
    expect(error).toBeInstanceOf(SchemaImportError);
    expect((error as SchemaImportError).message).toContain(message);
    expect((error as SchemaImportError).at.line).toBe(line);
  }); // prettier-ignore
});
