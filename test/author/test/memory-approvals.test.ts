/** Tests of policies say who answers a denied question, and what users have consented to: both count as in a service. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { failureText } from '../../../src/author/test/report.js';
import { TestSession } from '../../../src/author/test/session.js';
import { loadConfig } from '../../../src/config/config.js';
import { APPROVAL_FILES } from '../../support/approval-world.js';
import { ask, presenting, requestAccess } from '../../support/approve.js';
import { clientNamed, DAYTIME, startFiles } from '../../support/sample.js';
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

describe('people who answer one after another', () => {
  /** A merge takes the yes of an owner and of who is on call: olga is an owner, owen on call, and olaf is both. */
  const files = {
    ...APPROVAL_FILES,
    'policies/called.cedar': `@id("called") @remedy("approval:emergency")
      forbid (principal is Agent, action == Action::"merge", resource) unless { context has approval };`,
    'world.yaml': (APPROVAL_FILES['world.yaml'] ?? '').replace(
      'relationships: |\n',
      'relationships: |\n  repository:api#owner@user:olaf\n  repository:api#oncall@user:olaf\n',
    ),
  };
  const head = `now: 2030-03-04T10:00:00Z
tokens: { coder: { user: ann, agent: coder, scope: code.write } }
actions: { merge: { properties: { branch: main } } }
tests:
`;

  it.each([
    ['{ by: olga }, { by: owen }', 'allow'],
    ['{ by: olga }', 'deny'],
    // A no after the yes of another is the last word, unless it is of a person who has none to say.
    ['{ by: olga }, { by: owen, decision: deny }', 'deny'],
    ['{ by: olga }, { by: max, decision: deny }, { by: owen }', 'allow'],
    ['{ by: ann, decision: deny }, { by: olaf }', 'allow'],
    ['{ by: olaf }, { by: owen, decision: deny }', 'allow'],
    ['{ by: owen, decision: deny }, { by: olaf }', 'deny'],
  ])('%s: %s', async (answers, decision) => {
    const expected = decision === 'allow' ? 'allow' : REQUIRED;
    expect(await run(files, `${head}${merge(answers, expected)}`)).toBe('');
  });

  it.each([
    ['{ by: ann }, { by: pete }', ['user:ann may not answer: nobody approves what is asked for them, or by them', 'user:pete may not answer: the permission is not held']],
    ['{ by: olga }, { by: owen, decision: deny }, { by: olaf }', ['user:olaf may not answer: it is denied already']],
  ])('%s, where an allow is expected: the failure says why it is none', async (answers, problems) => {
    const failure = await run(files, `${head}${merge(answers, 'allow')}`);
    for (const problem of problems) expect(failure).toContain(`  approvals: ${problem}`);
  }); // prettier-ignore

  it('says of an approval that is no longer open to answers, and of a question that asks for none, that it is so', async () => {
    expect(await run(files, `${head}${merge('{ by: olaf }, { by: owen, decision: deny }', 'deny')}`)).toContain('approvals: user:owen may not answer: it is approved already');
    const undelegated = merge('{ by: olaf }', 'allow', ', without: ["agent:coder#delegator@user:ann"]');
    expect(await run(files, `${head}${undelegated}`)).toContain('approvals: nothing is asked of people here');
  }); // prettier-ignore

  it('come to what a service makes of the same answers', async () => {
    const remit = await startFiles(files, { clients: [clientNamed('git', 'git', 'evaluate', 'asserts_subject')] });
    onTestFinished(() => remit.stop());
    remit.at(DAYTIME);
    const token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' });
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'merge', properties: { branch: 'main' } },
      resource: { type: 'repository', id: 'api' },
      context: { token },
    };
    const person = fc.record({
      by: fc.constantFrom('olga', 'owen', 'olaf', 'ann', 'max', 'pete'),
      decision: fc.constantFrom('approve', 'approve', 'deny'),
    });
    const rounds = fc.sample(fc.array(person, { minLength: 1, maxLength: 4 }), 30);
    const decisions: boolean[] = [];
    for (const round of rounds) {
      await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
      const id = await requestAccess(remit, question, await ask(remit, question));
      for (const { by, decision } of round) {
        const response = await remit.request('POST', `/v1/approvals/${id}/decision`, { decision }, await remit.mint({ user: by })); // prettier-ignore
        expect([200, 403, 404, 409], response.body).toContain(response.statusCode);
      }
      const status = await remit.request('GET', `/access/v1/requests/${id}`, undefined, 'git-key');
      const { result } = status.json<{ result?: { approval?: object } }>();
      const again = result?.approval === undefined ? question : presenting(question, result.approval);
      decisions.push((await ask(remit, again)).decision);
    }
    const text = (answers: (typeof rounds)[number], i: number): string => {
      const approvals = answers.map(({ by, decision }) => `{ by: ${by}, decision: ${decision} }`).join(', ');
      return `  - { name: 'round ${i} ${approvals}', who: coder, actions: merge, resources: repository:api, expect: ${decisions[i] === true ? 'allow' : REQUIRED}, approvals: [${approvals}] }\n`;
    };
    expect(await run(files, `${head}${rounds.map(text).join('')}`)).toBe('');
    expect(new Set(decisions)).toEqual(new Set([true, false]));
  }, 120_000);
});

it('knows the consents of users, and their yes to one question', async () => {
  const read = '{ details: [{ type: remit, actions: [read] }]';
  const test = (
    name: string,
    expected: string,
    more: string,
    [action, resource] = ['read', 'calendar:ann'],
    who = 'helper',
  ): string =>
    `  - { name: '${name}', who: ${who}, actions: ${action}, resources: '${resource}', expect: ${expected}${more} }\n`;
  const sign: [string, string] = ['sign', 'mailbox:ann'];
  const deny = (...codes: string[]): string => `{ decision: deny, reasons: [${codes.join(', ')}] }`;
  const tests = [
    test('none', deny('consent_required'), ''),
    test('one', 'allow', `, consents: [${read} }]`),
    test('of another agent', `[{ who: helper, ${deny('consent_required').slice(1)}, { who: second, decision: allow }]`, `, consents: [${read}, agent: second }]`, undefined, '[helper, second]'),
    test('of another user', `[{ who: helper, ${deny('consent_required').slice(1)}, { who: bobs, decision: allow }]`, `, consents: [${read}, user: bob }], with: ["calendar:ann#guest@user:bob"]`, undefined, '[helper, bobs]'),
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
  second: { user: ann, agent: second, scope: calendar.read mail.send }
  bobs: { user: bob, agent: helper, scope: calendar.read mail.send }
tests:
`;
  expect(await run(CONSENT_FILES, head + tests.join(''))).toBe('');
});
