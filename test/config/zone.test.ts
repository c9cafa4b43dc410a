/** The time zone of a configuration: what policies read of it, in a service, in its records and in tests of policies. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { TestSession } from '../../src/author/test/session.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { ConfigError } from '../../src/model/faults.js';
import type { ReplayableRecord } from '../../src/model/decision.js';
import { loadRules } from '../../src/policy/load.js';
import { redecide } from '../../src/records/redecide.js';
import { codes, start, type Answer, type Running } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const FILES = {
  'schema.zed':
    'definition user {}\ndefinition agent {\n  relation delegator: user\n}\ndefinition doc {\n  relation read: user\n}\n',
  'actions.cedarschema': `entity User; entity Agent; entity Doc;
@scope("docs") action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: { local: Remit::Local } };
`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);
@id("sundays") forbid (principal, action, resource) when { context.local.weekday == 7 };
@id("nights") forbid (principal, action, resource) when { context.local.hour < 6 };
@id("firsts") forbid (principal, action, resource) when { context.local.day == 1 };
@id("half-past-two") forbid (principal, action, resource) when { context.local.hour == 14 && context.local.minute == 30 };
`,
  'policies/all_test.yaml': `now: 2030-03-31T22:30:00Z
tokens: { a: { user: ann, agent: a, scope: docs } }
tests:
  - { name: Monday has begun in Berlin, who: a, actions: read, resources: "doc:plan", expect: { decision: deny, policies: [firsts, nights] } }
`,
  'world.yaml': `relationships: |
  agent:a#delegator@user:ann
  doc:plan#read@user:ann
entities: [{ type: agent, id: a }]
`,
};
const CONFIG =
  'schema: { relationships: schema.zed, actions: actions.cedarschema }\npolicies: policies\nworld: world.yaml\n';

let directory: string;
let remit: Running;
const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'remit-zone-'));
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'policies'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
  remit = await start(configured('Europe/Berlin'));
  onSuiteFinished(() => remit.stop());
});

function configured(zone: string | undefined): string {
  const file = join(directory, `${(zone ?? 'none').replaceAll('/', '-')}.remit.yaml`);
  writeFileSync(file, zone === undefined ? CONFIG : `${CONFIG}zone: ${JSON.stringify(zone)}\n`);
  return file;
}

async function askAt(instant: string): Promise<Answer> {
  remit.at(new Date(instant));
  const token = await remit.mint({ user: 'ann', agent: 'a', scope: 'docs' });
  return remit.evaluate({
    subject: { type: 'user', id: 'ann' },
    action: { name: 'read' },
    resource: { type: 'doc', id: 'plan' },
    context: { token },
  });
}

describe('the zone', () => {
  it.each([
    ['2030-03-04T10:00:00Z', []],
    ['2030-03-04T22:59:00Z', []],
    ['2030-03-04T23:00:00Z', ['nights']],
    ['2030-03-04T05:00:00Z', []],
    // Summer time begins at one: an hour earlier by the instant, the night is over.
    ['2030-04-02T03:59:59Z', ['nights']],
    ['2030-04-02T04:00:00Z', []],
    ['2030-03-30T22:59:59Z', []],
    ['2030-03-30T23:00:00Z', ['nights', 'sundays']],
    ['2030-03-31T21:59:00Z', ['sundays']],
    ['2030-03-31T22:00:00Z', ['firsts', 'nights']],
    ['2030-03-04T13:30:00Z', ['half-past-two']],
    ['2030-03-04T13:31:00Z', []],
    // The hour that comes twice.
    ['2030-10-27T00:30:00Z', ['nights', 'sundays']],
    ['2030-10-27T01:30:00Z', ['nights', 'sundays']],
  ])('is read by policies at %s: %j forbid', async (instant, forbidding) => {
    const answer = await askAt(instant);
    expect(answer.context?.reasons.flatMap(({ policies }) => policies ?? [])).toEqual(forbidding);
    expect(answer.decision).toBe(forbidding.length === 0);
    // An answer that read the time is valid until it is asked.
    expect(answer.context?.valid_until).toBe(answer.context?.evaluated_at);
  });

  it('is that of the record: made again it is the same, and by another zone another', async () => {
    const answer = await askAt('2030-03-04T23:00:00Z');
    const record = (
      await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`)
    ).json<ReplayableRecord>();
    const berlin = loadRules(readSources(loadConfig(configured('Europe/Berlin'), {}).sources));
    const utc = loadRules(readSources(loadConfig(configured(undefined), {}).sources));
    expect(record.policy_version).toBe(berlin.version);
    expect(redecide(record, berlin).decision.reasons).toEqual(answer.context?.reasons);
    expect(utc.version).not.toBe(berlin.version);
    expect([utc.zone, redecide(record, utc).decision.decision, codes(answer)]).toEqual([
      'UTC',
      true,
      ['policy_forbid'],
    ]);
  });

  it('is UTC where the configuration says none', () => {
    const none = loadRules(readSources(loadConfig(configured(undefined), {}).sources));
    const utc = loadRules(readSources(loadConfig(configured('UTC'), {}).sources));
    expect([none.zone, none.version]).toEqual(['UTC', utc.version]);
  });

  it.each(['Europe/Berln', '+01:00', ''])('is refused as "%s"', (zone) => {
    const load = (): unknown => loadConfig(configured(zone), {});
    expect(load).toThrow(ConfigError);
    expect(load).toThrow('zone: must be a time zone of the IANA database, such as "Europe/Berlin"');
  });

  it('is that of the tests beside the policies', async () => {
    for (const [zone, expected] of [
      ['Europe/Berlin', 'passed'],
      ['UTC', 'failed'],
    ] as const) {
      const session = new TestSession();
      const report = await session.run(loadConfig(configured(zone), {}), { paths: [] });
      await session.close();
      expect(report.files.flatMap(({ results }) => results.map(({ outcome }) => outcome))).toEqual([expected]);
    }
  });
});
