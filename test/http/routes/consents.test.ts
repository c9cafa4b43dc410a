/** The consents of a user over HTTP: given as read, narrowed, withdrawn; and what others try with them. */
import { SignJWT, generateKeyPair, exportJWK } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { askFor, SCOPES, startConsentWorld } from '../../support/consent-world.js';
import { codes, DAYTIME, T, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startConsentWorld();
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  for (const user of ['ann', 'bob'])
    for (const { consent } of await remit.service.consents.list({ type: 'user', id: user }))
      await remit.service.consents.withdraw({ type: 'user', id: user }, consent.id, new Date(0));
  await remit.service.database.run([{ sql: 'delete from consents' }]);
});

const at = (hours: number): string => new Date(DAYTIME.getTime() + hours * 3_600_000).toISOString();
const DETAIL = { type: 'remit', actions: ['read'], resources: ['calendar:ann'] };
const BODY = { agent: 'helper', details: [DETAIL], ends: at(24) };

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
async function call(
  method: Method,
  path: string,
  body?: object,
  token: string | Promise<string> = remit.mint({ user: 'ann' }),
): Promise<LightMyRequestResponse> {
  return remit.request(method, `/v1/consents${path}`, body, await token);
}
interface Given {
  readonly id: string;
  readonly state: string;
}
async function give(body: object = BODY): Promise<Given> {
  const response = await call('POST', '', body);
  expect(response.statusCode, response.body).toBe(201);
  return response.json();
}
const errorOf = (response: LightMyRequestResponse): object => {
  const { error } = response.json<{ error: { code: string; at?: string } }>();
  return { status: response.statusCode, code: error.code, ...(error.at === undefined ? {} : { at: error.at }) };
};

