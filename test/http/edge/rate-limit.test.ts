/** Who is held to which rate: clients, the agents of a client, and addresses whose credentials are refused. */
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { clientNamed, startWith, T, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

const AGENT_RATE = 5;
const FAILED_RATE = 10;
const HEAVY_RATE = 20;
let remit: Running;
let key: Key;
let forged: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  forged = await makeKey('ES256', 'k1');
  remit = await startWith({
    listen: { trusted_proxies: ['10.1.0.0/16'] },
    limits: { agent_rate: AGENT_RATE, failed_rate: FAILED_RATE, deadline_ms: 30_000 },
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
    clients: [
      ...['one', 'two', 'vouching', 'mixed', 'many', 'forging', 'steady', 'known'].map((id) => ({
        ...clientNamed(id, 'api', 'evaluate', ...(id === 'vouching' ? ['asserts_subject'] : [])),
        rate: 12,
      })),
      { ...clientNamed('heavy', 'api', 'evaluate'), rate: HEAVY_RATE },
      { ...clientNamed('wide', 'api', 'evaluate'), rate: 1000 },
    ],
  });
  return () => remit.stop();
});

/** Time stands still, so that no bucket fills up while a slow machine asks. */
let now = 0;
beforeEach(() => {
  now = Math.max(now, performance.now()) + 60_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const token = (agent: string, { by = key, aud = 'api' } = {}): Promise<string> =>
  by.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    {
      iss: 'https://corp.example',
      sub: 'alice',
      aud,
      exp: T + 300,
      iat: T,
      scope: 'hr.employees.read',
      act: { sub: agent },
    },
  );
/** An agent's own, for a user of many. */
const userToken = (sub: string, aud: string): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: 'https://corp.example', sub, aud, exp: T + 300, iat: T, scope: 'hr.employees.read', act: { sub: `${sub}-agent` } },
  ); // prettier-ignore
const question = (context: object = {}, properties?: object): object => ({
  subject: { type: 'user', id: 'alice', ...(properties === undefined ? {} : { properties }) },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context,
});
const ask = (client: string, body: object, path = 'evaluation'): Promise<LightMyRequestResponse> =>
  remit.post(`/access/v1/${path}`, body, { authorization: `Bearer ${client}-key` });
const statuses = async (count: number, one: () => Promise<LightMyRequestResponse>): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < count; i += 1) all.push((await one()).statusCode);
  return all;
};
const passed = (all: readonly number[]): number => all.filter((status) => status !== 429).length;

describe('two agents of one client', () => {
  it("don't starve each other", async () => {
    const [greedy, modest] = [await token('hr-assistant'), await token('code-bot')];
    expect(passed(await statuses(40, () => ask('one', question({ token: greedy }))))).toBe(AGENT_RATE);
    expect(passed(await statuses(AGENT_RATE, () => ask('one', question({ token: modest }))))).toBe(AGENT_RATE);
    expect((await ask('one', question({ token: modest }))).statusCode).toBe(429);
  });

  it('together have no more than their client', async () => {
    let agents = 0;
    const all = await statuses(20, async () => ask('two', question({ token: await token(`agent-${agents++}`) })));
    expect(passed(all)).toBe(12);
  });

  it('are counted by whom their client vouches for, too', async () => {
    const vouched = (sub: string): object => question({}, { act: { sub } });
    expect(passed(await statuses(20, () => ask('vouching', vouched('hr-assistant'))))).toBe(AGENT_RATE);
    expect((await ask('vouching', vouched('code-bot'))).statusCode).toBe(200);
  });

  it('are counted in a batch, by its items', async () => {
    const both = { evaluations: [question({ token: await token('hr-assistant') }), question({ token: await token('code-bot') })] };
    expect(passed(await statuses(AGENT_RATE + 1, () => ask('mixed', both, 'evaluations')))).toBe(AGENT_RATE);
    expect((await ask('mixed', question({ token: await token('code-bot') }))).statusCode).toBe(429);
  }); // prettier-ignore

  it('are not counted by what a forged token says', async () => {
    const lie = await token('hr-assistant', { by: forged });
    const all = await statuses(AGENT_RATE + 2, () => ask('forging', question({ token: lie })));
    expect(passed(all)).toBe(AGENT_RATE + 2); // Denied, each of them.
    expect((await ask('forging', question({ token: await token('hr-assistant') }))).statusCode).toBe(200);
  });

  it('have their rate with each client, so that no client uses it up for another', async () => {
    const shared = await token('hr-assistant');
    await statuses(AGENT_RATE + 1, () => ask('steady', question({ token: shared })));
    expect((await ask('known', question({ token: shared }))).statusCode).toBe(200);
  });
});

