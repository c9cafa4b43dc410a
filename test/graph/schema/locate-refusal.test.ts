/** Whatever SpiceDB refuses a schema for is found at its place in the text, by SpiceDB's own words of today. */
import { expect, it } from 'vitest';
import { GraphSandbox } from '../../../src/graph/embedded/sandbox.js';
import { locateRefusal } from '../../../src/graph/schema/locate-refusal.js';
import { ConfigError } from '../../../src/model/faults.js';

/** Stands before the word that is wrong. */
const MARK = '‹';
const USER = 'definition user {}\n\n';
const LIMIT = 'caveat limit(num int) {\n  num < 3\n}\n';
/** It names everything that the schema below it is wrong about, where it is no fault. */
const DECOY = `// usr limit num rel doc nope
definition other {
  relation rel: user
  relation members: user | user:*
  permission perm = rel
}
`;

const SCHEMAS: Readonly<Record<string, string>> = {
  'an unknown type': `definition doc {\n  relation rel: user | ‹usr\n}\n`,
  'an unknown type in a path': `definition acme/doc {\n  relation rel: user | ‹acme/usr\n}\n`,
  'an unknown relation': 'definition doc {\n  relation rel: user\n  permission perm = rel + ‹rll\n}\n',
  'an unknown relation before an arrow': 'definition doc {\n  relation rel: user\n  permission perm = rel + ‹ccc->ddd\n}\n',
  'an unknown relation of a userset': 'definition doc {\n  relation members: user\n  relation rel: ‹user#members\n}\n',
  'an unknown caveat': 'definition doc {\n  relation rel: user with ‹nope\n}\n',
  'a relation twice': 'definition doc {\n  relation rel: user\n  relation ‹rel: user\n}\n',
  'a relation that is a permission, too': 'definition doc {\n  relation rel: user\n  permission ‹rel = nil\n}\n',
  'a subject type twice': 'definition doc {\n  relation rel: user | other#rel | ‹user\n}\n',
  'a subject type with a caveat twice': `${LIMIT}definition doc {\n  relation rel: user with limit | ‹user with limit\n}\n`,
  'a cycle of permissions': 'definition doc {\n  permission ‹aaa = bbb\n  permission bbb = aaa\n}\n',
  'a wildcard within': 'definition doc {\n  relation rel: user | ‹other#members\n}\n',
  'an arrow over a wildcard': 'definition doc {\n  relation rel: other | user:*\n  permission perm = ‹rel->rel\n}\n',
  'an arrow over a permission': 'definition doc {\n  permission aaa = nil\n  permission bbb = ‹aaa->rel\n}\n',
  'an unused parameter': 'caveat limit(num int,\n  ‹unused int) {\n  num < 3\n}\n',
  'a caveat that compares what differs': 'caveat limit(num int) {\n  num ‹== "x"\n}\n',
  'a caveat that names what is not there': 'caveat limit(num int) {\n  num == 3 ||\n  ‹nmu == 4\n}\n',
  'a definition twice': `definition doc {}\n‹definition doc {}\n`,
  'what can not be parsed': 'definition doc {\n  relation rel: user\n  permission perm = ‹= rel\n}\n',
}; // prettier-ignore

it.each(Object.entries(SCHEMAS))('%s', async (_name, marked) => {
  const text = `${USER}${DECOY}${marked}`;
  const offset = text.indexOf(MARK);
  const before = text.slice(0, offset).split('\n');
  const refused = GraphSandbox.start(text.replace(MARK, ''), [], 'schema.zed');
  const error = await refused.then(
    (sandbox) => {
      sandbox.close();
      throw new Error('SpiceDB takes it');
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  const { place, problem } = error as ConfigError;
  expect([place, problem]).toEqual([
    { file: 'schema.zed', line: before.length, column: (before.at(-1) ?? '').length + 1 },
    problem,
  ]);
  expect(problem).not.toContain('\n');
});

it('knows nothing of a sentence that it has not met', () => {
  expect(locateRefusal('the moon is in the way of relation `rel`', 'definition user {}')).toBeUndefined();
  expect(locateRefusal('', '')).toBeUndefined();
  expect(
    locateRefusal('found duplicate relation/permission name `rel` under definition `doc`', 'definition user {}'),
  ).toBeUndefined();
});