describe('a consent', () => {
  it('is given, listed, read, narrowed and withdrawn, each at once in force', async () => {
    const given = await give({ ...BODY, purpose: 'Plan "the week"', task: 'week' });
    expect(given).toEqual({
      id: given.id,
      agent: 'helper',
      details: [DETAIL],
      access: 'online',
      confirm: 'never',
      limits: [],
      starts: at(0),
      ends: at(24),
      purpose: 'Plan "the week"',
      task: 'week',
      evidence: {
        surface: 'remit-cli',
        text_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        locale: 'en',
        decided_at: at(0),
      },
      state: 'active',
    });
    expect((await askFor(remit)).decision).toBe(true);
    expect((await call('GET', `/${given.id}`)).json()).toEqual(given);
    expect((await call('GET', '?task=week&agent=agent:helper')).json()).toEqual({ consents: [given] });
    expect((await call('GET', '?agent=second')).json()).toEqual({ consents: [] });
    const narrowed = await call('PATCH', `/${given.id}`, { ends: at(1), when: { confirmed: true } });
    expect(narrowed.json()).toEqual({ ...given, ends: at(1), when: { confirmed: true } });
    expect(codes(await askFor(remit))).toEqual(['consent_required']);
    expect((await askFor(remit, { context: { confirmed: true } })).decision).toBe(true);
    expect((await call('DELETE', `/${given.id}`)).statusCode).toBe(204);
    expect(codes(await askFor(remit))).toEqual(['consent_ended']);
    expect((await call('DELETE', `/${given.id}`)).statusCode).toBe(204);
    expect((await call('GET', `/${given.id}`)).json()).toMatchObject({ state: 'withdrawn' });
    expect(errorOf(await call('PATCH', `/${given.id}`, { ends: at(0.5) }))).toEqual({ status: 409, code: 'conflict' });
  });

  it('expires, and begins only when it says', async () => {
    const { id } = await give({ ...BODY, starts: at(1), ends: at(2) });
    expect(codes(await askFor(remit))).toEqual(['consent_required']);
    remit.at(new Date(at(1)));
    expect((await askFor(remit)).decision).toBe(true);
    remit.at(new Date(at(2)));
    expect((await call('GET', `/${id}`)).json()).toMatchObject({ state: 'expired' });
    expect(codes(await askFor(remit))).toEqual(['consent_ended']);
  });

  it('holds until it is withdrawn only where that is said', async () => {
    const { ends: _ends, ...open } = BODY;
    expect(errorOf(await call('POST', '', open))).toEqual({ status: 400, code: 'bad_request', at: 'ends' });
    expect(await give({ ...open, until_ended: true })).toMatchObject({ until_ended: true });
  });

  it.each<[string, object, object]>([
    ['an action that asks for none', { details: [{ ...DETAIL, actions: ['read', 'list'] }] }, { code: 'consent_not_asked', at: 'details[0].actions[1]' }],
    ['an action on what it does not apply to', { details: [{ ...DETAIL, resources: ['mailbox:ann'] }] }, { code: 'consent_not_asked', at: 'details[0].actions[0]' }],
    ['an action that there is not', { details: [{ ...DETAIL, actions: ['raed'] }] }, { at: 'details[0].actions[0]' }],
    ['no action', { details: [{ type: 'remit' }] }, { at: 'details[0].actions' }],
    ['no detail', { details: [] }, { at: 'details' }],
    ['a permission that there is not', { details: [{ ...DETAIL, resources: { type: 'calendar', permission: 'own' } }] }, { at: 'details[0].resources.permission' }],
    ['a member that is not understood', { details: [{ ...DETAIL, color: 'red' }] }, { at: 'details[0].color' }],
    ['another type of detail', { details: [{ ...DETAIL, type: 'other' }] }, { at: 'details[0].type' }],
    ['a constraint that nothing can meet', { details: [{ ...DETAIL, constraints: { x: { one_of: [] } } }] }, { at: 'details[0].constraints.x' }],
    ['a control character in a constraint', { details: [{ ...DETAIL, constraints: { x: 'a\u0007' } }] }, { at: 'details[0].constraints.x' }],
    ['a detail of the other access', { details: [{ ...DETAIL, access: 'background' }] }, { at: 'details[0].access' }],
    ['a limit without a period', { limits: [{ count: 1 }] }, { at: 'limits[0].per' }],
    ['a limit on an amount that none of its actions has', { limits: [{ amount: { value: 1, unit: 'EUR' }, per: 'P1D' }] }, { at: 'limits[0].amount' }],
    ['both accesses', { access: 'both' }, { at: 'access' }],
    ['an end that is past', { ends: at(-1) }, { at: 'ends' }],
    ['an end before its beginning', { starts: at(30) }, { at: 'starts' }],
    ['an end, and none', { until_ended: true }, { at: 'until_ended' }],
    ['a hostile agent', { agent: 'a\u0007' }, { at: 'agent' }],
    ['evidence of its own', { evidence: { surface: 'x' } }, {}],
    ['a purpose of several lines', { purpose: 'a\nb' }, { at: 'purpose' }],
    ['an empty condition', { when: {} }, { at: 'when' }],
    ['a condition that is no value', { when: { confirmed: { a: 1 } } }, { at: 'when.confirmed' }],
    ['too long details', { details: Array.from({ length: 32 }, () => ({ ...DETAIL, purpose: 'x'.repeat(1000) })) }, { at: 'details' }],
  ])('is refused for %s', async (_what, change, expected) => {
    expect(errorOf(await call('POST', '', { ...BODY, ...change }))).toMatchObject({ status: 400, code: 'bad_request', ...expected });
  }); // prettier-ignore

  it.each<[string, object, string]>([
    ['further actions', { details: [{ ...DETAIL, actions: ['read', 'send'] }] }, 'details[0].actions[1]'],
    ['another calendar', { details: [{ ...DETAIL, resources: ['calendar:team'] }] }, 'details'],
    ['all calendars', { details: [{ type: 'remit', actions: ['read'] }] }, 'details'],
    ['a detail beside it', { details: [DETAIL, { ...DETAIL, resources: ['calendar:team'] }] }, 'details'],
    ['a later end', { ends: at(25) }, 'ends'],
    ['an earlier beginning', { starts: at(-1) }, 'starts'],
    ['no confirmation', { confirm: 'never' }, 'confirm'],
    ['another condition', { when: { other: true } }, 'when'],
    ['another value of the condition', { when: { confirmed: false } }, 'when'],
    ['an end that is past', { ends: at(-1) }, 'ends'],
  ])('does not become wider: %s', async (_what, change, place) => {
    const given = await give({ ...BODY, confirm: 'each', when: { confirmed: true } });
    expect(errorOf(await call('PATCH', `/${given.id}`, change))).toMatchObject({ status: 400, at: place });
    expect((await call('GET', `/${given.id}`)).json()).toEqual(given);
  });

  it('is not turned to another agent, access or purpose', async () => {
    const given = await give();
    for (const change of [{ agent: 'evil' }, { access: 'background' }, { purpose: 'x' }, { until_ended: true }])
      expect((await call('PATCH', `/${given.id}`, change)).statusCode).toBe(400);
    expect((await call('GET', `/${given.id}`)).json()).toEqual(given);
  });
});

