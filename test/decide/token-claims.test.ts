/** Claims of a token that the configuration lends to policies: decided by, recorded, decided by again, and tested. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { TestSession } from '../../src/author/test/session.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { loadRules } from '../../src/policy/load.js';
import { replayRecord } from '../../src/records/replay.js';
import { collectCleanups } from '../support/cleanups.js';
import { clientNamed, codes, startFiles, step, type Answer, type Running } from '../support/sample.js';
import { makeKey, T, type Key } from '../tokens/keys.js';

const FILES = {
  'schema.zed': `definition user {}
definition agent {
  relation delegator: user
}
definition document {
  relation viewer: user
  permission read = viewer
  permission send = viewer
}
`,
  'schema.cedarschema': `entity User; entity Agent; entity Document;
@scope("docs.read") @effect("read") action read appliesTo {
  principal: [Agent, User], resource: [Document], context: { claims: { region?: String, level?: Long } } };
@scope("docs.read") @effect("write") action send appliesTo {
  principal: [Agent, User], resource: [Document], context: { claims: { region: String } } };
`,
  'policies/docs.cedar': `@id("agents") permit (principal is Agent, action, resource);
@id("people") permit (principal is User, action, resource);
@id("only-eu") forbid (principal is Agent, action == Action::"read", resource)
when { context.claims has region && context.claims.region != "eu" };
@id("trusted") forbid (principal, action == Action::"read", resource)
when { context.claims has level && context.claims.level < 3 };
@id("send-eu") forbid (principal, action == Action::"send", resource) when { context.claims.region != "eu" };
`,
  'world.yaml': `relationships: |
  document:plan#viewer@user:ann
  agent:helper#delegator@user:ann
entities:
  - { type: agent, id: helper }
`,
  'policies/docs_test.yaml': `now: 2030-03-04T10:00:00Z
tokens:
  eu: { user: ann, agent: helper, scope: docs.read, claims: { region: eu } }
  us: { user: ann, agent: helper, scope: docs.read, claims: { region: us } }
  none: { user: ann, agent: helper, scope: docs.read }
tests:
  - { name: by region, who: [eu, us], actions: [read, send], resources: document:plan, expect: { who: eu, decision: allow } }
  - { name: no claim, who: none, actions: [read, send], resources: document:plan, expect: { actions: read, decision: allow } }
  - name: its reason
    who: none
    actions: send
    resources: document:plan
    expect: { decision: deny, reasons: [attribute_missing] }
`,
};

let key: Key;
let remit: Running;
const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startFiles(FILES, {
    issuers: [
      {
        issuer: 'https://login.example',
        audience: 'docs',
        primary: true,
        jwks: { keys: [key.jwk] },
        claims: { region: 'act.agent_region', level: 'level' },
      },
    ],
    clients: [
      { ...clientNamed('docs', 'docs', 'evaluate', 'asserts_subject'), default_mode: 'human' },
      clientNamed('admin', 'admin', 'admin', 'read_values'),
    ],
  });
  onSuiteFinished(() => remit.stop());
});

async function ask(action: string, claims: object, body: object = {}): Promise<Answer> {
  const token = await key.sign(
    { alg: 'ES256', kid: 'k1', typ: 'at+jwt' },
    { iss: 'https://login.example', sub: 'ann', aud: 'docs', iat: T, exp: T + 300, scope: 'docs.read', act: { sub: 'helper' }, ...claims },
  ); // prettier-ignore
  return question(action, { context: { token }, ...body });
}
async function question(action: string, body: object): Promise<Answer> {
  const response = await remit.request(
    'POST',
    '/access/v1/evaluation',
    { subject: { type: 'user', id: 'ann' }, action: { name: action }, resource: { type: 'document', id: 'plan' }, ...body },
    'docs-key',
  ); // prettier-ignore
  return response.json<Answer>();
}
const inRegion = (region: unknown): object => ({ act: { sub: 'helper', agent_region: region } });

describe('policies', () => {
  it.each<[string, string, object, boolean, readonly string[]]>([
    ['the claim', 'read', inRegion('eu'), true, []],
    ['another value', 'read', inRegion('us'), false, ['policy_forbid']],
    ['a token without it, where it is optional', 'read', {}, true, []],
    ['null, which is as if it were not said', 'read', inRegion(null), true, []],
    ['a number', 'read', { ...inRegion('eu'), level: 3 }, true, []],
    ['a lower number', 'read', { ...inRegion('eu'), level: 2 }, false, ['policy_forbid']],
    ['a claim of another type', 'read', { level: '3' }, false, ['attribute_missing']],
    ['a claim of another type at the agent', 'read', inRegion(['eu']), false, ['attribute_missing']],
    ['a claim that is required', 'send', inRegion('eu'), true, []],
    ['none where one is required', 'send', {}, false, ['attribute_missing']],
    ['a claim of the policies’ own name, which the configuration does not name', 'send', { region: 'eu', claims: { region: 'eu' } }, false, ['attribute_missing']],
  ])('decide by %s', async (_, action, claims, decision, reasons) => {
    const answer = await ask(action, claims);
    expect(codes(answer)).toEqual(reasons);
    expect(answer.decision).toBe(decision);
  }); // prettier-ignore

  it('are told what the token lacks, and a request can not state it', async () => {
    const stated = await ask('send', {}, {});
    expect(stated.context?.reasons[0]?.message).toBe('Not in the token: context.claims.region.');
    const unfit = await ask('read', { level: '3' });
    expect(unfit.context?.reasons[0]?.message).toBe(
      'In the token with another type than the schema declares: context.claims.level.',
    );
    const person = await question('send', { context: { claims: { region: 'eu' } } });
    expect(codes(person)).toEqual(['attribute_missing']);
    // Without a token nothing says that it is low.
    expect((await question('read', {})).decision).toBe(true);
  });
});

it('a record has the claims, and the decision is the same when it is made again', async () => {
  const answers = [await ask('read', inRegion('us')), await ask('send', inRegion('eu'))];
  const rules = loadRules(readSources(remit.service.config.sources));
  for (const answer of answers) {
    const response = await remit.request(
      'GET',
      `/v1/decisions/${answer.context?.id ?? ''}?values=true`,
      undefined,
      'admin-key',
    );
    const record = response.json<DecisionRecord>();
    expect(record.facts?.credential).toMatchObject({ token: { claims: { region: answer.decision ? 'eu' : 'us' } } });
    expect(replayRecord(record, rules)).toEqual({ kind: 'same' });
    expect(step(answer, 'policy')?.outcome).toBe(answer.decision ? 'pass' : 'deny');
  }
});

it('tests state them with the token', async () => {
  const session = new TestSession();
  try {
    const config = loadConfig(join(remit.data, 'company', 'remit.yaml'), {});
    const { files } = await session.run(config, { paths: [] });
    const results = files.flatMap((file) => file.results);
    expect(results.map(({ outcome, because }) => [outcome, because])).toEqual(results.map(() => ['passed', []]));
    expect(results).toHaveLength(7);
  } finally {
    await session.close();
  }
});
