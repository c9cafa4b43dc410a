/** What a hostile caller, author or neighbour has tried. Each was once possible, or nearly. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { loadRules } from '../../src/policy/load.js';
import { readWorldFile } from '../../src/config/world.js';
import { clientNamed, codes, ON_SERVER, SAMPLE, start, step, T, type Answer, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';

const URL_ = '/access/v1/evaluation';
const sources = () => readSources(loadConfig(SAMPLE, {}).sources);
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-attacks-'));
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});

/** A small company written for the attack: the graph has caveats, groups and a user that is a resource. */
function company(
  name: string,
  over: Partial<Record<'zed' | 'actions' | 'policies' | 'world' | 'config', string>> = {},
): string {
  const at = join(scratch, name);
  mkdirSync(at, { recursive: true });
  const files = {
    zed: `use expiration
caveat tenant(t string, allowed list<string>) {
  t in allowed
}
definition user {
  relation owner: user
  permission look = owner
}
definition agent {
  relation delegator: user | user with expiration
}
definition group {}
definition folder {
  relation viewer: user | user with tenant | user with expiration | agent
  relation trusted: agent
  permission view = viewer
}
`,
    actions: `entity User { admin: Bool };
entity Agent { ok: Bool };
entity Group in [Group];
entity Folder in [Group] { note?: String };
@scope("f") action "view" appliesTo { principal: [Agent, User], resource: [Folder], context: { request: { reason?: String }, action: { hard?: Bool } } };
@scope("f") @permission("view") @agent_permission("trusted") action "enter" appliesTo { principal: [Agent, User], resource: [Folder], context: {} };
@scope("f") action "look" appliesTo { principal: [Agent, User], resource: [User], context: { user: User } };
`,
    policies: `@id("all") permit (principal, action, resource);
@id("secret") forbid (principal, action, resource) when { resource in Group::"topsecret" };
@id("soft") forbid (principal is Agent, action == Action::"view", resource) unless { context.action has hard && context.action.hard == false };
@id("admins") forbid (principal, action == Action::"look", resource) unless { context.user.admin };
`,
    world: `relationships: |
  agent:bot#delegator@user:ann
  folder:f#viewer@user:ann
  folder:caveated#viewer@user:ann[tenant:{"allowed":["a"]}]
  folder:f#viewer@agent:bot
  user:ann#owner@user:ann
entities:
  - { type: user, id: ann, attributes: { admin: false } }
  - { type: agent, id: bot, attributes: { ok: true } }
`,
    config: `schema: { relationships: schema.zed, actions: actions.cedarschema }
policies: .
world: world.yaml
`,
    ...over,
  };
  writeFileSync(join(at, 'schema.zed'), files.zed);
  writeFileSync(join(at, 'actions.cedarschema'), files.actions);
  writeFileSync(join(at, 'p.cedar'), files.policies);
  writeFileSync(join(at, 'world.yaml'), files.world);
  writeFileSync(join(at, 'remit.yaml'), files.config);
  return join(at, 'remit.yaml');
}

describe('an author', () => {
  it.each([
    '@duty("notification:owner")',
    '@duty( "notification:owner" )',
    '@duty ("notification:owner")',
    '@duty(// why\n"notification:owner")',
  ])('can not make a duty lose the others by writing %s on a forbid', (duty) => {
    const text = `@id( "more" )\n${duty}\nforbid (principal, action == HR::Action::"read", resource);`;
    const policies = [...sources().policies, { name: 'more.cedar', text }];
    expect(() => loadRules({ ...sources(), policies })).toThrow(/more\.cedar:2: a duty is written as a permit/);
  });

  it('can not leave two definitions in doubt about which is the agents’', () => {
    const zed = `definition user {}\ndefinition bot {\n relation delegator: user\n}\ndefinition crawler {\n relation delegator: user\n}\ndefinition doc {\n relation view: user\n}\n`;
    const actions = `entity User; entity Bot; entity Crawler; entity Doc; action "view" appliesTo { principal: [User, Bot, Crawler], resource: [Doc], context: {} };`;
    const load = () =>
      loadRules({
        relationships: { name: 'two.zed', text: zed },
        actions: [{ name: 'a', text: actions }],
        policies: [{ name: 'p', text: '@id("a") permit (principal, action, resource);' }],
      });
    expect(load).toThrow('two.zed:6: only one definition can stand for agents, but bot and crawler have a "delegator"');
  });
});

