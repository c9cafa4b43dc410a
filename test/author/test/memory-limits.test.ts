/** Tests of policies say what has been used of limits, and every window and party counts as in a service. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { failureText } from '../../../src/author/test/report.js';
import { TestSession } from '../../../src/author/test/session.js';
import { loadConfig } from '../../../src/config/config.js';
import { FILES, SCHEMA } from '../../govern/limits/company.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-used-'));
const session = new TestSession();
const SEND = `@permission("pay") @consent("standing") @amount("context.action.amount")
action "send" appliesTo { principal: [Agent, User], resource: [Account], context: { action: { amount?: Remit::Amount } } };`;
beforeAll(() => {
  const settings = {
    schema: { relationships: 'schema.zed', actions: 'schema.cedarschema' },
    policies: 'policies',
    world: 'world.yaml',
  };
  const files = { ...FILES, 'schema.cedarschema': `${SCHEMA}${SEND}`, 'remit.yaml': stringify(settings) };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return async () => {
    await session.close();
    rmSync(directory, { recursive: true });
  };
});

const HEAD = `now: 2030-03-04T10:00:00Z
principals:
  bot: { type: user, id: ann, agent: bot }
  helper: { type: user, id: ann, agent: helper }
  carls: { type: user, id: carl, agent: helper }
  bens: { type: user, id: ben, agent: bot }
actions:
  cheap: { name: pay, properties: { amount: { value: 1, unit: EUR, decimals: 2 } } }
  free: { name: pay, properties: { amount: { value: 0, unit: EUR, decimals: 2 } } }
tests:
`;

/** The failures of the tests, or the error that none could be run for. */
async function run(tests: string): Promise<string> {
  const path = join(directory, 'x_test.yaml');
  writeFileSync(path, HEAD + tests);
  try {
    const { files } = await session.run(loadConfig(join(directory, 'remit.yaml'), {}), {
      paths: [path],
      filter: undefined,
    });
    const results = files.flatMap((file) => file.results);
    expect(results.length).toBeGreaterThan(0);
    return results
      .filter(({ outcome }) => outcome !== 'passed')
      .flatMap(failureText)
      .join('\n');
  } catch (error) {
    return String(error);
  }
}
const test = (used: string, expected: string, action = 'cheap', who = 'bot'): string =>
  `  - { name: "${used} ${action} ${who}", who: ${who}, actions: ${action}, resources: account:1, expect: ${expected}${used === '' ? '' : `, used: [${used}]`} }\n`;
const EXCEEDED = '{ decision: deny, reasons: [limit_exceeded] }';
const BOT_MAY = '{ who: bot, decision: allow }';
const HELPER_MAY_NOT = '{ who: helper, decision: deny, reasons: [limit_exceeded] }';
const BENS_MAY_NOT = '{ who: bens, decision: deny, reasons: [limit_exceeded] }';

describe('used', () => {
  it('counts within its window, for its parties, exactly', async () => {
    const tests = [
      test('', 'allow'),
      test('{ action: pay, count: 2 }', 'allow'),
      test('{ action: pay, count: 3 }', EXCEEDED),
      test('{ action: pay }, { action: pay }, { action: pay }', EXCEEDED),
      test('{ action: pay, count: 3, agent: helper }', `[${BOT_MAY}, ${HELPER_MAY_NOT}]`, 'cheap', '[bot, helper]'),
      test('{ action: pay, count: 3, user: ben }', `[${BOT_MAY}, ${BENS_MAY_NOT}]`, 'cheap', '[bot, bens]'),
      test('{ action: export, count: 100 }', 'allow'),
      test('{ action: export, count: 100 }', EXCEEDED, 'export'),
      // A sliding day ends after its 24 hours, the month at midnight of Berlin.
      test('{ action: pay, count: 3, at: 2030-03-03T10:00:00.001Z }', EXCEEDED),
      test('{ action: pay, count: 3, at: 2030-03-03T10:00:00Z }', 'allow'),
      test(
        '{ action: pay, count: 0, amount: { value: 50000, unit: EUR, decimals: 2 }, at: 2030-02-28T23:00:00Z }',
        EXCEEDED,
      ),
      test(
        '{ action: pay, count: 0, amount: { value: 50000, unit: EUR, decimals: 2 }, at: 2030-02-28T22:59:59Z }',
        'allow',
      ),
      test('{ action: pay, count: 0, amount: { value: 499999, unit: EUR, decimals: 3 } }', EXCEEDED),
      test('{ action: pay, count: 0, amount: { value: 499990, unit: EUR, decimals: 3 } }', 'allow'),
      test('{ action: pay, count: 0, amount: { value: 500, unit: EUR } }', 'allow', 'free'),
      // Policies read what is left.
      test('{ action: copy, count: 2 }', 'allow', 'copy'),
      test('{ action: copy, count: 3 }', '{ decision: deny, reasons: [policy_forbid] }', 'copy'),
    ];
    expect(await run(tests.join(''))).toBe('');
  });

  it.each([
    ['{ action: pya }', /no action "pya" has a limit.*did you mean "pay"/s],
    ['{ action: look }', /no action "look" has a limit/],
    ['{ action: pay, amount: { value: 1, unit: USD } }', /no limit of "pay" is in USD/],
    ['{ action: pay, count: -1 }', /used\[0\].count/],
    ['{ action: pay, uses: 1 }', /used\[0\].uses: unknown key/],
    [
      '{ action: pay, agent: helpr }',
      /no limit counts what the agent "helpr" used for what is asked here, so nothing reads this/,
    ],
    ['{ action: pay, user: ben, agent: bot }', /no limit counts what the user "ben" and the agent "bot" used for what/],
  ])('refuses %s', async (used, problem) => {
    expect(await run(test(used, 'allow'))).toMatch(problem);
  });
});