describe('batches', () => {
  const batch = (count: number, template: object): object => ({
    ...template,
    evaluations: Array.from({ length: count }, () => ({})),
  });

  it('count each item of an agent that calls by itself, and ten of a client’s as one', async () => {
    const own = { authorization: `Bearer ${await token('batcher', { aud: 'remit' })}` };
    const asAgent = (count: number) => remit.post('/access/v1/evaluations', batch(count, question()), own);
    expect((await asAgent(20)).statusCode).toBe(200);
    const refused = await asAgent(1);
    // 5 were there, 20 were taken: 16 have to come back, at 5 a second.
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '4']);
    now += 4_000;
    expect((await asAgent(1)).statusCode).toBe(200);

    const vouched = batch(20, question({}, { act: { sub: 'hr-assistant' } }));
    now += 60_000;
    const both = await ask('vouching', vouched, 'evaluations');
    expect(both.headers['ratelimit']).toBe(`"caller";r=11;t=1, "agent";r=${AGENT_RATE - 2};t=1`);
  });

  it('of all agents of a user share its rate', async () => {
    now += 60_000;
    let agents = 0;
    const all = await statuses(3 * AGENT_RATE, async () =>
      remit.post('/access/v1/evaluation', question(), { authorization: `Bearer ${await token(`own-${agents++}`, { aud: 'remit' })}` }),
    );
    expect(passed(all)).toBe(AGENT_RATE);
  });

  it('of all users of an issuer share ten times its rate', async () => {
    now += 60_000;
    const own = async (sub: string, aud = 'remit') => ({ authorization: `Bearer ${await userToken(sub, aud)}` });
    let users = 0;
    const all = await statuses(15 * AGENT_RATE, async () => remit.post('/access/v1/evaluation', question(), await own(`user-${users++}`)));
    expect(passed(all)).toBe(10 * AGENT_RATE);
    // What is refused for one caller's own rate takes nothing of the others'.
    now += 60_000;
    await statuses(15 * AGENT_RATE, async () => remit.post('/access/v1/evaluation', question(), await own('greedy')));
    const others = await statuses(9 * AGENT_RATE, async () => remit.post('/access/v1/evaluation', question(), await own(`user-${users++}`)));
    expect(passed(others)).toBe(9 * AGENT_RATE);
    expect((await ask('wide', question())).statusCode).toBe(200);
  });

  it('of hundreds of tokens verify few at one time, and count the agents of all', async () => {
    now += 60_000;
    const { verifier } = remit.service.trust;
    const verify = verifier.verify.bind(verifier);
    let active = 0;
    let most = 0;
    const spy = vi.spyOn(verifier, 'verify').mockImplementation(async (...args) => {
      most = Math.max(most, (active += 1));
      return verify(...args).finally(() => (active -= 1));
    });
    const agents = Array.from({ length: 100 }, (_, i) => `of-many-${i}`);
    const evaluations = await Promise.all(agents.map(async (agent) => question({ token: await token(agent) })));
    // One has used up its rate before, so the whole is refused before a decision verifies anything.
    await statuses(AGENT_RATE, async () => ask('wide', question({ token: await token('of-many-99') })));
    most = 0;
    expect((await ask('wide', { evaluations }, 'evaluations')).statusCode).toBe(429);
    spy.mockRestore();
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('that are refused for the agent whose token came last leave the others their rate', async () => {
    now += 60_000;
    await statuses(AGENT_RATE, async () => ask('wide', question({ token: await token('spent') })));
    const both = { evaluations: [question({ token: await token('fresh') }), question({ token: await token('spent') })] };
    expect(passed(await statuses(AGENT_RATE, () => ask('wide', both, 'evaluations')))).toBe(0);
    expect(passed(await statuses(AGENT_RATE, async () => ask('wide', question({ token: await token('fresh') }))))).toBe(AGENT_RATE);
  });

  it('that their own body takes into debt pass, however low the rate is', async () => {
    now += 60_000;
    const long = { ...question(), x: 'x'.repeat(50 * 16 * 1024), evaluations: Array.from({ length: 200 }, () => ({})) };
    expect((await ask('steady', long, 'evaluations')).statusCode).toBe(200);
    expect((await ask('steady', question())).statusCode).toBe(429);
  });

  it('at one time are not more than the first of them leaves', async () => {
    now += 60_000;
    const own = { authorization: `Bearer ${await token('parallel', { aud: 'remit' })}` };
    const all = await Promise.all(
      Array.from({ length: AGENT_RATE }, () => remit.post('/access/v1/evaluations', batch(50, question()), own)),
    );
    expect(all.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
  });
}); // prettier-ignore

it('a dense body counts by what it has, and is refused unparsed where others took the rate', async () => {
  now += 60_000;
  const dense = (count: number): object => ({ ...question(), x: Array.from({ length: count }, () => []) });
  await ask('wide', dense(50_000));
  // 50 requests by its arrays; by its bytes it would have been 9.
  expect((await ask('wide', question())).headers['ratelimit']).toContain('"caller";r=948;');
  const flat = { ...question(), x: Array.from({ length: 200_000 }, () => 1) };
  await ask('wide', flat);
  expect((await ask('wide', question())).headers['ratelimit']).toContain('"caller";r=896;');

  now += 60_000;
  const statusesAtOnce = await Promise.all(Array.from({ length: 5 }, async () => (await ask('steady', dense(50_000))).statusCode));
  expect(statusesAtOnce.filter((status) => status === 429)).toHaveLength(4);
}); // prettier-ignore

it('a long body counts as several requests', async () => {
  now += 60_000;
  const long = { ...question(), x: 'x'.repeat(10 * 16 * 1024) };
  expect((await ask('wide', long)).headers['ratelimit']).toContain('"caller";r=989;');
});

it('what is refused says when to come back, and every answer what is left', async () => {
  const body = question({ token: await token('planner') });
  const first = await ask('wide', body);
  expect(first.headers).toMatchObject({
    'ratelimit-policy': `"caller";q=1000;w=1, "agent";q=${AGENT_RATE};w=1`,
    ratelimit: `"caller";r=999;t=1, "agent";r=${AGENT_RATE - 1};t=1`,
  });
  await statuses(AGENT_RATE - 1, () => ask('wide', body));
  const refused = await ask('wide', body);
  expect([refused.statusCode, refused.headers['retry-after'], refused.json()]).toEqual([
    429,
    '1',
    { error: { code: 'rate_limited', message: 'Too many requests; see Retry-After.' } },
  ]);
  expect(refused.headers['ratelimit']).toContain('"agent";r=0;t=1');
  now += 1000;
  expect((await ask('wide', body)).statusCode).toBe(200);
});

describe('failed authentications', () => {
  const from = (address: string, credential: string, more: object = {}): Promise<LightMyRequestResponse> =>
    remit.app.inject({
      method: 'GET',
      url: '/v1/scopes',
      remoteAddress: address,
      headers: { host: '127.0.0.1:7480', authorization: `Bearer ${credential}`, ...more },
    });

  it('are limited for each address, and lock out nobody who has a good credential', async () => {
    let guess = 0;
    const all = await statuses(FAILED_RATE + 5, () => from('192.0.2.1', `guess-${guess++}`));
    expect(all).toEqual([...Array<number>(FAILED_RATE).fill(401), ...Array<number>(5).fill(429)]);
    expect((await from('192.0.2.1', 'wide-key')).statusCode).toBe(200);
    const own = await token('planner', { aud: 'remit' });
    expect((await from('192.0.2.1', own)).statusCode).toBe(200);
    expect((await from('192.0.2.2', 'guess')).statusCode).toBe(401);
  });

  it('are not told apart by what a caller says of where it comes from', async () => {
    let n = 0;
    const all = await statuses(FAILED_RATE + 1, () => from('192.0.2.3', 'guess', { 'x-forwarded-for': `198.51.100.${n++}` }));
    expect(all.at(-1)).toBe(429);
  }); // prettier-ignore

  it('are told apart by what a trusted proxy says, where that is an address', async () => {
    const through = (forwarded: string) => from('10.1.2.3', 'guess', { 'x-forwarded-for': forwarded });
    expect((await statuses(FAILED_RATE + 1, () => through('198.51.100.7'))).at(-1)).toBe(429);
    expect((await through('198.51.100.8')).statusCode).toBe(401);
    // What stands before the last is the caller's own word.
    expect((await through('198.51.100.9, 198.51.100.7')).statusCode).toBe(429);
    let n = 0;
    expect((await statuses(FAILED_RATE + 1, () => through(`nonsense-${n++}`))).at(-1)).toBe(429);
  });

  it('count a /64 of IPv6 as one, and an IPv4 address the same in both its forms', async () => {
    let n = 0;
    expect((await statuses(FAILED_RATE + 1, () => from(`2001:db8:1:2::${n++}`, 'guess'))).at(-1)).toBe(429);
    expect((await from('2001:db8:1:3::1', 'guess')).statusCode).toBe(401);
    expect((await statuses(FAILED_RATE + 1, () => from('203.0.113.9', 'guess'))).at(-1)).toBe(429);
    expect((await from('::ffff:203.0.113.9', 'guess')).statusCode).toBe(429);
  });

  it('are counted at /health/ready like everywhere, and keep no one from asking without a key', async () => {
    const ready = (address: string, authorization?: string) =>
      remit.app.inject({
        url: '/health/ready',
        remoteAddress: address,
        headers: { host: '127.0.0.1:7480', ...(authorization === undefined ? {} : { authorization }) },
      });
    let guess = 0;
    const all = await statuses(FAILED_RATE + 5, () => ready('192.0.2.11', `Bearer guess-${guess++}`));
    expect(all).toEqual([...Array<number>(FAILED_RATE).fill(200), ...Array<number>(5).fill(429)]);
    expect((await from('192.0.2.11', 'guess')).statusCode).toBe(429);
    expect((await ready('192.0.2.11')).statusCode).toBe(200);
    expect((await ready('192.0.2.11', 'Bearer wide-key')).statusCode).toBe(200);
  });

  it('with a token count like those with a key', async () => {
    const lie = await token('planner', { by: forged, aud: 'remit' });
    expect((await statuses(FAILED_RATE + 1, () => from('192.0.2.9', lie))).at(-1)).toBe(429);
  });

  it('with forged tokens are refused unverified in the end, which keeps out no token that is known', async () => {
    now += 60_000;
    const verify = vi.spyOn(remit.service.credentials, 'verify');
    const known = await token('planner', { aud: 'remit' });
    expect((await from('192.0.2.20', known)).statusCode).toBe(200);
    verify.mockClear();
    let n = 0;
    const all = await statuses(5 * FAILED_RATE, async () =>
      from('192.0.2.20', await token(`forged-${n++}`, { by: forged, aud: 'remit' })),
    );
    expect(all.filter((status) => status === 401)).toHaveLength(FAILED_RATE);
    // The first was verified since nothing had failed yet.
    expect(verify.mock.calls.length).toBeLessThanOrEqual(FAILED_RATE + 1);
    expect((await from('192.0.2.20', known)).statusCode).toBe(200);
    expect((await from('192.0.2.20', 'wide-key')).statusCode).toBe(200);
    expect((await from('192.0.2.21', await token('new', { aud: 'remit' }))).statusCode).toBe(200);
    // Good tokens give back what they took.
    now += 1_000;
    await from('192.0.2.20', 'guess');
    const fresh = await statuses(2 * FAILED_RATE, async () =>
      from('192.0.2.20', await userToken(`fresh-${n++}`, 'remit')),
    );
    expect(fresh.filter((status) => status === 200)).toHaveLength(2 * FAILED_RATE);
  });

  it('with forged proofs of a token that is known are refused unverified in the end, and hold up no other token', async () => {
    now += 60_000;
    const bound = await key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
      {
        iss: 'https://corp.example',
        sub: 'alice',
        aud: 'remit',
        exp: T + 300,
        iat: T,
        act: { sub: 'bound' },
        cnf: { jkt: 'x'.repeat(43) },
      },
    );
    const prove = (proof: string): Promise<LightMyRequestResponse> =>
      remit.app.inject({
        method: 'GET',
        url: '/v1/scopes',
        remoteAddress: '192.0.2.30',
        headers: { host: '127.0.0.1:7480', authorization: `DPoP ${bound}`, dpop: proof },
      });
    const verify = vi.spyOn(remit.service.credentials, 'verify');
    let n = 0;
    const all = await statuses(5 * FAILED_RATE, () => prove(`forged.${n++}.proof`));
    expect(all.filter((status) => status === 401)).toHaveLength(FAILED_RATE);
    expect(verify.mock.calls.length).toBeLessThanOrEqual(FAILED_RATE + 2);
    expect((await from('192.0.2.30', await token('another', { aud: 'remit' }))).statusCode).toBe(200);
  });
});

