/** Who may call, what each flag opens, and what nobody gets. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { codes, SAMPLE, start, type Answer, type Running } from '../../support/sample.js';
import { collectCleanups } from '../../support/cleanups.js';

const sample = dirname(SAMPLE);
let directory: string;
let remit: Running;
let token: string;

const client = (id: string, more: object = {}) => ({
  id,
  key_sha256: createHash('sha256').update(`key-of-${id}`).digest('hex'),
  supported_obligations: ['mask', 'notification'],
  ...more,
});

const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'remit-callers-'));
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'remit.yaml');
  writeFileSync(
    file,
    stringify({
      schema: {
        relationships: resolve(sample, '../schema/acme.zed'),
        actions: resolve(sample, '../schema/acme.cedarschema'),
      },
      policies: resolve(sample, '../policies'),
      world: resolve(sample, 'acme.yaml'),
      clients: [
        client('plain'),
        client('own-audience', { audience: 'hr-api' }),
        client('hr-only', { resources: ['employee'] }),
        client('voucher', { may: ['evaluate', 'asserts_subject'] }),
        client('by-default', { may: ['evaluate', 'asserts_subject'], default_mode: 'human' }),
        client('searcher', { may: ['search'] }),
        client('admin', { may: ['admin', 'evaluate'] }),
        client('slow', { rate: 3 }),
      ],
    }),
  );
  remit = await start(file);
  onSuiteFinished(() => remit.stop());
  token = await remit.mint({
    user: 'alice',
    agent: 'hr-assistant',
    scope: 'hr.employees.read hr.employees.write code.read',
  });
});

const URL = '/access/v1/evaluation';
const as = (id: string) => ({ authorization: `Bearer key-of-${id}` });
const question = (over: object = {}) => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context: { token },
  ...over,
});

describe('a credential', () => {
  it.each([
    ['none', {}],
    ['an empty one', { authorization: '' }],
    ['an unknown key', { authorization: 'Bearer nonsense' }],
    ['another scheme', { authorization: 'Basic a2V5Og==' }],
    [
      'the hash in place of the key',
      { authorization: `Bearer ${createHash('sha256').update('key-of-plain').digest('hex')}` },
    ],
    ['two keys', { authorization: 'Bearer key-of-plain, Bearer key-of-admin' }],
    ['a key with a space', { authorization: 'Bearer key-of-plain x' }],
  ])('%s is 401 everywhere', async (_name, headers) => {
    const host = { host: '127.0.0.1:7480' };
    for (const [method, url] of [
      ['POST', URL],
      ['POST', '/access/v1/evaluations'],
      ['POST', '/v1/relationships'],
      ['GET', '/v1/relationships?resource_type=team'],
      ['PUT', '/v1/entities/user/x'],
      ['GET', '/v1/entities/user/alice'],
      ['DELETE', '/v1/entities/user/alice'],
      ['GET', '/v1/decisions/0199e2d8-0000-7000-8000-000000000000'],
      ['GET', '/v1/scopes'],
      ['POST', '/v1/filter'],
      ['POST', '/access/v1/search/resource'],
      ['POST', '/access/v1/search/subject'],
      ['POST', '/access/v1/search/action'],
      ['GET', '/v1/policies'],
      ['GET', '/v1/revocations'],
      ['POST', '/v1/revocations'],
      ['DELETE', '/v1/sessions/s1'],
    ] as const) {
      const response = await remit.app.inject({
        method,
        url,
        headers: { ...host, ...headers },
        ...(method === 'GET' || method === 'DELETE' ? {} : { payload: question() }),
      });
      expect([url, response.statusCode]).toEqual([url, 401]);
      expect(response.headers['www-authenticate']).toMatch(
        /^Bearer (error="invalid_token", )?resource_metadata="http:\/\/127\.0\.0\.1:7480\/\.well-known\/oauth-protected-resource", DPoP algs="ES256 /,
      );
    }
  });

  it('is asked for before the body is looked at', async () => {
    const response = await remit.post(URL, '{"subject": 1}', { authorization: 'Bearer nonsense' });
    expect(response.statusCode).toBe(401);
  });
});

describe('a client', () => {
  it('may do what its flags say and no more', async () => {
    expect((await remit.post(URL, question(), as('plain'))).json<Answer>().decision).toBe(true);
    expect((await remit.post(URL, question(), as('searcher'))).statusCode).toBe(403);
    expect((await remit.post('/v1/relationships', { updates: [] }, as('plain'))).statusCode).toBe(403);
    expect((await remit.post('/v1/relationships', { updates: [] }, as('admin'))).statusCode).toBe(400);
  });

  it('gets no decision on a token that is for another API', async () => {
    expect(codes((await remit.post(URL, question(), as('own-audience'))).json())).toEqual(['token_audience_mismatch']);
    const own = await remit.mint({
      user: 'alice',
      agent: 'hr-assistant',
      scope: 'hr.employees.read',
      audience: 'hr-api',
    });
    expect(
      (await remit.post(URL, question({ context: { token: own } }), as('own-audience'))).json<Answer>().decision,
    ).toBe(true);
    expect(codes((await remit.post(URL, question({ context: { token: own } }), as('plain'))).json())).toEqual([
      'token_audience_mismatch',
    ]);
  });

  it('asks only about its own types', async () => {
    expect((await remit.post(URL, question(), as('hr-only'))).json<Answer>().decision).toBe(true);
    const code = question({ resource: { type: 'repository', id: 'sandbox' } });
    expect(codes((await remit.post(URL, code, as('hr-only'))).json())).toEqual(['resource_type_forbidden']);
  });

  it('vouches for a subject only where it is flagged so', async () => {
    const human = question({ context: { mode: 'human' } });
    expect((await remit.post(URL, human, as('voucher'))).json<Answer>().decision).toBe(true);
    expect(codes((await remit.post(URL, human, as('plain'))).json())).toEqual(['subject_assertion_forbidden']);
    const vouched = question({
      subject: { type: 'user', id: 'alice', properties: { act: { sub: 'hr-assistant' } } },
      context: {},
    });
    expect((await remit.post(URL, vouched, as('voucher'))).json<Answer>().decision).toBe(true);
    expect(codes((await remit.post(URL, vouched, as('plain'))).json())).toEqual(['subject_assertion_forbidden']);
  });

  it('leaves the mode out only where that is configured', async () => {
    const silent = question({ context: {} });
    expect(codes((await remit.post(URL, silent, as('voucher'))).json())).toEqual(['token_missing']);
    const answer = (await remit.post(URL, silent, as('by-default'))).json<Answer>();
    expect(answer.context?.rationale.acting?.mode).toBe('human');
    // A token, where there is one, still says who acts.
    expect((await remit.post(URL, question(), as('by-default'))).json<Answer>().context?.rationale.acting?.mode).toBe(
      'delegated',
    );
  });

  it('can not vouch for an agent alone', async () => {
    const body = question({
      subject: { type: 'agent', id: 'planner' },
      resource: { type: 'repository', id: 'handbook' },
      context: { mode: 'human' },
    });
    expect(codes((await remit.post(URL, body, as('voucher'))).json())).toEqual(['subject_type_unknown']);
  });

  it('says nothing of a subject’s attributes that counts, without the flag', async () => {
    const suspended = await remit.mint({ user: 'alice', agent: 'retired-bot', scope: 'hr.employees.read' });
    const body = question({
      subject: { type: 'agent', id: 'retired-bot', properties: { suspended: false } },
      context: { token: suspended },
    });
    expect(codes((await remit.post(URL, body, as('voucher'))).json())).toEqual(['policy_forbid']);
  });

  it("sees its own decisions, an admin all, and nobody what isn't there", async () => {
    const { context } = (await remit.post(URL, question(), as('plain'))).json<Answer>();
    const get = (id: string, who: string) =>
      remit.app.inject({ method: 'GET', url: `/v1/decisions/${id}`, headers: { host: '127.0.0.1:7480', ...as(who) } });
    const id = context?.id ?? '';
    expect((await get(id, 'plain')).json()).toMatchObject({ id, client: 'plain', decision: true });
    expect((await get(id, 'admin')).statusCode).toBe(200);
    const other = await get(id, 'hr-only');
    const absent = await get('0199e2d8-0000-7000-8000-000000000000', 'plain');
    expect([other.statusCode, absent.statusCode, (await get('../x', 'plain')).statusCode]).toEqual([404, 404, 404]);
    expect(other.body).toBe(absent.body);
    const outcome = await remit.post(`/v1/decisions/${id}/outcome`, { outcome: 'executed' }, as('hr-only'));
    expect(outcome.statusCode).toBe(404);
  });

  it('is held to its rate', async () => {
    const burst = await Promise.all(Array.from({ length: 12 }, () => remit.post(URL, question(), as('slow'))));
    const refused = burst.filter((r) => r.statusCode === 429);
    expect(burst.filter((r) => r.statusCode === 200).length).toBeLessThanOrEqual(6); // Two windows at most.
    expect(refused.length).toBeGreaterThanOrEqual(6);
    expect(refused[0]?.json()).toMatchObject({ error: { code: 'rate_limited' } });
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThanOrEqual(0);
    expect((await remit.post(URL, question(), as('plain'))).statusCode).toBe(200);
  });
});

describe('an agent with its own token', () => {
  const own = (jwt: string) => ({ authorization: `Bearer ${jwt}` });
  const bare = (over: object = {}) => question({ context: undefined, ...over });

  it('asks for itself and gets what it needs, no more', async () => {
    const answer = (await remit.post(URL, bare(), own(token))).json<Answer>();
    expect(answer.decision).toBe(true);
    expect(Object.keys(answer.context ?? {}).sort()).toEqual([
      'evaluated_at',
      'evaluation_id',
      'id',
      'obligations',
      'reason_user',
      'reasons',
      'remedies',
      'valid_until',
    ]);
  });

  it('is told codes of the first failing step only, and no policies', async () => {
    const body = bare({ resource: { type: 'employee', id: 'zoe' }, action: { name: 'delete' } });
    const answer = (await remit.post(URL, body, own(token))).json<Answer>();
    expect(answer.context?.reasons).toEqual([{ code: 'relationship_missing' }]);
    expect(JSON.stringify(answer)).not.toMatch(/agents-never-delete|cedar|rationale|reason_admin/);
  });

  it('can not tell what is out of reach from what isn’t there', async () => {
    const said = async (id: string, headers: Record<string, string>) => {
      const body = headers['authorization']?.includes('key-of') === true ? question : bare;
      const answer = (await remit.post(URL, body({ resource: { type: 'employee', id } }), headers)).json<Answer>();
      const {
        id: _id,
        evaluation_id: _evaluation,
        evaluated_at: _at,
        valid_until: _until,
        ...rest
      } = answer.context ?? {};
      const own = Object.fromEntries(Object.entries(rest).filter(([name]) => name !== 'rationale'));
      return JSON.stringify({ ...answer, context: own }).replaceAll(id, 'it');
    };
    for (const headers of [own(token), as('plain')])
      expect(await said('zoe', headers)).toBe(await said('nobody-at-all', headers));
  });

  it('can not hide behind another token, another subject or its own word', async () => {
    const suspended = await remit.mint({ user: 'alice', agent: 'retired-bot', scope: 'hr.employees.read' });
    const other = (await remit.post(URL, question(), own(suspended))).json<Answer>();
    expect(other.decision).toBe(false);
    expect(
      (await remit.post(URL, bare({ subject: { type: 'user', id: 'bob' } }), own(token))).json<Answer>().context
        ?.reasons,
    ).toEqual([{ code: 'subject_mismatch' }]);
    const lie = bare({ subject: { type: 'agent', id: 'retired-bot', properties: { suspended: false } } });
    expect((await remit.post(URL, lie, own(suspended))).json<Answer>().decision).toBe(false);
  });

  it('is turned away with a token that is not valid, or not for Remit', async () => {
    const expired = await remit.mint({
      user: 'alice',
      agent: 'hr-assistant',
      scope: 'x',
      ttlSeconds: 1,
      now: new Date('2030-03-04T09:00:00Z'),
    });
    const elsewhere = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'x', audience: 'hr-api' });
    for (const jwt of [expired, elsewhere, `${token}x`, 'a.b.c']) {
      const response = await remit.post(URL, bare(), own(jwt));
      expect(response.statusCode).toBe(401);
    }
  });

  it('opens nothing but decisions', async () => {
    expect((await remit.post('/v1/relationships', { updates: [] }, own(token))).statusCode).toBe(403);
    expect((await remit.post('/v1/relationships', { updates: [] }, own(`${token}x`))).statusCode).toBe(401);
    const get = await remit.app.inject({
      method: 'GET',
      url: '/v1/decisions/0199e2d8-0000-7000-8000-000000000000',
      headers: { host: '127.0.0.1:7480', ...own(token) },
    });
    expect(get.statusCode).toBe(403);
  });
});

describe('a user', () => {
  it('opens neither decisions nor administration with a good token', async () => {
    const token = await remit.mint({ user: 'alice' });
    for (const url of [URL, '/v1/filter', '/v1/relationships', '/v1/revocations'])
      expect([url, (await remit.post(url, question(), { authorization: `Bearer ${token}` })).statusCode]).toEqual([
        url,
        403,
      ]);
  });

  it('is told for whom a route is, and that the token is a person’s or an agent’s; and a wrong key, that it is neither', async () => {
    const tell = async (url: string, credential: string): Promise<unknown> =>
      (await remit.post(url, question(), { authorization: `Bearer ${credential}` })).json<{ error: { message: string } }>().error.message;
    const person = await remit.mint({ user: 'alice' });
    const names = 'this token names a person, and no agent, and its client is none that can log in here.';
    expect(await tell(URL, person)).toBe(`This is for clients and agents: ${names}`);
    expect(await tell('/v1/filter', person)).toBe(`This is for clients: ${names}`);
    expect(await tell('/v1/filter', token)).toMatch(/^This is for clients: this token is an agent’s/);
    expect(await tell('/v1/consents', token)).toMatch(/^This is for (?:clients and )?people: this token is an agent’s/);
    const stranger = await remit.mint({ user: 'alice', agent: 'alice', scope: 'x' });
    expect(await tell(URL, stranger)).toMatch(/^This is for clients and agents: this token (?:names|is) /);
    expect(await tell(URL, 'abc')).toContain('neither the key of a client nor a token');
  }); // prettier-ignore
});

it.each(['evil.example', 'evil.example:7480', '127.0.0.1:7481', '127.0.0.1', 'localhost.evil.example:7480'])(
  'the Host %s is refused on loopback',
  async (host) => {
    const response = await remit.post(URL, question(), { ...as('plain'), host });
    expect(response.statusCode).toBe(421);
  },
);