describe('an agent with its own token', () => {
  let remit: Running;
  beforeAll(async () => {
    const config = `schema: { relationships: schema.zed, actions: actions.cedarschema }\npolicies: .\nworld: world.yaml\n`;
    remit = await start(company('agent', { config: `${config}limits: { agent_rate: 100 }\n` }));
    return () => remit.stop();
  });

  const own = async (body: object, tokenOf: { user?: string } = { user: 'ann' }): Promise<Answer> => {
    const token = await remit.mint({ ...tokenOf, agent: 'bot', scope: 'f' });
    const subject = tokenOf.user === undefined ? { type: 'agent', id: 'bot' } : { type: 'user', id: tokenOf.user };
    return (
      await remit.post(
        URL_,
        { subject, resource: { type: 'folder', id: 'f' }, action: { name: 'view' }, ...body },
        { authorization: `Bearer ${token}` },
      )
    ).json();
  };

  it('can not bring the property that lifts a forbid', async () => {
    const soft = { action: { name: 'view', properties: { hard: false } } };
    for (const stated of [
      { resource: { type: 'folder', id: 'f', properties: { note: 'x' } } },
      { context: { reason: 'x' } },
      { subject: { type: 'user', id: 'ann', properties: { admin: true } } },
    ]) {
      const answer = await own({ ...soft, ...stated });
      expect([answer.decision, answer.context?.reasons]).toEqual([false, [{ code: 'attributes_unproven' }]]);
    }
    // What the action is to do is the question itself, and what no schema knows makes no difference.
    expect((await own({ ...soft, context: { mood: 'good' } })).decision).toBe(true);
    expect((await own({ action: { name: 'view', properties: { hard: true } } })).decision).toBe(false);
    expect((await own({ action: { name: 'view', properties: { hard: null } } })).decision).toBe(false);
  });
  it('can not answer a caveat by its own context', async () => {
    const answer = await own({ resource: { type: 'folder', id: 'caveated' }, context: { t: 'a' } });
    expect(answer.context?.reasons).toEqual([{ code: 'context_missing' }]);
  });
  it('is asked for its own permission in direct mode too', async () => {
    const answer = await own({ action: { name: 'enter' } }, {});
    expect(answer.context?.reasons).toEqual([{ code: 'agent_relationship_missing' }]);
  });
  it('is held to one rate however many tokens it has', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 250 }, () => remit.mint({ user: 'ann', agent: 'bot', scope: 'f' })),
    );
    const statuses = await Promise.all(
      tokens.map(
        async (token) =>
          (
            await remit.post(
              URL_,
              { subject: { type: 'user', id: 'ann' }, action: { name: 'view' }, resource: { type: 'folder', id: 'f' } },
              { authorization: `Bearer ${token}` },
            )
          ).statusCode,
      ),
    );
    expect(statuses.filter((s) => s === 429).length).toBeGreaterThan(0);
  });
});

