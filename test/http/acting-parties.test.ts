/** Who acts, in every way that a client may say it: each is the same question, and no way says more than another. */
import { beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, codes, startWith, T, type Answer, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';

const ISSUER = 'https://corp.example';
let key: Key;
let remit: Running;
beforeAll(async () => {
  const vouching = (id: string, more: object = {}) => ({ ...clientNamed(id, 'hr-api', 'evaluate', 'asserts_subject'), ...more });
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    issuers: [{ issuer: ISSUER, jwks: { keys: [key.jwk] }, audience: 'remit', primary: true, shape: ['act', 'agent'] }],
    clients: [
      clientNamed('plain', 'hr-api', 'evaluate'),
      vouching('vouches'),
      vouching('directly', { default_mode: 'direct' }),
      vouching('agents', { subject: { agent_types: ['ai_agent', 'service'], strip_prefix: 'agent:' } }),
      { ...clientNamed('passes', 'hr-api', 'evaluate'), subject: { agent_types: ['ai_agent'], user_property: 'for' } },
    ],
  });
  return () => remit.stop();
}); // prettier-ignore

const read = { name: 'read' };
const erin = { type: 'employee', id: 'erin' };
const repository = { type: 'repository', id: 'handbook' };
const mint = (user: string | undefined, agent: string, audience = 'hr-api'): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    {
      iss: ISSUER,
      aud: audience,
      sub: user ?? agent,
      ...(user === undefined ? {} : { act: { sub: agent } }),
      client_id: user === undefined ? agent : `${agent}-client`,
      scope: 'hr.employees.read code.read',
      iat: T,
      exp: T + 300,
    },
  );
const ask = async (client: string, body: object, headers: Record<string, string> = {}): Promise<Answer> => {
  const url = '/access/v1/evaluation';
  const response = await remit.post(url, { action: read, resource: erin, ...body }, { authorization: `Bearer ${client}-key`, ...headers });
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
}; // prettier-ignore
const refuse = async (client: string, body: object): Promise<string> => {
  const url = '/access/v1/evaluation';
  const response = await remit.post(url, { action: read, resource: erin, ...body }, { authorization: `Bearer ${client}-key` });
  expect(response.statusCode, response.body).toBe(400);
  return response.json<{ error: { at: string } }>().error.at;
}; // prettier-ignore
const acting = (answer: Answer): unknown => answer.context?.rationale.acting;
const alice = (properties: object = {}): object => ({ subject: { type: 'user', id: 'alice', properties } });

describe('the actor of a subject', () => {
  it.each<[string, unknown]>([
    ['a text', 'hr-assistant'],
    ['an object', { sub: 'hr-assistant' }],
    ['an object with other members', { sub: 'hr-assistant', iss: 'https://idp.example', sub_profile: 'ai_agent' }],
    ['an object whose inner actor is null', { sub: 'hr-assistant', act: null }],
  ])('is %s', async (_is, act) => {
    const answer = await ask('vouches', alice({ act }));
    expect(answer.decision, JSON.stringify(answer.context?.reasons)).toBe(true);
    expect(acting(answer)).toEqual({ mode: 'delegated', user: 'user:alice', agent: 'agent:hr-assistant', chain: [] });
  });

  it('may have actors before it, which can only deny', async () => {
    const answer = await ask('vouches', alice({ act: { sub: 'hr-assistant', act: { sub: 'planner', act: { sub: 'retired-bot' } } } })); // prettier-ignore
    expect(acting(answer)).toMatchObject({
      agent: 'agent:hr-assistant',
      chain: ['agent:planner', 'agent:retired-bot'],
    });
    expect(answer.decision).toBe(false);
    const stranger = await ask('vouches', alice({ act: { sub: 'hr-assistant', act: { sub: 'no-such-bot' } } }));
    expect(codes(stranger)).toContain('agent_unknown');
  });

  it.each<[string, unknown, string]>([
    ['a number', 7, 'subject.properties.act'],
    ['an object without one', {}, 'subject.properties.act.sub'],
    ['an id that is none', { sub: '' }, 'subject.properties.act.sub'],
    ['a text within', { sub: 'hr-assistant', act: 'planner' }, 'subject.properties.act.act'],
    ['the same twice', { sub: 'a', act: { sub: 'b', act: { sub: 'a' } } }, 'subject.properties.act.act.act'],
    ['nine', Array.from({ length: 9 }, (_, i) => ({ sub: `a${i}` })).reduceRight((act, sub) => ({ ...sub, act })), 'subject.properties.act'],
  ])('is not %s', async (_not, act, at) => expect(await refuse('vouches', alice({ act }))).toBe(at)); // prettier-ignore

  it('must be that of the token, and so must those before it', async () => {
    const token = await mint('alice', 'hr-assistant');
    const withAct = (act: unknown) => ask('plain', { ...alice({ act }), context: { token } });
    expect((await withAct('hr-assistant')).decision).toBe(true);
    expect(codes(await withAct('code-bot'))).toEqual(['subject_mismatch']);
    expect(codes(await withAct({ sub: 'hr-assistant', act: { sub: 'planner' } }))).toEqual(['subject_mismatch']);
  });

  it('of a client that may not vouch counts for nothing', async () =>
    expect(codes(await ask('plain', alice({ act: 'hr-assistant' })))).toEqual(['subject_assertion_forbidden']));
});

