/** Taking tokens back and ending sessions: in force at the next decision, whatever is kept. */
import { changeRecordsOf } from '../../support/record-values.js';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v4 as uuid } from 'uuid';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_REVOCATIONS_BY_USER } from '../../../src/http/routes/revocations.js';
import type { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import type { Database } from '../../../src/store/database/port.js';
import { Fault } from '../../../src/model/faults.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { RevocationStore } from '../../../src/store/revocations.js';
import type { RevocableToken, Revocation } from '../../../src/model/revocations.js';
import {
  clientNamed,
  codes,
  DAYTIME,
  start,
  startWith,
  step,
  T,
  type Answer,
  type Running,
} from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

let remit: Running;
let data: string;
let now = DAYTIME;
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'remit-revocations-'));
  remit = await start(undefined, data);
  return () => remit.stop();
});
beforeEach(() => {
  // Each test has a day of its own, so that what one revokes another doesn't see.
  now = new Date(now.getTime() + 86_400_000);
  now.setUTCHours(10, 0, 0, 0);
  remit.at(now);
});

const mint = (more: Parameters<Running['mint']>[0] | object = {}): Promise<string> =>
  remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', ...more });
const ask = (token: string, more: object = {}): Promise<Answer> =>
  remit.evaluate({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
    ...more,
  });
const revoke = async (body: object): Promise<Revocation> => {
  const response = await remit.post('/v1/revocations', body);
  expect(response.statusCode, response.body).toBe(201);
  return response.json();
};
const later = (seconds: number): void => remit.at((now = new Date(now.getTime() + seconds * 1000)));
const jtiOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti;