describe('a client', () => {
  let remit: Running;
  let file: string;
  beforeAll(async () => {
    const key = 'b0e1b9d8b5f1f0f7f2a4a5a67b6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7';
    file = company('client', {
      config: stringify({
        listen: { public_url: 'https://remit.example' },
        schema: { relationships: 'schema.zed', actions: 'actions.cedarschema' },
        policies: '.',
        world: 'world.yaml',
        clients: [
          { id: 'plain', key_sha256: '3c3f0a7d1f7a4a1e9d2f4c8e6b5a49382716050493827160f0e1d2c3b4a59687' },
          { id: 'other', key_sha256: key },
        ],
      }),
    });
    const { createHash } = await import('node:crypto');
    const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
    writeFileSync(
      file,
      readFileSync(file, 'utf8')
        .replace('3c3f0a7d1f7a4a1e9d2f4c8e6b5a49382716050493827160f0e1d2c3b4a59687', sha('plain'))
        .replace(key, sha('min'))
        .replace('id: other', 'id: other\n    may: [admin, evaluate]\n    answers: minimal'),
    );
    remit = await start(file);
    return () => remit.stop();
  });

  const plain = { authorization: 'Bearer plain' };
  const minimal = { authorization: 'Bearer min' };
  const ask = async (over: object, headers = plain): Promise<Answer> => {
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'f' });
    return (
      await remit.post(
        URL_,
        {
          subject: { type: 'user', id: 'ann' },
          action: { name: 'view', properties: { hard: false } },
          resource: { type: 'folder', id: 'f' },
          context: { token },
          ...over,
        },
        headers,
      )
    ).json();
  };

  it('asks under a public name and under the loopback one', async () => {
    expect((await ask({})).decision).toBe(true);
    expect((await remit.post(URL_, {}, { ...plain, host: 'remit.example' })).statusCode).toBe(400);
    expect((await remit.post(URL_, {}, { ...plain, host: 'evil.example' })).statusCode).toBe(421);
  });

  it('can not make the user an admin by asking about the user as the resource', async () => {
    const answer = await ask({
      action: { name: 'look' },
      resource: { type: 'user', id: 'ann', properties: { admin: true } },
    });
    expect(codes(answer)).toEqual(['policy_forbid']);
  });

  it('can not get past a forbid on an ancestor, however far up', async () => {
    const chain = Array.from({ length: 60 }, (_, i) => ({
      type: 'group',
      id: `g${i}`,
      attributes: {},
      parents: [{ type: 'group', id: i === 59 ? 'topsecret' : `g${i + 1}` }],
    }));
    await remit.service.entities.put([
      ...chain,
      { type: 'folder', id: 'f', attributes: {}, parents: [{ type: 'group', id: 'g0' }] },
    ]);
    expect(codes(await ask({}))).toEqual(['policy_forbid']);
    await remit.service.entities.put([{ type: 'folder', id: 'f', attributes: {}, parents: [] }]);
    expect((await ask({})).decision).toBe(true);
  });

  it('does not break a caveat’s check by a large context, which is cut to what caveats ask for', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'f' });
    const answer = await ask({
      resource: { type: 'folder', id: 'caveated' },
      context: { token, t: 'a', note: 'x'.repeat(10_000) },
    });
    expect(answer.decision).toBe(true);
  });

  it('can not keep Cedar busy with what it says of things', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'f' });
    const body = { subject: { type: 'user', id: 'ann' }, action: { name: 'view' }, context: { token } };
    const big = { type: 'folder', id: 'f', properties: { note: 'x'.repeat(40_000) } };
    const refused = await remit.post(URL_, { ...body, resource: big }, plain);
    expect([refused.statusCode, refused.json<{ error: { at: string } }>().error.at]).toEqual([400, 'resource']);
    const batch = await remit.post(
      '/access/v1/evaluations',
      { ...body, resource: big, evaluations: Array.from({ length: 900 }, () => ({})) },
      plain,
    );
    expect(
      batch.json<{ evaluations: Answer[] }>().evaluations.every((a) => !a.decision && a.context?.error?.status === 400),
    ).toBe(true);
  });

  it('with minimal answers gets nothing else, also for a bad item; as an admin it reads any record', async () => {
    const { context } = await ask({});
    const record = await remit.app.inject({
      method: 'GET',
      url: `/v1/decisions/${context?.id ?? ''}`,
      headers: { host: '127.0.0.1:7480', ...minimal },
    });
    expect(record.statusCode).toBe(200);
    const batch = await remit.post('/access/v1/evaluations', { evaluations: [{}, 'x'] }, minimal);
    expect(batch.json()).toEqual({ evaluations: [{ decision: false }, { decision: false }] });
  });

  it('is told until when an allow can be relied on: no longer than the delegation lasts', async () => {
    await remit.service.activePolicies.engine.write(
      [
        {
          operation: 'touch',
          relationship: {
            resource: { type: 'agent', id: 'bot' },
            relation: 'delegator',
            subject: { type: 'user', id: 'ann' },
            expiresAt: '2030-03-04T10:01:00Z',
          },
        },
      ],
      'test',
    );
    expect((await ask({})).context?.valid_until).toBe('2030-03-04T10:01:00.000Z');
    await remit.service.activePolicies.engine.write(
      [
        {
          operation: 'touch',
          relationship: {
            resource: { type: 'agent', id: 'bot' },
            relation: 'delegator',
            subject: { type: 'user', id: 'ann' },
          },
        },
      ],
      'test',
    );
    expect((await ask({})).context?.valid_until).toBe('2030-03-04T10:05:00.000Z');
  });

  it('reads relationships up to the limit, and hears what is wrong with a filter', async () => {
    const get = (query: string) =>
      remit.app.inject({
        method: 'GET',
        url: `/v1/relationships?${query}`,
        headers: { host: '127.0.0.1:7480', ...minimal },
      });
    expect((await get('resource_type=folder&limit=1000')).statusCode).toBe(200);
    expect((await get('resource_type=foldre')).statusCode).toBe(400);
    expect((await get('resource_type=folder&relation=nothing')).statusCode).toBe(400);
    const nul = await remit.app.inject({
      method: 'GET',
      url: '/v1/entities/%00/x',
      headers: { host: '127.0.0.1:7480', ...minimal },
    });
    expect(nul.statusCode).toBe(400);
  });

  it('finds on record what it was answered, also where the store was too slow', async () => {
    const hasty = await start(file, undefined, { deadlineMs: 1000 });
    const token = await hasty.mint({ user: 'ann', agent: 'bot', scope: 'f' });
    const body = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'view', properties: { hard: false } },
      resource: { type: 'folder', id: 'f' },
      context: { token },
    };
    await hasty.post(URL_, body, plain);
    const hanging = hasty.service.database.run([{ sql: 'lock table records' }, { sql: 'select pg_sleep(1.5)' }]);
    const late = (await hasty.post(URL_, body, plain)).json<Answer>();
    expect([late.decision, late.context?.error?.code]).toEqual([false, 'deadline_exceeded']);
    await hanging;
    await hasty.post(URL_, body, plain); // Its record comes after the correction.
    const record = await hasty.app.inject({
      method: 'GET',
      url: `/v1/decisions/${late.context?.id ?? ''}`,
      headers: { host: '127.0.0.1:7480', ...plain },
    });
    expect(record.json()).toMatchObject({ id: late.context?.id, decision: false });
    expect(step(late, 'record')?.outcome).toBe('unknown');
    await hasty.stop();
  });
});