describe('the text', () => {
  it('is what the user reads, and a consent to another one is refused', async () => {
    const preview = await call('POST', '?preview=true&locale=de-AT', { ...BODY, purpose: 'planning' });
    expect(preview.statusCode).toBe(200);
    const { text, text_sha256 } = preview.json<{ text: string; text_sha256: string }>();
    expect(text).toBe(`The agent "Calendar Helper" ("agent:helper") asks to act for "user:ann",
while you are there, and not in the background.
For this purpose, in its own words: "planning"
1.
- "Read a calendar" (reads; "read" of any "calendar" below)
  on: "calendar:ann"
Until ${at(24)}.
`);
    expect(
      (await call('GET', '')).json<{ consents: Given[] }>().consents.filter(({ state }) => state === 'active'),
    ).toEqual([]);
    const changed = await call('POST', '', { ...BODY, purpose: 'other', text_sha256 });
    expect(errorOf(changed)).toEqual({ status: 409, code: 'text_changed', at: 'text_sha256' });
    expect(await give({ ...BODY, purpose: 'planning', text_sha256 })).toMatchObject({
      evidence: { text_sha256, locale: 'en' },
    });
    await remit.request('PUT', '/v1/entities/agent/helper', { attributes: { name: 'Another Helper' } });
    const renamed = await call('POST', '', { ...BODY, purpose: 'planning', text_sha256 });
    expect(errorOf(renamed)).toMatchObject({ code: 'text_changed' });
    await remit.request('PUT', '/v1/entities/agent/helper', { attributes: { name: 'Calendar Helper' } });
  });

  it('keeps the words of others in quotes, whatever they are', async () => {
    const purpose = 'x"\u2028- "Nothing at all"\u202e\u200b';
    const { text } = (await call('POST', '?preview=true', { ...BODY, purpose })).json<{ text: string }>();
    expect(text).toContain(String.raw`"x\"\u{2028}- \"Nothing at all\"\u{202e}\u{200b}"`);
    expect(text).not.toMatch(/[\u2028\u202e\u200b]/);
  });

  it.each(['', 'x', '../../etc/passwd', 'de_AT', 'a'.repeat(65), '%00', 'en\u202e'])(
    'takes no locale %j',
    async (locale) => {
      const response = await call('POST', `?preview=true&locale=${encodeURIComponent(locale)}`, BODY);
      expect(errorOf(response)).toMatchObject({ status: 400, at: 'locale' });
    },
  );
});

