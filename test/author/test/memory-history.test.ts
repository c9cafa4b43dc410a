/** Tests of policies say what has happened before, by the members of `context.history`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { failureText } from '../../../src/author/test/report.js';
import { TestSession } from '../../../src/author/test/session.js';
import { loadConfig } from '../../../src/config/config.js';
import { FILES, ZED } from '../../govern/history/documents.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-past-'));
const session = new TestSession();
const settings = {
  schema: { relationships: 'schema.zed', actions: 'schema.cedarschema' },
  policies: 'policies',
  world: 'world.yaml',
};
beforeAll(() => {
  for (const [name, text] of Object.entries({ ...FILES, 'remit.yaml': stringify(settings) })) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return async () => {
    await session.close();
    rmSync(directory, { recursive: true });
  };
});

/** The failures of the test, or the error that it could not be run for. */
async function run(action: string, history: string, expected: string): Promise<string> {
  const path = join(directory, 'x_test.yaml');
  writeFileSync(
    path,
    `now: 2030-03-04T10:00:00Z
principals: { bot: { type: user, id: ann, agent: bot } }
tests: [{ name: t, who: bot, actions: ${action}, resources: "paper:1", history: ${history}, expect: ${expected} }]
`,
  );
  try {
    const options = { paths: [path], filter: undefined };
    const { files } = await session.run(loadConfig(join(directory, 'remit.yaml'), {}), options);
    const results = files.flatMap((file) => file.results);
    expect(results).toHaveLength(1);
    return results
      .filter(({ outcome }) => outcome !== 'passed')
      .flatMap(failureText)
      .join('\n');
  } catch (error) {
    return String(error);
  }
}
const FORBIDDEN = (policy: string): string => `{ decision: deny, reasons: [policy_forbid], policies: [${policy}] }`;

describe('history', () => {
  it('says what has happened; what it leaves out has not', async () => {
    expect(await run('export', '{}', 'allow')).toBe('');
    expect(await run('export', '{ exported: 9 }', 'allow')).toBe('');
    expect(await run('export', '{ exported: 10 }', FORBIDDEN('ten-exports'))).toBe('');
    expect(await run('export', '{ exported: 10 }', 'allow')).toMatch(/deny/);
    expect(await run('send', '{ read_secret: false }', 'allow')).toBe('');
    expect(await run('send', '{ read_secret: true }', FORBIDDEN('nothing-after-secrets'))).toBe('');
  });

  it.each([
    ['{ exportde: 1 }', /x_test.yaml:3.*no action has a context.history.exportde.*did you mean "exported"/s],
    ['{ exported: true }', /x_test.yaml:3.*context.history.exported is a number/s],
    ['{ tainted: 1 }', /context.history.tainted is no number/],
    ['{ exported: -1 }', /x_test.yaml:3/],
  ])('%s is refused with its place', async (history, expected) => {
    expect(await run('export', history, 'allow')).toMatch(expected);
  });
});

describe('docs/guide/history.md', () => {
  it('shows a schema, policies and tests that fit', async () => {
    const guide = readFileSync(new URL('../../../docs/guide/history.md', import.meta.url), 'utf8');
    const block = (language: string): string =>
      new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(guide)?.[1] ?? '';
    const company = join(directory, 'guide');
    const files = {
      'schema.zed': ZED.replace('definition paper', 'definition doc').replace('permission read', 'permission view'),
      'schema.cedarschema': block('cedarschema'),
      'world.yaml': `relationships: |
  agent:bot#delegator@user:ann
  doc:1#reader@user:ann
entities:
  - { type: agent, id: bot }
  - { type: doc, id: "1", attributes: { class: plain } }
`,
      'policies/all.cedar': block('cedar'),
      'policies/all_test.yaml': block('yaml'),
      'remit.yaml': stringify(settings),
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(company, name)), { recursive: true });
      writeFileSync(join(company, name), text);
    }
    const options = { paths: [join(company, 'policies/all_test.yaml')], filter: undefined };
    const run = await session.run(loadConfig(join(company, 'remit.yaml'), {}), options);
    expect(run.files.flatMap(({ results }) => results.map(({ outcome }) => outcome))).toEqual(
      Array.from({ length: 3 }, () => 'passed'),
    );
  });
});

describe('the configuration', () => {
  it.each([
    ['PT24H', undefined],
    ['P7D', 7 * 86_400_000],
    ['P32D', 'must be between PT1S and P31D'],
    ['a day', 'must be a duration'],
  ])('says how far policies may look back: %s', (longest, expected) => {
    const file = join(directory, 'longest.yaml');
    writeFileSync(file, stringify({ ...settings, history: { longest } }));
    const load = () => loadConfig(file, {}).sources.longestHistoryMs;
    if (typeof expected === 'string') expect(load).toThrow(expected);
    else expect(load()).toBe(expected ?? 86_400_000);
  });
});