describe('a delegation that agents pass on', () => {
  let remit: Running;
  const zed = (delegator: string): string => `use expiration
caveat tenant(t string, allowed list<string>) {
  t in allowed
}
definition user {}
definition agent {
  relation delegator: ${delegator}
}
definition folder {
  relation viewer: user
  permission view = viewer
}
`;
  const many = (count: number, to: string): string[] =>
    Array.from({ length: count }, (_, i) => `agent:${to}#delegator@agent:idle-${String(i).padStart(3, '0')}`);
  const hops = Array.from({ length: 20 }, (_, i) => `agent:hop-${i}#delegator@agent:hop-${i + 1}`);
  beforeAll(async () => {
    const relationships = [
      'folder:f#viewer@user:ann',
      'agent:good#delegator@user:ann[expiration:2031-01-01T00:00:00Z]',
      'agent:bad#delegator@user:ann',
      'agent:over-good#delegator@agent:good',
      'agent:over-bad#delegator@agent:bad',
      'agent:over-two#delegator@agent:over-bad',
      'agent:caveated#delegator@agent:bad[tenant:{"allowed":["a"]}]',
      'agent:both#delegator@agent:bad[tenant:{"allowed":["a"]}]',
      'agent:both#delegator@agent:good',
      ...many(40, 'wide'),
      'agent:wide#delegator@agent:zz-bad',
      'agent:zz-bad#delegator@user:ann',
      ...many(70, 'wider'),
      'agent:wider#delegator@agent:good',
      ...hops,
      'agent:hop-20#delegator@user:ann',
      'agent:round#delegator@agent:about',
      'agent:about#delegator@agent:round',
      'agent:self#delegator@agent:self',
    ];
    const names = ['bot', 'good', 'bad', 'zz-bad', 'over-good', 'over-bad', 'over-two', 'caveated', 'both', 'wide', 'wider', 'round', 'about', 'self', ...Array.from({ length: 21 }, (_, i) => `hop-${i}`)]; // prettier-ignore
    const world = {
      relationships: relationships.join('\n'),
      entities: names.map((id) => ({
        type: 'agent',
        id,
        attributes: { ok: !id.includes('bad') || id.startsWith('over') },
      })),
    };
    remit = await start(
      company('passing', {
        zed: zed('user | user with expiration | agent | agent with tenant'),
        actions: `entity User; entity Agent { ok: Bool }; entity Folder;
@scope("f") action "view" appliesTo { principal: [Agent, User], resource: [Folder], context: { request: { t?: String }, delegation: Remit::Delegation } };
`,
        policies: `@id("all") permit (principal, action, resource);
@id("not-ok") forbid (principal is Agent, action, resource) when { !principal.ok };
@id("deep") forbid (principal, action, resource) when { context.delegation.depth > 9 };
`,
        world: stringify(world),
      }),
    );
    return () => remit.stop();
  });

  const ask = async (agent: string, context: object = {}, chain: string[] = []): Promise<Answer> =>
    remit.evaluate({
      subject: { type: 'user', id: 'ann' },
      action: { name: 'view' },
      resource: { type: 'folder', id: 'f' },
      context: { ...context, token: await remit.mint({ user: 'ann', agent, chain, scope: 'f', ttlSeconds: 86_400 * 360 }) },
    }); // prettier-ignore

  it.each<[string, string, object, string[]]>([
    ['by a good one counts', 'over-good', {}, []],
    ['by one that is forbidden does not', 'over-bad', {}, ['policy_forbid']],
    ['by one that is forbidden, two agents away, does not', 'over-two', {}, ['policy_forbid']],
    ['under a caveat counts for no more than it says', 'caveated', {}, ['delegation_missing']],
    ['under a caveat that does not hold is none', 'caveated', { t: 'b' }, ['delegation_missing']],
    ['under a caveat that holds does not hide who passed it on', 'caveated', { t: 'a' }, ['policy_forbid']],
    ['over an edge that does not hold is not taken for one over that edge', 'both', { t: 'b' }, []],
    ['by the last of many is found, and held to the policies', 'wide', {}, ['policy_forbid']],
    ['by one of too many is not looked for', 'wider', {}, ['graph_unanswerable']],
    ['over many agents counts each', 'hop-0', {}, ['policy_forbid']],
    ['in a circle is nobody’s', 'round', {}, ['delegation_missing']],
    ['by itself is nobody’s', 'self', {}, ['delegation_missing']],
  ])('%s', async (_how, agent, context, reasons) => {
    expect(codes(await ask(agent, context))).toEqual(reasons);
    // Stating who passed it on changes nothing for the better.
    expect(codes(await ask(agent, context, ['bad'])).length).toBeGreaterThan(0);
  });

  it('is relied on no longer than its first link lasts', async () => {
    const answer = await ask('over-good');
    expect(answer.context?.valid_until).toBe('2031-01-01T00:00:00.000Z');
    expect(answer.context?.rationale.acting).toMatchObject({ chain: ['agent:good'] });
  });

  it('can not come over a userset of agents, where nobody would know who is on the way', () => {
    for (const delegator of ['user | agent#delegator', 'user | agent | agent#delegator'])
      expect(() =>
        loadRules({
          relationships: { name: 'userset.zed', text: zed(delegator).replace('use expiration\n', '') },
          actions: [{ name: 'a', text: 'entity User; entity Agent; entity Folder; action "view" appliesTo { principal: [Agent, User], resource: [Folder], context: {} };' }],
          policies: [{ name: 'p', text: '@id("a") permit (principal, action, resource);' }],
        }),
      ).toThrow('userset.zed:6: "delegator" of "agent" must not lead over a relation of "agent"');
  }); // prettier-ignore
});