describe('what needs no credential', () => {
  const OPEN_RATE = 500;
  const HEALTH_RATE = 5_000;
  const get = (url: string, address: string): Promise<LightMyRequestResponse> =>
    remit.app.inject({ url, remoteAddress: address, headers: { host: '127.0.0.1:7480' } });

  it('has a rate for each address at every route', async () => {
    now += 60_000;
    const routes: [string, number][] = [
      ['/health/live', HEALTH_RATE], ['/health/ready', HEALTH_RATE],
      ...['/.well-known/authzen-configuration', '/.well-known/oauth-protected-resource', '/docs/', '/nowhere'].map((path): [string, number] => [path, OPEN_RATE]),
    ];
    for (const [path, rate] of routes) {
      const all = await statuses(rate + 3, () => get(path, '203.0.113.100'));
      expect(passed(all), path).toBe(rate);
      const refused = await get(path, '203.0.113.100');
      expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '1']);
      expect((await get(path, '203.0.113.200')).statusCode).not.toBe(429);
    }
    now += 1_000;
    for (const [path] of routes) expect((await get(path, '203.0.113.100')).statusCode).not.toBe(429);
  });

  it('counts a long answer as several requests', async () => {
    now += 60_000;
    for (const path of ['/docs/static/swagger-ui-bundle.js', '/openapi.json', '/docs/json', '/docs/yaml']) {
      const { headers } = await get(path, '203.0.113.50');
      const cost = 1 + Math.floor(Number(headers['content-length']) / (16 * 1024));
      expect(cost).toBeGreaterThan(1);
      const most = Math.ceil(OPEN_RATE / cost);
      expect(passed(await statuses(most + 3, () => get(path, '203.0.113.50'))), path).toBe(most - 1);
    }
  });

  it('keeps no caller from asking, and no monitor', async () => {
    now += 60_000;
    await statuses(OPEN_RATE + 1, () => get('/nowhere', '127.0.0.1'));
    expect((await get('/nowhere', '127.0.0.1')).statusCode).toBe(429);
    expect((await get('/health/live', '127.0.0.1')).statusCode).toBe(200);
    expect((await ask('wide', question())).statusCode).toBe(200);
  });
}); // prettier-ignore

