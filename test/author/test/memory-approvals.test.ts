/** Tests of policies say who answers a denied question, and what users have consented to: both count as in a service. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { failureText } from '../../../src/author/test/report.js';
import { TestSession } from '../../../src/author/test/session.js';
import { loadConfig } from '../../../src/config/config.js';
import { APPROVAL_FILES } from '../../support/approval-world.js';
import { CONSENT_FILES } from '../../support/consent-world.js';

/** The failures of the tests, or the error that none could be run for. */
async function run(files: Readonly<Record<string, string>>, tests: string, more: object = {}): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'remit-approvals-'));
  const session = new TestSession();
  const settings = {
    schema: { relationships: 'schema.zed', actions: 'schema.cedarschema' },
    policies: 'policies',
    world: 'world.yaml',
    ...more,
  };
  try {
    for (const [name, text] of Object.entries({ ...files, 'remit.yaml': stringify(settings), 'x_test.yaml': tests })) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    const selection = { paths: [join(directory, 'x_test.yaml')], filter: undefined };
    const result = await session.run(loadConfig(join(directory, 'remit.yaml'), {}), selection);
    const results = result.files.flatMap((file) => file.results);
    expect(results.length).toBeGreaterThan(0);
    const failed = results.filter(({ outcome }) => outcome !== 'passed');
    return failed.flatMap(failureText).join('\n');
  } catch (error) {
    return String(error);
  } finally {
    await session.close();
    rmSync(directory, { recursive: true });
  }
}

const REQUIRED = '{ decision: deny, reasons: [approval_required, policy_forbid] }';
const merge = (approvals: string, expected: string, now = ''): string =>
  `  - { name: 'by ${approvals}${now}', who: coder, actions: merge, resources: repository:api, expect: ${expected}${approvals === '' ? '' : `, approvals: [${approvals}]`}${now} }\n`;

it('answers what a denied question asks for, as those who may', async () => {
  const tests = [
    merge('', REQUIRED),
    merge('{ by: olga }', 'allow'),
    merge('{ by: pete }, { by: olga, scope: until, until: 2030-03-04T11:00:00Z }', 'allow'),
    merge('{ by: olga, decision: deny }', REQUIRED),
    // The user themselves, a maintainer, and a member of the group that the user leads.
    merge('{ by: ann }, { by: max }, { by: pete }', REQUIRED),
    merge(
      '{ by: olga, scope: until, until: 2030-03-04T09:00:00Z }',
      '{ decision: deny, reasons: [approval_required, approval_expired, policy_forbid] }',
    ),
  ];
  const head = `now: 2030-03-04T10:00:00Z
tokens:
  coder: { user: ann, agent: coder, scope: code.write }
actions:
  merge: { properties: { branch: main } }
tests:
`;
  expect(await run(APPROVAL_FILES, head + tests.join(''))).toBe('');
  expect(await run(APPROVAL_FILES, `${head}${merge('{ by: olga, scope: always }', 'allow')}`)).toMatch(
    /approvals\[0\].scope/,
  );
});

it.each([
  ['olgo', 'the world has no user "olgo" (did you mean "olga"?)'],
  ['user:olga', 'the world has no user "user:olga" (did you mean "olga"?)'],
])('refuses the answer of %s, whom the world does not have', async (by, problem) => {
  const text = `now: 2030-03-04T10:00:00Z\ntokens: { coder: { user: ann, agent: coder, scope: code.write } }\ntests:\n${merge(`{ by: "${by}" }`, 'allow')}`;
  expect(await run(APPROVAL_FILES, text)).toContain(problem);
});

it.each(['{ by: olga, scope: until }', '{ by: olga, until: 2030-03-04T11:00:00Z }'])(
  'refuses %s, as the service does',
  async (answer) => {
    const text = `now: 2030-03-04T10:00:00Z\ntokens: { coder: { user: ann, agent: coder, scope: code.write } }\ntests:\n${merge(answer, 'allow')}`;
    expect(await run(APPROVAL_FILES, text)).toMatch(/approvals\[0\]\.until: goes with/);
  },
);

it('refuses a consent to an action that asks for none', async () => {
  const text = `now: 2030-03-04T10:00:00Z\ntokens: { helper: { user: ann, agent: helper, scope: office } }\ntests:\n  - { name: x, who: helper, actions: read, resources: 'calendar:ann', expect: deny, consents: [{ details: [{ type: remit, actions: [raed] }] }] }\n`;
  expect(await run(CONSENT_FILES, text)).toContain(
    'no action "raed" asks for a consent (@consent) (did you mean "read"?)',
  );
});

it('has the approvers that the configuration says', async () => {
  const head = `now: 2030-03-04T10:00:00Z
tokens: { coder: { user: ann, agent: coder, scope: code.write } }
actions: { merge: { properties: { branch: main } } }
tests:
`;
  const deputy = ', with: ["team:core#lead@user:max"]';
  expect(await run(APPROVAL_FILES, head + merge('{ by: max }', REQUIRED, deputy))).toBe('');
  const approvals = { deputies: ['team#lead'] };
  expect(await run(APPROVAL_FILES, head + merge('{ by: max }', 'allow', deputy), { approvals })).toBe('');
  // In an emergency those on call answer, and no owner as such.
  const emergencies = [
    merge('{ by: owen, emergency: true }', 'allow'),
    merge('{ by: olga, emergency: true }', REQUIRED),
  ];
  expect(await run(APPROVAL_FILES, head + emergencies.join(''))).toBe('');
});

it('knows the consents of users, and their yes to one question', async () => {
  const read = '{ details: [{ type: remit, actions: [read] }]';
  const test = (name: string, expected: string, more: string, [action, resource] = ['read', 'calendar:ann']): string =>
    `  - { name: '${name}', who: helper, actions: ${action}, resources: '${resource}', expect: ${expected}${more} }\n`;
  const sign: [string, string] = ['sign', 'mailbox:ann'];
  const deny = (...codes: string[]): string => `{ decision: deny, reasons: [${codes.join(', ')}] }`;
  const tests = [
    test('none', deny('consent_required'), ''),
    test('one', 'allow', `, consents: [${read} }]`),
    test('of another agent', deny('consent_required'), `, consents: [${read}, agent: second }]`),
    test('of another user', deny('consent_required'), `, consents: [${read}, user: bob }]`),
    test('in the background', deny('consent_access_mismatch'), `, consents: [${read}, access: background }]`),
    test('ended', deny('consent_ended'), `, consents: [${read}, starts: 2030-03-01T00:00:00Z, ends: 2030-03-02T00:00:00Z }]`),
    test('withdrawn', deny('consent_ended'), `, consents: [${read}, withdrawn: 2030-03-04T09:00:00Z }]`),
    test('each time', deny('approval_required', 'consent_required'), `, consents: [${read}, confirm: each }]`),
    test('each time, and yes', 'allow', `, consents: [${read}, confirm: each }], approvals: [{ by: ann }]`),
    test('each time, and the yes of another', deny('approval_required', 'consent_required'), `, consents: [${read}, confirm: each }], approvals: [{ by: bob }]`),
    test('sign', deny('approval_required', 'consent_required'), '', sign),
    test('sign, and yes', 'allow', ', approvals: [{ by: ann }]', sign),
  ]; // prettier-ignore
  const head = `now: 2030-03-04T10:00:00Z
tokens:
  helper: { user: ann, agent: helper, scope: calendar.read mail.send }
tests:
`;
  expect(await run(CONSENT_FILES, head + tests.join(''))).toBe('');
});