describe('what a transaction token says of its transaction', () => {
  let remit: Running;
  let key: Key;
  beforeAll(async () => {
    key = await makeKey('ES256', 'k1');
    const config = {
      schema: { relationships: 'schema.zed', actions: 'actions.cedarschema' },
      policies: '.',
      world: 'world.yaml',
      issuers: [{ issuer: 'https://tts.example', audience: 'domain', primary: true, jwks: { keys: [key.jwk] } }],
      clients: [clientNamed('api', 'domain', 'evaluate')],
    };
    remit = await start(company('transactions', { config: stringify(config) }));
    return () => remit.stop();
  });

  it.each<[string, object, object, string[]]>([
    ['answers a caveat', { t: 'a' }, {}, []],
    ['answers a caveat with no', { t: 'b' }, {}, ['relationship_missing']],
    ['is not contradicted by the client', { t: 'b' }, { t: 'a' }, ['transaction_mismatch']],
    ['may be repeated by the client', { t: 'a' }, { t: 'a' }, []],
    ['must fit the schema', { t: 'a', reason: 5 }, {}, ['transaction_mismatch']],
    ['is nothing of Remit’s own', { t: 'a', agent: 'other', mode: 'human', dry_run: true }, {}, []],
  ])('%s', async (_what, tctx, context, reasons) => {
    const claims = { iss: 'https://tts.example', sub: 'ann', aud: 'domain', exp: T + 60, scope: 'f', txn: 't', act: { sub: 'bot' }, tctx }; // prettier-ignore
    const token = await key.sign({ alg: 'ES256', typ: 'txntoken+jwt', kid: 'k1' }, claims);
    const response = await remit.post(
      URL_,
      {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'view', properties: { hard: false } },
        resource: { type: 'folder', id: 'caveated' },
        context: { ...context, token },
      },
      { authorization: 'Bearer api-key' },
    );
    expect(response.statusCode, response.body).toBe(200);
    expect(codes(response.json())).toEqual(reasons);
    const record = response.json<Answer>().context;
    expect(record?.rationale.steps.length).toBe(reasons[0] === 'transaction_mismatch' ? 3 : 8);
  });
});