describe('an agent alone', () => {
  const bot = { subject: { type: 'agent', id: 'code-bot' }, resource: repository };
  const direct = { context: { mode: 'direct' } };

  it('is vouched for by its mode, as its own token would name it', async () => {
    const own = await ask('plain', { ...bot, context: { token: await mint(undefined, 'code-bot') } });
    const vouched = await ask('vouches', { ...bot, ...direct });
    const byDefault = await ask('directly', bot);
    for (const answer of [own, vouched, byDefault])
      expect(acting(answer)).toEqual({ mode: 'direct', agent: 'agent:code-bot', chain: [] });
    expect(vouched.decision).toBe(byDefault.decision);
    expect(codes(vouched)).toEqual(codes(own));
  });

  it('must be one that is stored', async () =>
    expect(codes(await ask('vouches', { subject: { type: 'agent', id: 'ghost' }, ...direct }))).toContain(
      'agent_unknown',
    ));

  it('needs the mode, and a client that vouches', async () => {
    expect(codes(await ask('vouches', { ...bot, context: { mode: 'human' } }))).toEqual(['subject_type_unknown']);
    expect(codes(await ask('plain', { ...bot, ...direct }))).toEqual(['subject_assertion_forbidden']);
    expect(codes(await ask('vouches', bot))).toEqual(['token_missing']);
  });

  it('is never a person, nor a person an agent', async () => {
    expect(codes(await ask('vouches', { subject: { type: 'user', id: 'hr-assistant' }, ...direct }))).toEqual(['subject_mismatch']); // prettier-ignore
    expect(codes(await ask('directly', { subject: { type: 'user', id: 'alice' } }))).toEqual(['subject_mismatch']);
    expect(codes(await ask('vouches', { subject: { type: 'agent', id: 'alice' }, ...direct }))).toContain('agent_unknown'); // prettier-ignore
  });

  it('states no mode beside its token', async () => {
    const context = { token: await mint(undefined, 'code-bot'), mode: 'direct' };
    expect(codes(await ask('vouches', { ...bot, context }))).toEqual(['subject_mismatch']);
  });

  it('is named by its token’s client as well', async () => {
    const context = { token: await mint('alice', 'hr-assistant') };
    for (const agent of ['hr-assistant', 'hr-assistant-client'])
      expect((await ask('plain', { ...alice(), context: { ...context, agent } })).decision).toBe(true);
    expect(codes(await ask('plain', { ...alice(), context: { ...context, agent: 'code-bot-client' } }))).toEqual(['subject_mismatch']); // prettier-ignore
  });
});