describe('a revocation', () => {
  it('of one token ends it at once, although it was kept, and no other', async () => {
    const [token, other] = [await mint(), await mint()];
    expect((await ask(token)).decision).toBe(true);
    const { id } = await revoke({ jti: jtiOf(token), reason: 'lost' });
    const answer = await ask(token);
    expect(codes(answer)).toEqual(['token_revoked']);
    expect(answer.context?.reasons[0]?.message).toBe(`The revocation ${id} (jti) covers the token.`);
    expect(answer.context?.reason_user['403']).toBe('The token has been revoked.');
    expect((await ask(other)).decision).toBe(true);
  });

  it.each<[string, object]>([
    ['a user', { user: 'alice' }],
    ['an agent', { agent: 'hr-assistant' }],
    ['a pair', { user: 'alice', agent: 'hr-assistant' }],
    ['an issuer', { issuer: 'urn:remit:development' }],
    ['a user by an id that is not a reference', { user: { id: 'alice' } }],
    ['a user as tokens state them', { user: { issuer: 'urn:remit:development', sub: 'alice' } }],
    ['an agent as tokens state them', { agent: { issuer: 'urn:remit:development', sub: 'hr-assistant' } }],
  ])('of %s ends the tokens that are out, and new ones are good again', async (_of, selectors) => {
    const token = await mint();
    expect((await ask(token)).decision).toBe(true);
    await revoke(selectors);
    expect(codes(await ask(token))).toEqual(['token_revoked']);
    later(1);
    // Its issuer's clock may be ahead by this much: one dated a little later may be older than the revocation.
    expect(codes(await ask(await mint()))).toEqual(['token_revoked']);
    later(10);
    expect((await ask(await mint())).decision).toBe(true);
    expect(codes(await ask(token))).toEqual(['token_revoked']);
  });

  it('of a pair leaves both alone with others', async () => {
    const token = await mint();
    await revoke({ user: 'bob', agent: 'hr-assistant' });
    await revoke({ user: 'alice', agent: 'payroll-exporter' });
    expect((await ask(token)).decision).toBe(true);
  });

  it('of an agent that passed a delegation on ends what came of it, although the token leaves the agent out', async () => {
    const liam = { user: 'liam', agent: 'code-bot', scope: 'code.read' };
    const read = async (token: string): Promise<Answer> =>
      ask(token, { subject: { type: 'user', id: 'liam' }, resource: { type: 'repository', id: 'payments-api' } });
    const token = await mint(liam);
    expect(codes(await read(token))).toEqual([]);
    await revoke({ agent: 'planner' });
    const answer = await read(token);
    expect(codes(answer)).toEqual(['token_revoked']);
    expect(answer.context?.reasons[0]?.step).toBe('delegation');
    later(60);
    expect(codes(await read(await mint(liam)))).toEqual([]);
  });

  it('of an agent’s session ends what it passed on in that session', async () => {
    const liam = { user: 'liam', agent: 'code-bot', scope: 'code.read', session: 'liam-1' };
    const read = async (token: string): Promise<Answer> =>
      ask(token, { subject: { type: 'user', id: 'liam' }, resource: { type: 'repository', id: 'payments-api' } });
    await revoke({ agent: 'planner', session: 'liam-1' });
    expect(codes(await read(await mint(liam)))).toEqual(['session_ended']);
    expect(codes(await read(await mint({ ...liam, session: 'liam-2' })))).toEqual([]);
  });

  it('of an agent ends what it passed on', async () => {
    const token = await mint({ chain: ['planner'] });
    expect((await ask(token)).decision).toBe(true);
    await revoke({ agent: 'planner' });
    expect(codes(await ask(token))).toEqual(['token_revoked']);
  });

  it('of what was issued before a time', async () => {
    const old = await mint({ ttlSeconds: 3600 });
    later(60);
    const recent = await mint();
    await revoke({ issued_before: new Date(now.getTime() - 30_000).toISOString() });
    expect(codes(await ask(old))).toEqual(['token_revoked']);
    expect((await ask(recent)).decision).toBe(true);
  });

  it('counts in a batch, for an agent that calls by itself, and after a restart', async () => {
    const token = await mint();
    await revoke({ jti: jtiOf(token) });
    const batch = await remit.post('/access/v1/evaluations', {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      evaluations: [{ context: { token } }, { context: { token: await mint() } }],
    });
    expect(batch.json<{ evaluations: Answer[] }>().evaluations.map((a) => [a.decision, codes(a)])).toEqual([
      [false, ['token_revoked']],
      [true, []],
    ]);
    const direct = await remit.post('/access/v1/evaluation', {}, { authorization: `Bearer ${token}` });
    expect([direct.statusCode, direct.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^Bearer error="invalid_token"/),
    ]);
    await remit.stop({ keep: true });
    remit = await start(undefined, data);
    remit.at(now);
    expect(codes(await ask(token))).toEqual(['token_revoked']);
  });

  it('is listed, the newest first', async () => {
    await revoke({ user: 'nobody', reason: 'first' });
    await revoke({ jti: 'j', reason: 'second' });
    const response = await remit.request('GET', '/v1/revocations?limit=2');
    expect(response.json()).toEqual({
      revocations: [
        {
          id: expect.any(String) as string,
          jti: 'j',
          reason: 'second',
          revoked_at: now.toISOString(),
          revoked_by: 'dev',
        },
        {
          id: expect.any(String) as string,
          user: 'nobody',
          reason: 'first',
          issued_before: new Date(now.getTime() + 5000).toISOString(),
          revoked_at: now.toISOString(),
          revoked_by: 'dev',
        },
      ],
    });
  });

  it.each([
    ['nothing', {}, ''],
    ['only a reason', { reason: 'x' }, ''],
    ['a member that is not known', { token: 'x' }, ''],
    ['an id that is none', { user: '' }, 'user'],
    ['a time that is none', { issued_before: 'yesterday' }, 'issued_before'],
    ['a time finer than it is kept', { issued_before: '2030-01-01T00:00:00.0009Z' }, 'issued_before'],
    ['a day that is none', { issued_before: '2030-02-30T00:00:00Z' }, 'issued_before'],
    ['a session with a control character', { session: 'a\nb' }, 'session'],
    // Either alice, or the person whose token states this `sub`: a revocation can't be undone, so none is guessed.
    ['a user as a reference, which is also an id', { user: 'user:alice' }, 'user'],
    ['an agent as a reference', { agent: 'agent:hr-assistant' }, 'agent'],
    ['a subject of an issuer that is none', { user: { issuer: 'https://other.example', sub: 'alice' } }, 'user.issuer'],
    ['an issuer that is none', { issuer: 'https://other.example' }, 'issuer'],
    ['a user by half a name', { user: { issuer: 'urn:remit:development' } }, 'user'],
  ])('of %s is 400', async (_of, body, at) => {
    const response = await remit.post('/v1/revocations', body);
    expect([response.statusCode, response.json<{ error: { at?: string } }>().error.at ?? '']).toEqual([400, at]);
  });
});