describe('records', () => {
  /** A question with properties of so many bytes in each of two parts, which are on record. */
  const weighing = async (bytes: number, agent = 'planner'): Promise<object> => ({
    subject: { type: 'user', id: 'alice', properties: { name: 'é'.repeat(bytes / 2) } },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin', properties: { ssn: 'é'.repeat(bytes / 2) } },
    context: { token: await token(agent) },
  });
  const takeWeights = async (client: string): Promise<number[]> => {
    await remit.service.decisions.flush();
    const [rows = []] = await remit.service.database.run([
      {
        sql: 'select octet_length(v.sealed) as bytes from records r join record_values v on v.record = r.id where r.client = $1',
        params: [client],
      },
      { sql: 'delete from records where client = $1', params: [client] },
    ]);
    return rows.map(({ bytes }) => Number(bytes) - SEALING_BYTES);
  };
  /** The bytes of a sealed record beside its JSON: a nonce, a tag, and the seed of its salts with its member's name. */
  const SEALING_BYTES = 12 + 16 + 65;
  const ORDINARY_BYTES = 8 * 1024;
  const RATE_BYTES = HEAVY_RATE * 16 * 1024;

  it('of a caller weigh no more than its rate lets bodies bring, but for those that are made at that moment', async () => {
    const batch = fc.record({
      bytes: fc.constantFrom(0, 2_000, 14_000, 30_000),
      items: fc.integer({ min: 1, max: 150 }),
      semantic: fc.constantFrom('execute_all', 'deny_on_first_deny'),
    });
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 3 }), async (batches) => {
        now += 60_000;
        const responses: LightMyRequestResponse[] = [];
        for (const { bytes, items, semantic } of batches)
          responses.push(
            await ask(
              'heavy',
              {
                ...(await weighing(bytes)),
                evaluations: Array.from({ length: items }, () => ({})),
                options: { evaluations_semantic: semantic },
              },
              'evaluations',
            ),
          );
        const weights = await takeWeights('heavy');
        const charged = weights.map((bytes) => Math.max(0, bytes - ORDINARY_BYTES));
        const longest = Math.max(0, ...charged);
        const atOnce = batches.some(({ semantic }) => semantic === 'execute_all') ? 64 : 1;
        // The database writes a record with blanks, which aren't counted.
        expect(charged.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1.1 * (RATE_BYTES + atOnce * longest));
        for (const response of responses) {
          seen.add(response.statusCode);
          if (response.statusCode !== 200) continue;
          const answers = response.json<{ evaluations: { decision: boolean; context?: { error?: { status: number } } }[] }>().evaluations;
          for (const { decision, context } of answers)
            if (context?.error !== undefined) expect([decision, context.error.status]).toEqual([false, 429]);
          // No record, no answer.
          expect(weights.length).toBeGreaterThanOrEqual(answers.filter(({ context }) => context?.error === undefined).length);
        }
      }),
      { numRuns: 12, examples: [[[{ bytes: 30_000, items: 150, semantic: 'deny_on_first_deny' }]]] },
    );
    expect(seen).toContain(200);
  }, 120_000); // prettier-ignore

  it('that weigh too much have their caller wait, and no other', async () => {
    const body = { ...(await weighing(30_000)), evaluations: Array.from({ length: 100 }, () => ({})) };
    const answers = (await ask('heavy', body, 'evaluations')).json<{ evaluations: { context?: { error?: object } }[] }>().evaluations;
    expect(answers.at(-1)?.context?.error).toMatchObject({ status: 429, code: 'rate_limited' });
    const refused = await ask('heavy', await weighing(0, 'hr-assistant'));
    expect(refused.statusCode).toBe(429);
    // Charged before they are made, they take their caller hardly into debt.
    expect(refused.headers['retry-after']).toBe('1');
    expect((await ask('wide', await weighing(0))).statusCode).toBe(200);
    now += 60_000;
    expect((await ask('heavy', await weighing(0, 'hr-assistant'))).statusCode).toBe(200);
    await takeWeights('heavy');
  }, 60_000); // prettier-ignore

  it('of ordinary weight cost nothing beyond their questions', async () => {
    const body = { ...(await weighing(0)), evaluations: Array.from({ length: 150 }, () => ({})) };
    const response = await ask('heavy', body, 'evaluations');
    expect(response.json<{ evaluations: { context?: { error?: object } }[] }>().evaluations.filter(({ context }) => context?.error !== undefined)).toEqual([]);
    expect((await ask('heavy', await weighing(0, 'hr-assistant'))).statusCode).toBe(200);
    await takeWeights('heavy');
  }, 60_000); // prettier-ignore
});