describe('a write that is accepted', () => {
  it.each([
    [
      'an expiration beyond the year 9999',
      {
        resource: { type: 'folder', id: 'w' },
        relation: 'viewer',
        subject: { type: 'user', id: 'x' },
        expires_at: '9999-12-31T23:59:59-23:59',
      },
      400,
    ],
    [
      'one before 1970',
      {
        resource: { type: 'folder', id: 'w' },
        relation: 'viewer',
        subject: { type: 'user', id: 'x' },
        expires_at: '0000-01-01T00:00:00+23:59',
      },
      400,
    ],
    [
      'a line separator in a caveat',
      {
        resource: { type: 'folder', id: 'w' },
        relation: 'viewer',
        subject: { type: 'user', id: 'x' },
        caveat: { name: 'tenant', context: { allowed: ['a\u2028b'] } },
      },
      200,
    ],
    [
      'brackets in a caveat',
      {
        resource: { type: 'folder', id: 'w' },
        relation: 'viewer',
        subject: { type: 'user', id: 'x' },
        caveat: { name: 'tenant', context: { allowed: ['}][expiration:2030-01-01T00:00:00Z]'] } },
      },
      200,
    ],
  ])('never stops a later start: %s', async (_name, relationship, status) => {
    const file = company('restart');
    const first = await start(file);
    const written = await first.post('/v1/relationships', { updates: [{ operation: 'touch', relationship }] });
    expect(written.statusCode).toBe(status);
    const read = async (remit: Running) =>
      (await remit.request('GET', '/v1/relationships?resource_type=folder&resource_id=w')).json<{
        relationships: { relationship: string }[];
      }>();
    const before = await read(first);
    await first.stop({ keep: true });
    const second = await start(file, first.data);
    expect(await read(second)).toEqual(before);
    // What is read as text can be written as text.
    for (const { relationship: text } of before.relationships) {
      expect(
        (await second.post('/v1/relationships', { updates: [{ operation: 'touch', relationship: text }] })).statusCode,
      ).toBe(200);
    }
    await second.stop();
  });

  it('keeps its ZedToken, though a compaction has left nothing of it', async () => {
    const file = company('tokens');
    const first = await start(file);
    const update = { operation: 'touch', relationship: 'folder:t#viewer@user:x' };
    await first.service.database.run([
      {
        sql: `insert into relationship_journal (written_by, updates, settled) select 'test', '[]'::jsonb, true from generate_series(1, 1100)`,
      },
    ]);
    await first.post('/v1/relationships', { updates: [update] });
    const { zedtoken } = (
      await first.post('/v1/relationships', { updates: [{ ...update, operation: 'delete' }] })
    ).json<{ zedtoken: string }>();
    await first.stop({ keep: true });
    for (let i = 0; i < 2; i += 1) {
      const again = await start(file, first.data);
      expect(again.service.activePolicies.engine.tokenProblem(zedtoken)).toBeUndefined();
      await again.stop({ keep: true });
    }
    rmSync(first.data, { recursive: true, force: true });
  });
});