describe('an issuer that is not configured', () => {
  const [ISSUER, SLIP] = ['urn:remit:development', 'urn:remit:development/'];
  const listed = async (): Promise<number> =>
    (await remit.request('GET', '/v1/revocations?limit=1000')).json<{ revocations: object[] }>().revocations.length;

  it.each<[string, object]>([
    ['alone', {}],
    ['a token', { jti: 'j' }],
    ['a user', { user: 'alice' }],
    ['an agent', { agent: 'hr-assistant' }],
    ['a pair', { user: 'alice', agent: 'hr-assistant' }],
    ['a session', { session: 's' }],
    ['a time', { issued_before: DAYTIME.toISOString() }],
  ])('is refused where it stands with %s: the revocation would end nothing', async (_with, more) => {
    const before = await listed();
    for (const issuer of [SLIP, ISSUER.toUpperCase(), ` ${ISSUER}`]) {
      const response = await remit.post('/v1/revocations', { issuer, ...more });
      expect([response.statusCode, response.json<{ error: object }>().error]).toEqual([
        400,
        expect.objectContaining({
          at: 'issuer',
          message: `is not a configured issuer (did you mean "${ISSUER}"?)`,
        }),
      ]);
    }
    expect(await listed()).toBe(before);
  });

  it('is refused as that of a party, too', async () => {
    for (const body of [{ user: { issuer: SLIP, sub: 'alice' } }, { agent: { issuer: SLIP, sub: 'hr-assistant' } }]) {
      const response = await remit.post('/v1/revocations', body);
      expect([response.statusCode, response.json<{ error: { message: string } }>().error.message]).toEqual([
        400,
        `is not a configured issuer (did you mean "${ISSUER}"?)`,
      ]);
    }
  });
});