describe('limits of what users have granted', () => {
  const granted = (grants: string, used: string, expected: string, action = 'send', who = 'bot'): string =>
    `  - { name: "${`${action} ${grants} ${used} ${expected}`.slice(0, 200)}", who: ${who}, actions: ${action}, resources: account:1, expect: ${expected}, ${grants}${used === '' ? '' : `, used: [${used}]`} }\n`;
  const details = 'details: [{ type: remit, actions: [send] }]';
  const consent = (limits: string, more = '') => `consents: [{ ${details}, limits: [${limits}]${more} }]`;

  it('count the uses that rest on them', async () => {
    const two = consent('{ count: 2, per: P1D }');
    const tests = [
      granted(two, '', 'allow'),
      granted(two, '{ action: send }', 'allow'),
      granted(two, '{ action: send, count: 2 }', EXCEEDED),
      granted(two, '{ action: send, count: 2, agent: helper }', `[${BOT_MAY}, ${HELPER_MAY_NOT}]`, 'send', '[bot, helper]'),
      granted(two, '{ action: send, count: 2, at: 2030-03-03T10:00:00Z }', 'allow'),
      // The consent names no other action, and the delegation counts all of them.
      granted(two, '{ action: export, count: 2 }', 'allow'),
      granted(consent('{ count: 1, per: total }', ', user: ben'), '', '[{ who: bot, decision: deny, reasons: [consent_required] }, { who: bens, decision: allow }]', 'send', '[bot, bens]'),
      granted('delegations: [{ limits: [{ count: 3, per: P1D }] }]', '{ action: export, count: 2 }', 'allow', 'look'),
      granted('delegations: [{ limits: [{ count: 3, per: P1D }] }]', '{ action: export, count: 3 }', EXCEEDED, 'look'),
      granted('delegations: [{ agent: helper, limits: [{ count: 3, per: P1D }] }]', '{ action: export, count: 3 }', `[${BOT_MAY}, ${HELPER_MAY_NOT}]`, 'look', '[bot, helper]'),
      granted('delegations: [{ details: [{ type: remit, actions: [export] }] }]', '', '{ decision: deny, reasons: [authorization_details_mismatch] }', 'look'),
      granted('delegations: [{ ends: 2030-03-04T10:00:00Z }]', '', '{ decision: deny, reasons: [delegation_missing] }', 'look'),
    ]; // prettier-ignore
    expect(await run(tests.join(''))).toBe('');
  });

  it.each([
    [granted(consent('{ count: 1 }'), '', 'allow'), /limits\[0\].per/],
    [granted(consent('{ count: 1, per: P1M, window: sliding }'), '', 'allow'), /months differ in length/],
    [granted('delegations: [{ limit: 1 }]', '', 'allow'), /delegations\[0\].limit: unknown key/],
    [granted('delegations: [{ agent: bot }, { user: ann, online: false }]', '', 'allow'), /x_test\.yaml:\d+:\d{3}: delegations\[0\] is of "ann" to "bot" as well, and a user has one for an agent \(name the user and the agent of each\)/],
    [granted('delegations: [{ agent: bt }]', '', 'allow'), /"bt" does not act here, so nothing reads this \(did you mean "bot"\?\)/],
    [granted('delegations: [{ user: bn }]', '', 'allow', 'send', '[bot, bens]'), /nothing is asked for "bn" here, so nothing reads this \(did you mean "ben"\?\)/],
    [granted('delegations: [{ user: ben, agent: helper }]', '', 'allow', 'send', '[bens, helper]'), /"helper" does not act for "ben" here, so nothing reads this/],
    [granted(consent('', ', agent: coder'), '', 'allow'), /"coder" does not act here, so nothing reads this/],
    [granted('delegations: [{}]', '', 'allow', 'look', 'user:ann'), /no agent asks for a user here, so nothing reads this/],
  ])('refuse %s', async (text, problem) => {
    expect(await run(text)).toMatch(problem);
  }); // prettier-ignore

  it('are those of agents that a delegation is passed on by, and of one pair each', async () => {
    const tests = [
      // The planner has passed on what carl delegated to it; of the two pairs each has a delegation of its own.
      granted('delegations: [{ user: carl, agent: planner, details: [{ type: remit, actions: [export] }] }]', '', '{ decision: deny, reasons: [authorization_details_mismatch] }', 'look', 'carls'),
      granted('delegations: [{ agent: bot, limits: [{ count: 3, per: P1D }] }, { agent: helper, limits: [{ count: 9, per: P1D }] }]', '{ action: export, count: 3 }', '[{ who: helper, decision: allow }, { who: bot, decision: deny, reasons: [limit_exceeded] }]', 'look', '[bot, helper]'),
    ]; // prettier-ignore
    expect(await run(tests.join(''))).toBe('');
  });
});