describe('a client whose subjects are agents', () => {
  const ofAgent = (id: string, properties: object = {}, type = 'ai_agent') => ({ subject: { type, id, properties } });

  it('names the user in a property', async () => {
    const answer = await ask('agents', ofAgent('agent:hr-assistant', { on_behalf_of: 'alice', department: 'hr' }));
    expect(acting(answer)).toMatchObject({ mode: 'delegated', user: 'user:alice', agent: 'agent:hr-assistant' });
    expect(answer.decision).toBe(true);
    expect(acting(await ask('agents', ofAgent('hr-assistant', { on_behalf_of: 'alice' }, 'service')))).toEqual(acting(answer)); // prettier-ignore
  });

  it('names no user, so the agent is alone', async () => {
    expect(codes(await ask('agents', ofAgent('agent:hr-assistant')))).toEqual(['token_missing']);
    const answer = await ask('agents', { ...ofAgent('agent:code-bot', { on_behalf_of: null }), context: { mode: 'direct' } });
    expect(acting(answer)).toEqual({ mode: 'direct', agent: 'agent:code-bot', chain: [] });
  }); // prettier-ignore

  it('must agree with the token that it passes on', async () => {
    const context = { token: await mint('alice', 'hr-assistant') };
    expect((await ask('passes', { ...ofAgent('hr-assistant', { for: 'alice' }), context })).decision).toBe(true);
    expect((await ask('passes', { ...ofAgent('hr-assistant'), context })).decision).toBe(true);
    for (const other of [ofAgent('hr-assistant', { for: 'bob' }), ofAgent('code-bot', { for: 'alice' }), ofAgent('alice')])
      expect(codes(await ask('passes', { ...other, context }))).toEqual(['subject_mismatch']);
  }); // prettier-ignore

  it('says nothing of the user in the agent’s name', async () => {
    const { context } = await ask('agents', ofAgent('agent:hr-assistant', { on_behalf_of: 'alice', clearance: 'top' }));
    expect(JSON.stringify(context?.rationale)).not.toContain('top');
  });

  it('names the place of what is wrong', async () => {
    expect(await refuse('agents', ofAgent('agent:'))).toBe('subject.id');
    expect(await refuse('agents', ofAgent('agent:hr-assistant', { on_behalf_of: '' }))).toBe('subject.properties.on_behalf_of'); // prettier-ignore
    expect(await refuse('agents', ofAgent('agent:hr-assistant', { on_behalf_of: 'alice', act: 'x' }))).toBe('subject.properties.act'); // prettier-ignore
  });
});

describe('the header Remit-Token', () => {
  it('is the token of a question that has none, and of every such item of a batch', async () => {
    const [own, header] = [await mint('bob', 'payroll-exporter'), await mint('alice', 'hr-assistant')];
    const headers = { 'remit-token': header };
    expect((await ask('plain', alice(), headers)).decision).toBe(true);
    expect(codes(await ask('plain', { ...alice(), context: { token: own } }, headers))).toEqual(['subject_mismatch']);
    const response = await remit.post(
      '/access/v1/evaluations',
      { action: read, resource: erin, evaluations: [alice(), { ...alice(), context: { token: own } }] },
      { authorization: 'Bearer plain-key', ...headers },
    );
    expect(response.json<{ evaluations: Answer[] }>().evaluations.map(({ decision }) => decision)).toEqual([
      true,
      false,
    ]);
  });

  it('is refused where it is empty, sent twice or no token, though the client may vouch', async () => {
    const token = await mint('alice', 'hr-assistant');
    for (const header of ['', `${token}, ${token}`, 'x.y.z'])
      expect(codes(await ask('vouches', alice({ act: 'hr-assistant' }), { 'remit-token': header }))).toEqual(['token_malformed']); // prettier-ignore
  });

  it('stands for no agent’s own token', async () => {
    const own = await mint('dave', 'hr-assistant', 'remit');
    const headers = { authorization: `Bearer ${own}`, 'remit-token': await mint('alice', 'hr-assistant') };
    expect(codes(await ask('plain', alice(), headers))).toEqual(['subject_mismatch']);
  }); // prettier-ignore
});