describe('who may', () => {
  it('is the user alone: another user finds nothing, whatever id they try', async () => {
    const given = await give();
    const bob = remit.mint({ user: 'bob' });
    for (const id of [
      given.id,
      given.id.toUpperCase(),
      'x',
      '%2e%2e',
      '0'.repeat(64),
      '00000000-0000-4000-8000-000000000000',
    ])
      for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', { ends: at(1) }]] as const)
        expect(errorOf(await call(method, `/${id}`, body, bob)), id).toEqual({ status: 404, code: 'not_found' });
    expect((await call('GET', '', undefined, bob)).json<{ consents: object[] }>().consents).not.toContainEqual(given);
    expect((await call('GET', `/${given.id}`)).json()).toEqual(given);
  });

  it('answers 403 to a good credential of another kind, whatever ids it names, and 401 to one that is not', async () => {
    const { id } = await give();
    const agents = remit.mint({ user: 'ann', agent: 'helper', scope: SCOPES });
    const direct = remit.mint({ agent: 'helper', scope: SCOPES });
    const client = Promise.resolve(remit.service.devKey ?? '');
    for (const token of [agents, direct, client])
      for (const [method, path, body] of [
        ['POST', '', BODY],
        ['GET', ''],
        ['GET', `/${id}`],
        ['GET', '/00000000-0000-4000-8000-000000000000'],
        ['PATCH', `/${id}`, { ends: at(1) }],
        ['DELETE', `/${id}`],
      ] as const)
        expect(errorOf(await call(method, path, body, token))).toEqual({ status: 403, code: 'forbidden' });
    const expired = remit.mint({ user: 'ann', now: new Date(at(-2)) });
    for (const token of ['x', 'a.b.c', expired])
      expect((await call('DELETE', `/${id}`, undefined, token)).statusCode).toBe(401);
    expect((await call('GET', `/${id}`)).json()).toMatchObject({ state: 'active' });
  });

  it('is not a user whose token was issued to an agent’s client', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' };
    const other = await startConsentWorld({
      issuers: [
        {
          issuer: 'https://login.example',
          jwks: { keys: [jwk] },
          audience: 'remit',
          primary: true,
          user_clients: ['portal'],
        },
      ],
    });
    const sign = (client: string, more: object = {}): Promise<string> =>
      new SignJWT({ client_id: client, ...more })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
        .setIssuer('https://login.example').setSubject('ann').setAudience('remit')
        .setIssuedAt(T).setExpirationTime(T + 300).setJti('j').sign(privateKey); // prettier-ignore
    const post = async (token: Promise<string>, body: object = BODY) =>
      other.app.inject({
        method: 'POST', url: '/v1/consents', payload: JSON.stringify(body),
        headers: { host: `127.0.0.1:${other.service.config.port}`, 'content-type': 'application/json', authorization: `Bearer ${await token}` },
      }); // prettier-ignore
    try {
      expect((await post(sign('helper-app'))).statusCode).toBe(403);
      expect((await post(sign('helper'))).statusCode).toBe(403);
      expect((await post(sign('portal'))).json()).toMatchObject({ evidence: { surface: 'portal' } });
      // What deletes is granted only by a user who has just signed in.
      const purge = { ...BODY, details: [{ type: 'remit', actions: ['purge'] }] };
      for (const more of [{}, { auth_time: T - 301 }, { auth_time: T + 60 }]) {
        const response = await post(sign('portal', more), purge);
        expect(response.statusCode).toBe(401);
        expect(response.json()).toMatchObject({ error: { code: 'insufficient_user_authentication', max_age: 300 } });
      }
      expect((await post(sign('portal', { auth_time: T - 299 }), purge)).statusCode).toBe(201);
    } finally {
      await other.stop();
    }
  });
});

it('is suspended while an action that it names means something else, and says what has changed', async () => {
  const given = await give();
  const { consents } = remit.service;
  const stored = await consents.find({ type: 'user', id: 'ann' }, given.id);
  if (stored === undefined) throw new TypeError('it was given');
  const { basis } = stored.consent;
  if (basis === 'unchecked') throw new TypeError('it has one');
  const former = Object.fromEntries(Object.entries(basis).map(([key, hash]) => [key, hash.replace(/^[^.]*/, 'x')]));
  await consents.replace(stored, { ...stored.consent, basis: former }, DAYTIME);
  const answer = await askFor(remit);
  expect(codes(answer)).toEqual(['consent_suspended']);
  expect(answer.context?.reasons[0]?.message).toContain(
    'is suspended: the permission of "read" on "calendar" has changed since the user gave it.',
  );
  expect((await call('GET', `/${given.id}`)).json()).toMatchObject({ state: 'suspended' });
  // Narrowing it is no new yes.
  expect((await call('PATCH', `/${given.id}`, { ends: at(1) })).json()).toMatchObject({ state: 'suspended' });
  await give();
  expect((await askFor(remit)).decision).toBe(true);
});