describe('a person whose id is nearly that of another', () => {
  let company: Running;
  let keys: Record<'corp' | 'partner', Key>;
  const ISSUERS = { corp: 'https://corp.example', partner: 'https://partner.example' } as const;
  beforeAll(async () => {
    keys = { corp: await makeKey('ES256', 'corp'), partner: await makeKey('ES256', 'partner') };
    company = await startWith({
      issuers: [
        { issuer: ISSUERS.corp, audience: 'hr-api', primary: true, jwks: { keys: [keys.corp.jwk] } },
        {
          issuer: ISSUERS.partner,
          audience: 'hr-api',
          alias: 'partner',
          jwks: { keys: [keys.partner.jwk] },
          actors_from: [ISSUERS.corp],
        },
      ],
      clients: [clientNamed('hr-api', 'hr-api', 'evaluate'), clientNamed('root', 'hr-api', 'admin')],
    });
    const users = ['alice', 'user:alice', 'partner|alice', 'partner|user:alice'];
    const relationships = users.flatMap((id) => [
      { resource: { type: 'agent', id: 'hr-assistant' }, relation: 'delegator', subject: { type: 'user', id } },
      { resource: { type: 'employee', id: 'erin' }, relation: 'manager', subject: { type: 'user', id } },
    ]);
    const written = await company.post(
      '/v1/relationships',
      { updates: relationships.map((relationship) => ({ operation: 'touch', relationship })) },
      { authorization: 'Bearer root-key' },
    );
    expect(written.statusCode, written.body).toBe(200);
    return () => company.stop();
  });

  const state = (body: object) => company.post('/v1/revocations', body, { authorization: 'Bearer root-key' });
  /** The ids whose tokens are revoked, of the four. */
  const listRevoked = async (): Promise<string[]> => {
    const revoked: string[] = [];
    for (const issuer of ['corp', 'partner'] as const)
      for (const sub of ['alice', 'user:alice']) {
        const token = await keys[issuer].sign(
          { alg: 'ES256', typ: 'at+jwt', kid: issuer },
          { iss: ISSUERS[issuer], aud: 'hr-api', sub, iat: T, exp: T + 300, scope: 'hr.employees.read', act: { iss: ISSUERS.corp, sub: 'hr-assistant' } },
        );
        const id = issuer === 'corp' ? sub : `partner|${sub}`;
        const body = { subject: { type: 'user', id }, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' }, context: { token } };
        const answer = (await company.post('/access/v1/evaluation', body, { authorization: 'Bearer hr-api-key' })).json<Answer>();
        expect([[], ['token_revoked']]).toContainEqual(codes(answer));
        if (!answer.decision) revoked.push(id);
      }
    return revoked;
  }; // prettier-ignore

  it('is told from them, however they are named', async () => {
    expect(await listRevoked()).toEqual([]);
    for (const ambiguous of ['user:alice', 'user:nobody']) {
      const response = await state({ user: ambiguous });
      expect(response.statusCode).toBe(400);
      expect(response.json<{ error: { message: string } }>().error.message).toContain(`{"id": "${ambiguous}"}`);
    }
    // The partner's tokens name nobody without its alias.
    expect((await state({ issuer: ISSUERS.partner, user: 'alice' })).json()).toMatchObject({
      error: { at: 'user', message: expect.stringContaining('"partner|…"') as string },
    });
    expect((await state({ user: { issuer: ISSUERS.corp, sub: 'partner|alice' } })).statusCode).toBe(400);
    expect(
      (await state({ issuer: ISSUERS.corp, user: { issuer: ISSUERS.partner, sub: 'alice' } })).json(),
    ).toMatchObject({
      error: { at: 'user.issuer', message: expect.stringContaining('is not the "issuer" of the revocation') as string },
    });
    expect(await listRevoked()).toEqual([]);

    const revoked = new Set<string>();
    for (const [user, id] of [
      [{ issuer: ISSUERS.partner, sub: 'user:alice' }, 'partner|user:alice'],
      [{ id: 'user:alice' }, 'user:alice'],
      ['partner|alice', 'partner|alice'],
      [{ issuer: ISSUERS.corp, sub: 'alice' }, 'alice'],
    ] as const) {
      const response = await state({ user });
      expect(response.json<Revocation>().user).toBe(id);
      revoked.add(id);
      expect(new Set(await listRevoked())).toEqual(revoked);
    }
  });
});

describe('where no issuer is the primary one', () => {
  let company: Running;
  beforeAll(async () => {
    const key = await makeKey('ES256', 'k');
    company = await startWith({
      issuers: [{ issuer: 'https://partner.example', audience: 'hr-api', alias: 'partner', jwks: { keys: [key.jwk] } }],
      clients: [clientNamed('root', 'hr-api', 'admin')],
    });
    // The development issuer, whose ids are bare, is there for the sample alone.
    company.service.trust.issuers.replace(company.service.trust.configured.issuers);
    return () => company.stop();
  });

  it.each(['user', 'agent'])('a bare id of a %s is refused, and the message says how ids look', async (place) => {
    const response = await company.post('/v1/revocations', { [place]: 'dave' }, { authorization: 'Bearer root-key' });
    expect([response.statusCode, response.json()]).toEqual([
      400,
      {
        error: expect.objectContaining({
          at: place,
          message:
            'is no id that a token can name: the ids of the configured issuers are "partner|…"; write it so, or as {"issuer": …, "sub": …}',
        }) as object,
      },
    ]);
  });
});

describe('a session', () => {
  const end = (id: string, authorization?: string) =>
    remit.app.inject({
      method: 'DELETE',
      url: `/v1/sessions/${encodeURIComponent(id)}`,
      headers: { host: '127.0.0.1:7480', authorization: authorization ?? `Bearer ${remit.service.devKey ?? ''}` },
    });

  it('that is ended denies in the delegation step, and says so', async () => {
    const token = await mint({ session: 's 1/ü' });
    const other = await mint({ session: 's2' });
    expect((await ask(token)).decision).toBe(true);
    expect((await end('s 1/ü')).statusCode).toBe(204);
    const answer = await ask(token);
    expect(codes(answer)).toEqual(['session_ended']);
    expect([step(answer, 'token')?.outcome, step(answer, 'delegation')?.outcome]).toEqual(['pass', 'deny']);
    expect((await ask(other)).decision).toBe(true);
    expect((await end('s 1/ü')).statusCode).toBe(204);
    expect((await end('never was')).statusCode).toBe(204);
    // It stays ended for tokens that are minted for it afterwards.
    later(60);
    expect(codes(await ask(await mint({ session: 's 1/ü' })))).toEqual(['session_ended']);
  });

  it('is not ended by an agent, nor by a stranger', async () => {
    const token = await mint({ session: 's3' });
    expect((await end('s3', `Bearer ${token}`)).statusCode).toBe(403);
    expect((await end('s3', 'Bearer nobody')).statusCode).toBe(401);
    expect((await ask(token)).decision).toBe(true);
  });
});

describe('a request that is held back', () => {
  let live: Running;
  let host: string;
  beforeAll(async () => {
    live = await start();
    host = new URL(await live.app.listen({ host: '127.0.0.1', port: 0 })).host;
    return () => live.stop();
  });
  beforeEach(() => live.at(now));

  /** The headers are sent now, the body when it is told. */
  const held = async (token: string): Promise<(body: object) => Promise<Answer>> => {
    const sent = request(`http://${host}/access/v1/evaluation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    });
    const arrived = once(live.app.server, 'request');
    sent.flushHeaders();
    await arrived;
    // Who asks is verified by then, or at the latest before the answer.
    await new Promise((resolve) => setTimeout(resolve, 200));
    return (body) =>
      new Promise((resolve, reject) => {
        sent.on('error', reject).on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve(JSON.parse(text) as Answer));
        });
        sent.end(JSON.stringify(body));
      });
  };
  const take = async (token: string): Promise<unknown> =>
    expect((await live.post('/v1/revocations', { jti: jtiOf(token) }, { host })).statusCode).toBe(201);
  const recorded = async (): Promise<number> => {
    const [rows] = await live.service.database.run([{ sql: 'select count(*)::int as n from records' }]);
    return Number(rows?.[0]?.['n']);
  };
  const own = (): Promise<string> =>
    live.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', session: 'held' });
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    // The agent itself says that it masks what it reads.
    context: { supported_obligations: ['mask'] },
  };

  it.each<[string, (token: string) => unknown, string[]]>([
    ['as long as nothing happens, is answered', () => undefined, []],
    ['until the token has expired, is denied', () => live.at(new Date(now.getTime() + 301_000)), ['token_expired']],
    ['until the token is revoked, is denied', take, ['token_revoked']],
    [
      'until the session has ended, is denied',
      () =>
        live.app.inject({
          method: 'DELETE',
          url: '/v1/sessions/held',
          headers: { host, authorization: `Bearer ${live.service.devKey ?? ''}` },
        }),
      ['session_ended'],
    ],
  ])('%s', async (_until, happens, reasons) => {
    const token = await own();
    const finish = await held(token);
    await happens(token);
    expect(codes(await finish(question))).toEqual(reasons);
  });

  it('by an agent’s batch, is denied from the item on at which the token was revoked', async () => {
    const token = await live.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    const evaluations = Array.from({ length: 1000 }, () => ({}));
    const before = await recorded();
    const pending = live.post(
      '/access/v1/evaluations',
      { ...question, evaluations, options: { evaluations_semantic: 'deny_on_first_deny' } },
      { host, authorization: `Bearer ${token}` },
    );
    await vi.waitUntil(async () => (await recorded()) > before);
    await take(token);
    const answers = (await pending).json<{ evaluations: Answer[] }>().evaluations;
    expect(answers.length).toBeLessThan(1000);
    expect(codes(answers.at(-1) as Answer)).toEqual(['token_revoked']);
  });
});

describe('a user with a token of their own', () => {
  let company: Running;
  let key: Key;
  beforeAll(async () => {
    key = await makeKey('ES256', 'k1');
    company = await startWith({
      issuers: [
        { issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] }, shape: ['act', 'agent'], user_clients: ['web', 'phone'] },
        { issuer: 'https://other.example', audience: 'remit', alias: 'other', jwks: { keys: [key.jwk] }, shape: ['act', 'agent'] },
      ],
      clients: [clientNamed('hr-api', 'hr-api', 'evaluate')],
    }); // prettier-ignore
    return () => company.stop();
  });

  const token = (claims: object): Promise<string> =>
    key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
      { iss: 'https://corp.example', aud: 'remit', iat: T, exp: T + 300, scope: 'hr.employees.read', ...claims },
    );
  const end = async (claims: object, session = 's9'): Promise<number> =>
    (
      await company.app.inject({
        method: 'DELETE',
        url: `/v1/sessions/${session}`,
        headers: { host: '127.0.0.1:7480', authorization: `Bearer ${await token(claims)}` },
      })
    ).statusCode;
  const reads = async (user: string): Promise<string[]> => {
    const context = { token: await token({ sub: user, aud: 'hr-api', act: { sub: 'hr-assistant' }, sid: 's9' }) };
    const resource = { type: 'employee', id: user === 'bob' ? 'zoe' : 'erin' };
    const body = { subject: { type: 'user', id: user }, action: { name: 'read' }, resource, context };
    return codes((await company.post('/access/v1/evaluation', body, { authorization: 'Bearer hr-api-key' })).json());
  };

  it.each([
    ['a token for another service', { sub: 'alice', aud: 'hr-api' }],
    ['a bound token without its proof', { sub: 'alice', cnf: { jkt: 'A'.repeat(43) } }],
  ])('is not %s', async (_who, claims) => {
    expect(await end(claims)).toBe(401);
    expect(await reads('alice')).toEqual([]);
  });

  it.each([
    ['an agent for them', { sub: 'alice', act: { sub: 'hr-assistant' } }],
    ['an agent alone', { sub: 'hr-assistant', client_id: 'hr-assistant' }],
    ['what may be a client alone', { sub: 'web', client_id: 'web' }],
    ['an agent that the entity store knows', { sub: 'planner' }],
    ['a party that is no person', { sub: 'alice', sub_profile: 'service' }],
    ['an agent that is its client', { sub: 'alice', client_id: 'hr-assistant' }],
    ['an agent that is its client, as it calls itself', { sub: 'alice', azp: 'web', client_id: 'code-bot' }],
    ['an application that is not for people', { sub: 'alice', client_id: 'batch' }],
    ['no client at all', { sub: 'alice' }],
    ['an issuer without applications for people', { iss: 'https://other.example', sub: 'alice', client_id: 'web' }],
  ])('does not come from %s', async (_from, claims) => {
    expect(await end(claims)).toBe(403);
    expect(await reads('alice')).toEqual([]);
  });

  it('ends their own session, and nobody else’s of the same name', async () => {
    expect([await reads('alice'), await reads('bob')]).toEqual([[], []]);
    expect(await end({ sub: 'alice', client_id: 'web' })).toBe(204);
    expect([await reads('alice'), await reads('bob')]).toEqual([['session_ended'], []]);
    // And of that session it can do nothing more.
    expect(await end({ sub: 'alice', client_id: 'web', sid: 's9' })).toBe(401);
  });

  it('fills nothing without end: so many sessions, and then an admin is asked', async () => {
    const filled = (n: number) =>
      company.service.database.run([
        { sql: `insert into revocations (id, at, revocation) select gen_random_uuid(), now(), '{"revokedBy":"user:carol","jti":"x","revokedAt":"2030-01-01T00:00:00Z"}' from generate_series(1, ${n})` },
      ]); // prettier-ignore
    await filled(MAX_REVOCATIONS_BY_USER - 1);
    expect(await end({ sub: 'carol', client_id: 'web', sid: 'own' }, 'the-last')).toBe(204);
    expect(await end({ sub: 'carol', client_id: 'web', sid: 'own' }, 'one-more')).toBe(429);
    expect(await end({ sub: 'carol', client_id: 'web', sid: 'own' }, 'the-last')).toBe(204);
  });

  it('asks for no decisions', async () => {
    const authorization = `Bearer ${await token({ sub: 'alice' })}`;
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' } };
    expect((await company.post('/access/v1/evaluation', body, { authorization })).statusCode).toBe(403);
  }); // prettier-ignore
});

describe('the store', () => {
  const token: RevocableToken = { issuer: 'i', jti: 'j', user: 'u', actors: [{ id: 'a' }, { id: 'b' }], session: 's', txn: 't', issuedAt: T }; // prettier-ignore
  const revocation = (more: Partial<Revocation>): Revocation => ({
    id: uuid(),
    revokedAt: DAYTIME.toISOString(),
    revokedBy: 'test',
    ...more,
  });
  let real: PgliteDatabase;
  let down = false;
  /** The real database as several replicas share it. */
  const database: Database = {
    exclusive: false,
    run: (statements) => (down ? Promise.reject(new Fault('database_unavailable')) : real.run(statements)),
    stats: () => real.stats(),
    close: () => real.close(),
  };
  beforeAll(async () => {
    real = new ScratchDatabase();
    await migrateSchema(real);
    return () => real.close();
  });
  beforeEach(() => real.run([{ sql: 'delete from revocations' }]));

  it.each<[string, Partial<Revocation>, 'token' | 'session' | undefined]>([
    ['by jti', { jti: 'j' }, 'token'],
    ['by jti and another issuer', { jti: 'j', issuer: 'x' }, undefined],
    ['by an earlier agent', { agent: 'b' }, 'token'],
    ['by sid', { session: 's' }, 'session'],
    ['by txn', { session: 't' }, 'session'],
    ['by a session of another user', { session: 's', user: 'x' }, undefined],
    ['by a time before it', { user: 'u', issuedBefore: T }, undefined],
    ['by a time after it', { user: 'u', issuedBefore: T + 1 }, 'token'],
    ['by a time alone', { issuedBefore: T + 1 }, 'token'],
    ['by everything', { jti: 'j', issuer: 'i', user: 'u', agent: 'a', session: 't' }, 'session'],
    ['by values that only run together alike', { user: 'u","a' }, undefined],
  ])('finds a token %s', async (_by, members, what) => {
    const store = new RevocationStore(database, changeRecordsOf(database));
    await store.add(revocation(members));
    expect((await store.find(token))?.what).toBe(what);
  });

  it('counts a token that does not say when it was issued as old', async () => {
    const store = new RevocationStore(database, changeRecordsOf(database));
    await store.add(revocation({ user: 'u', issuedBefore: 1 }));
    expect((await store.find({ ...token, issuedAt: undefined }))?.what).toBe('token');
  });

  it('lets no later revocation make an earlier one smaller', async () => {
    const store = new RevocationStore(database, changeRecordsOf(database));
    await store.add(revocation({ user: 'u', issuedBefore: T + 1 }));
    await store.add(revocation({ user: 'u', issuedBefore: T - 100 }));
    expect((await store.find(token))?.what).toBe('token');
  });

  it('sees what another replica has revoked within a second', async () => {
    const [one, two] = [
      new RevocationStore(database, changeRecordsOf(database)),
      new RevocationStore(database, changeRecordsOf(database)),
    ];
    expect(await two.find(token)).toBeUndefined();
    await one.add(revocation({ jti: 'j' }));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect((await two.find(token))?.what).toBe('token');
  });

  it('answers nothing where it can not ask', async () => {
    const store = new RevocationStore(database, changeRecordsOf(database));
    down = true;
    await expect(store.find(token)).rejects.toThrow(Fault);
    down = false;
    expect(await store.find(token)).toBeUndefined();
  });
});