describe('a start', () => {
  it('with a SpiceDB schema that is wrong says where in it', async () => {
    const file = company('badzed', {
      zed: 'definition user {}\ndefinition agent {\n  relation delegator: user\n}\ndefinition group {}\ndefinition folder {\n  relation viewer: user\n  relation trusted: agent\n  permission view = viewr\n}\n',
      world: '{}',
      actions:
        'entity User; entity Folder; action "view" appliesTo { principal: [User], resource: [Folder], context: {} };',
      policies: '@id("a") permit (principal, action, resource);',
    });
    const data = join(scratch, 'badzed-data');
    await expect(start(file, data)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/schema\.zed(:9:\d+)?: .*viewr/) as string,
    });
    expect(existsSync(join(data, 'lock'))).toBe(false);
  });

  it('with a schema that what is stored no longer fits says so', async () => {
    const file = company('changed');
    const first = await start(file);
    await first.stop({ keep: true });
    writeFileSync(
      join(scratch, 'changed/schema.zed'),
      readFileSync(join(scratch, 'changed/schema.zed'), 'utf8').replace(
        'relation viewer: user | user with tenant',
        'relation viewer: user',
      ),
    );
    const world = join(scratch, 'changed/world.yaml');
    // A server is given the schema before Remit starts, and refuses it itself.
    if (!ON_SERVER)
      await expect(start(file, first.data)).rejects.toThrow(/world\.yaml: .*"folder:caveated#viewer@.*has a caveat/);
    writeFileSync(world, readFileSync(world, 'utf8').replace(/.*#viewer@.*tenant.*\n/, ''));
    await expect(start(file, first.data)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/does not fit what is stored|cannot remove allowed type/) as string,
    });
    rmSync(first.data, { recursive: true, force: true });
  });

  it('after a world that was refused loads the mended one, and nothing of the other', async () => {
    const bad = `relationships: |\n  folder:f#nothing@user:ann\nentities:\n  - { type: user, id: ghost, attributes: { admin: true } }\n`;
    const file = company('world', { world: bad });
    const data = join(scratch, 'world-data');
    await expect(start(file, data)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining('world.yaml') as string,
    });
    writeFileSync(
      join(scratch, 'world/world.yaml'),
      `relationships: |\n  folder:f#viewer@user:ann\nentities:\n  - { type: user, id: ann, attributes: { admin: true } }\n`,
    );
    const remit = await start(file, data);
    expect(await remit.service.entities.lookup([{ type: 'user', id: 'ghost' }])).toEqual([undefined]);
    expect(
      (await remit.service.activePolicies.engine.read({ resourceType: 'folder' }, 9, 'full')).relationships,
    ).toHaveLength(1);
    await remit.stop();
  });

  it.each([
    [
      'an entity twice',
      'entities:\n  - { type: user, id: a, attributes: { admin: true } }\n  - { type: user, id: a, attributes: { admin: false } }\n',
      'is there twice',
    ],
    ['NUL', 'entities:\n  - { type: folder, id: a, attributes: { note: "\\0" } }\n', 'must not contain NUL'],
    ['a lone surrogate', 'entities:\n  - { type: folder, id: a, attributes: { note: "\\uD800" } }\n', 'well-formed'],
    ['a type there is not', 'entities:\n  - { type: fodler, id: a }\n', 'did you mean "folder"?'],
    [
      'a wrong attribute',
      'entities:\n  - { type: user, id: a, attributes: { admin: 1 } }\n',
      'attributes.admin must be true or false',
    ],
    ['a relationship that is none', 'relationships: |\n  nonsense\n', 'line 1 of the block'],
    ['an alias to nowhere', 'entities: *x\n', "can't be followed"],
    ['no YAML', 'entities: [\n', 'world.yaml:'],
  ])('with %s in the world names the place', (_name, text, message) => {
    company('bad-world', { world: text });
    const rules = loadRules(readSources(loadConfig(join(scratch, 'bad-world/remit.yaml'), {}).sources));
    expect(() => readWorldFile(join(scratch, 'bad-world/world.yaml'), rules)).toThrow(message);
    expect(() => readWorldFile(join(scratch, 'bad-world/world.yaml'), rules)).toThrow('world.yaml');
  });
});

it('copies nothing of a sample that is not there', () => {
  // The fixtures are part of the package: a copy elsewhere works without the repository.
  const copy = join(scratch, 'copy');
  for (const folder of ['fixtures', 'schema', 'policies'])
    cpSync(fileURLToPath(new URL(`../../${folder}`, import.meta.url)), join(copy, folder), { recursive: true });
  const config = loadConfig(join(copy, 'fixtures/acme.remit.yaml'), {});
  expect(readWorldFile(config.world ?? '', loadRules(readSources(config.sources))).entities.length).toBeGreaterThan(80);
});
