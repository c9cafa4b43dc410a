/** Agents that ask their users for consent: what is missing and no more, and what the user decides of it. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { MAX_PENDING_REQUESTS_OF_PAIR } from '../../../src/store/consent-requests.js';
import { askFor, CONSENT_FILES, SCOPES, startConsentWorld } from '../../support/consent-world.js';
import { codes, DAYTIME, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startConsentWorld();
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  const ann = { type: 'user', id: 'ann' };
  for (const { consent } of await remit.service.consents.list(ann))
    await remit.service.consents.withdraw(ann, consent.id, new Date(0));
  await remit.service.database.run([{ sql: 'delete from consents' }, { sql: 'delete from consent_requests' }]);
});

const at = (hours: number): string => new Date(DAYTIME.getTime() + hours * 3_600_000).toISOString();
const READ = { type: 'remit', actions: ['read'], resources: ['calendar:ann'] };
const SEND = { type: 'remit', actions: ['send', 'purge'], resources: ['mailbox:ann'] };

const agentToken = (agent = 'helper', more: object = {}): Promise<string> =>
  remit.mint({ user: 'ann', agent, scope: SCOPES, ...more });
const userToken = (user = 'ann'): Promise<string> => remit.mint({ user });
async function call(
  method: 'GET' | 'POST',
  path: string,
  token: string | Promise<string>,
  body?: object,
): Promise<LightMyRequestResponse> {
  return remit.request(method, `/v1/consents/requests${path}`, body, await token);
}
interface Asked {
  readonly id: string;
  readonly have: readonly { readonly titles: readonly string[] }[];
  readonly missing: readonly { readonly titles: readonly string[]; readonly detail: object }[];
  readonly never: readonly { readonly titles: readonly string[] }[];
  readonly review_url: string;
}
async function ask(body: object, token = agentToken()): Promise<Asked> {
  const response = await call('POST', '', token, body);
  expect(response.statusCode, response.body).toBeLessThan(300);
  return response.json();
}
const read = async (id: string): Promise<{ text: string; text_sha256: string; state: string }> =>
  (await call('GET', `/${id}`, userToken())).json();
const decide = (id: string, body: object, token = userToken()): Promise<LightMyRequestResponse> =>
  call('POST', `/${id}/decision`, token, body);
const statusAndCode = (response: LightMyRequestResponse): [number, string] => [
  response.statusCode,
  response.json<{ error: { code: string } }>().error.code,
];

describe('a request', () => {
  it('asks for all in one go, and the user grants the whole', async () => {
    const asked = await ask({ needs: [READ, SEND], purpose: 'Plan the week' });
    expect(asked).toEqual({
      id: asked.id,
      have: [],
      missing: [
        { titles: ['Read a calendar'], detail: READ },
        { titles: ['Send mail'], detail: { ...SEND, actions: ['send'] } },
        { titles: ['Delete all mail'], detail: { ...SEND, actions: ['purge'] } },
      ],
      never: [],
      review_url: expect.stringContaining(`/v1/consents/requests/${asked.id}`) as string,
    });
    const { text, text_sha256, state } = await read(asked.id);
    expect(state).toBe('pending');
    expect(text).toContain('For this purpose, in its own words: "Plan the week"');
    expect(text).toContain('"Delete all mail" (deletes;');
    expect(codes(await askFor(remit))).toEqual(['consent_required']);
    const granted = await decide(asked.id, { decision: 'grant', text_sha256, ends: at(24) });
    expect(granted.json()).toMatchObject({
      agent: 'helper', access: 'online', purpose: 'Plan the week', ends: at(24), state: 'active',
      evidence: { surface: 'remit-cli', text_sha256, decided_at: at(0) },
    }); // prettier-ignore
    expect((await askFor(remit)).decision).toBe(true);
    expect((await askFor(remit, { action: 'send', resource: 'mailbox:ann' })).decision).toBe(true);
    const { id } = granted.json<{ id: string }>();
    expect((await call('GET', `/${asked.id}`, agentToken())).json()).toMatchObject({ state: 'granted', consent: id });
    for (const body of [{ decision: 'grant', text_sha256, ends: at(24) }, { decision: 'deny' }])
      expect(statusAndCode(await decide(asked.id, body))).toEqual([409, 'conflict']);
  });

  it('is for what is missing, and only once', async () => {
    const first = await ask({ needs: [READ] });
    const { text_sha256 } = await read(first.id);
    await decide(first.id, { decision: 'grant', text_sha256, ends: at(1) });
    const second = await ask({ needs: [READ, SEND] });
    expect(second.have.map(({ titles }) => titles[0])).toEqual(['Read a calendar']);
    expect(second.missing.map(({ titles }) => titles[0])).toEqual(['Send mail', 'Delete all mail']);
    expect((await ask({ needs: [READ, SEND] })).id).toBe(second.id);
    expect((await ask({ needs: [{ ...SEND, actions: ['purge'] }] })).id).toBe(second.id);
    const nothing = await ask({ needs: [READ] });
    expect(nothing.id).toBeUndefined();
    // Other terms are other needs.
    expect((await ask({ needs: [READ], access: 'background' })).id).toBeDefined();
    remit.at(new Date(at(2)));
    expect((await ask({ needs: [READ] })).have).toEqual([]);
  });

  it('is granted in parts, under narrower terms and no others', async () => {
    const { id } = await ask({ needs: [READ, SEND] });
    const { text_sha256 } = await read(id);
    const grant = { decision: 'grant', text_sha256, ends: at(24), items: [1] };
    for (const [change, status, code] of [
      [{ items: [3] }, 400, 'bad_request'],
      [{ items: [] }, 400, 'bad_request'],
      [{ ends: undefined }, 400, 'bad_request'],
      [{ text_sha256: undefined }, 400, 'bad_request'],
      [{ text_sha256: 'a'.repeat(64) }, 409, 'text_changed'],
      [{ details: [READ] }, 400, 'bad_request'],
      [{ access: 'background' }, 400, 'bad_request'],
      [{ agent: 'evil' }, 400, 'bad_request'],
      [{ limits: [{ count: 1 }] }, 400, 'bad_request'],
      [{ decision: 'perhaps' }, 400, 'bad_request'],
    ] as const)
      expect(statusAndCode(await decide(id, { ...grant, ...change }))).toEqual([status, code]);
    const granted = await decide(id, { ...grant, items: [1, 1] });
    expect(granted.json()).toMatchObject({ details: [{ ...SEND, actions: ['send'] }], confirm: 'never' });
    expect((await askFor(remit, { action: 'send', resource: 'mailbox:ann' })).decision).toBe(true);
    expect(codes(await askFor(remit))).toEqual(['consent_required']);
    expect(codes(await askFor(remit, { action: 'purge', resource: 'mailbox:ann' }))).toEqual(['consent_required']);
  });

  it('is not granted by the text of before, where a permission, a class or a definition has changed since', async () => {
    const { id } = await ask({ needs: [READ] });
    const before = await read(id);
    for (const [file, text, change] of [
      ['schema.cedarschema', '@permission("view") @scope("calendar.read") @title("Read', '@permission("owner") @scope("calendar.read") @title("Read'],
      ['schema.cedarschema', '@class("private")', '@class("secret")'],
      ['schema.zed', 'permission view = owner + guest', 'permission view = owner'],
    ] as const) {
      const other = await startConsentWorld({}, { [file]: CONSENT_FILES[file]?.replace(text, change) ?? '' });
      try {
        const send = async (method: 'GET' | 'POST', path: string, body?: object, agent?: string) =>
          other.request(method, `/v1/consents/requests${path}`, body, await other.mint({ user: 'ann', ...(agent === undefined ? {} : { agent, scope: SCOPES }) }));
        const { id: same } = (await send('POST', '', { needs: [READ] }, 'helper')).json<Asked>();
        const after = (await send('GET', `/${same}`)).json<typeof before>();
        expect(after.text).toBe(before.text);
        const grant = { decision: 'grant', ends: at(24) };
        const refused = await send('POST', `/${same}/decision`, { ...grant, text_sha256: before.text_sha256 });
        expect(statusAndCode(refused)).toEqual([409, 'text_changed']);
        const granted = await send('POST', `/${same}/decision`, { ...grant, text_sha256: after.text_sha256 });
        expect(granted.statusCode).toBe(201);
      } finally {
        await other.stop();
      }
    }
  }); // prettier-ignore

  it('is denied, and then asks for nothing more', async () => {
    const { id } = await ask({ needs: [READ] });
    expect((await decide(id, { decision: 'deny' })).statusCode).toBe(204);
    expect((await call('GET', `/${id}`, agentToken())).json()).toMatchObject({ state: 'denied' });
    expect(codes(await askFor(remit))).toEqual(['consent_required']);
  });

  it('names what no consent could allow, and no more than scopes alone rule out', async () => {
    const needs = [
      { type: 'remit', actions: ['read'], resources: ['calendar:sealed'] },
      { type: 'remit', actions: ['read'], resources: ['calendar:sealed', 'calendar:ann'] },
      // The forbid has a condition.
      { type: 'remit', actions: ['read'], resources: ['calendar:strict'] },
    ];
    const asked = await ask({ needs });
    expect(asked.never).toEqual([{ titles: ['Read a calendar'], detail: needs[0] }]);
    expect(asked.missing.map(({ detail }) => detail)).toEqual(needs.slice(1));
    const evil = await ask({ needs: [READ, SEND] }, agentToken('evil'));
    expect(evil.never.map(({ titles }) => titles[0])).toEqual(['Read a calendar']);
    expect(evil.missing.map(({ titles }) => titles[0])).toEqual(['Send mail', 'Delete all mail']);
  });

  it('is answered once by two decisions at once', async () => {
    const { id } = await ask({ needs: [READ] });
    const { text_sha256 } = await read(id);
    const grant = { decision: 'grant', text_sha256, ends: at(24) };
    const results = await Promise.all(
      [...Array(5).keys()].map((i) => decide(id, i === 2 ? { decision: 'deny' } : grant)),
    );
    expect(results.filter(({ statusCode }) => statusCode < 300)).toHaveLength(1);
    const consents = await remit.service.consents.list({ type: 'user', id: 'ann' });
    expect(consents.length).toBe(results.filter(({ statusCode }) => statusCode === 201).length);
  });

  it('is forgotten after a week', async () => {
    const { id } = await ask({ needs: [READ] });
    remit.at(new Date(at(7 * 24)));
    expect(statusAndCode(await call('GET', `/${id}`, userToken()))).toEqual([404, 'not_found']);
    expect((await ask({ needs: [READ] })).id).not.toBe(id);
  });

  it('is refused where its details are larger than what a grant can hold', async () => {
    const withList = (length: number, more: object = {}): object => ({
      ...READ,
      constraints: { 'action.to': { one_of: Array.from({ length }, (_, i) => i) }, ...more },
    });
    for (const needs of [
      [withList(257)],
      [withList(200, { x: { equals: [[[[1]]]] } })],
      [{ ...READ, constraints: { x: 'x'.repeat(5000) } }],
      // Small as it is asked, and large with a detail for each action.
      [
        {
          ...withList(200, { x: 'x'.repeat(3000) }),
          actions: ['send', 'purge', 'read'],
          resources: ['calendar:ann', 'mailbox:ann'],
        },
      ],
    ])
      expect(statusAndCode(await call('POST', '', agentToken(), { needs }))).toEqual([400, 'bad_request']);
    expect((await ask({ needs: [withList(256)] })).missing).toHaveLength(1);
  });

  it('does not flood the user', async () => {
    const token = await agentToken();
    const results: number[] = [];
    for (let i = 0; i < MAX_PENDING_REQUESTS_OF_PAIR + 10; i += 1)
      results.push((await call('POST', '', token, { needs: [READ], purpose: `purpose ${i}` })).statusCode);
    expect(results.filter((status) => status === 201)).toHaveLength(MAX_PENDING_REQUESTS_OF_PAIR);
    expect(results.at(-1)).toBe(429);
    const listed = (await call('GET', '', userToken())).json<{ requests: object[] }>().requests;
    expect(listed).toHaveLength(MAX_PENDING_REQUESTS_OF_PAIR);
  });
});

describe('who may', () => {
  it('is the user of the request, its agent for this user, and the client that asked', async () => {
    const { id } = await ask({ needs: [READ] });
    const { text_sha256 } = await read(id);
    const others = [
      userToken('bob'),
      agentToken('second'),
      remit.mint({ user: 'bob', agent: 'helper', scope: SCOPES }),
      Promise.resolve(remit.service.devKey ?? ''),
    ];
    for (const token of others) expect(statusAndCode(await call('GET', `/${id}`, token))).toEqual([404, 'not_found']);
    for (const guessed of ['x', '%2e%2e%2f', '00000000-0000-4000-8000-000000000000'])
      expect((await call('GET', `/${guessed}`, userToken())).statusCode).toBe(404);
    const grant = { decision: 'grant', text_sha256, ends: at(24) };
    expect(statusAndCode(await decide(id, grant, userToken('bob')))).toEqual([404, 'not_found']);
    for (const token of [agentToken(), remit.mint({ agent: 'helper' }), Promise.resolve(remit.service.devKey ?? '')])
      expect(statusAndCode(await decide(id, grant, token))).toEqual([403, 'forbidden']);
    expect(await read(id)).toMatchObject({ state: 'pending' });
    // The agent isn't shown what the user reads.
    expect((await call('GET', `/${id}`, agentToken())).json()).not.toHaveProperty('text');
    expect(statusAndCode(await call('POST', '', userToken(), { needs: [READ] }))).toEqual([403, 'forbidden']);
    expect((await call('GET', '', remit.mint({ user: 'bob', agent: 'helper', scope: SCOPES }))).json()).toEqual({
      requests: [],
    });
  });

  it('is each client that asked for the same, or for a part of it, and no other', async () => {
    const key = remit.service.devKey ?? '';
    const { id } = await ask({ needs: [READ, SEND] });
    expect((await call('GET', `/${id}`, key)).statusCode).toBe(404);
    for (const needs of [[READ, SEND], [READ]]) {
      const again = await call('POST', '', key, { needs, user: 'ann', agent: 'helper' });
      expect(again.json<Asked>().id).toBe(id);
      expect((await call('GET', `/${id}`, key)).json()).toMatchObject({ id, state: 'pending' });
    }
    expect((await call('GET', `/${id}`, agentToken())).statusCode).toBe(200);
    const [stored] = await remit.service.consentRequests.list({ type: 'user', id: 'ann' }, undefined, DAYTIME);
    expect(stored?.askedBy).toEqual(['agent:helper', 'dev']);
  });

  it('is a client with the agent’s token, or one that may vouch for both', async () => {
    const key = remit.service.devKey ?? '';
    const byToken = await call('POST', '', key, { needs: [READ], token: await agentToken() });
    expect(byToken.statusCode).toBe(201);
    const { id } = byToken.json<Asked>();
    expect((await call('GET', `/${id}`, key)).json()).toMatchObject({ user: 'ann', agent: 'helper', state: 'pending' });
    const named = await call('POST', '', key, { needs: [READ], user: 'ann', agent: 'agent:helper' });
    expect(named.json<Asked>().id).toBe(id);
    for (const body of [
      {},
      { user: 'ann' },
      { agent: 'helper' },
      { token: 'x' },
      { token: await userToken() },
      { token: await agentToken(), user: 'ann' },
    ])
      expect(statusAndCode(await call('POST', '', key, { needs: [READ], ...body }))).toEqual([400, 'bad_request']);
    expect(statusAndCode(await call('POST', '', agentToken(), { needs: [READ], user: 'bob' }))).toEqual([
      400,
      'bad_request',
    ]);
    expect(
      statusAndCode(await call('POST', '', remit.mint({ agent: 'helper', scope: SCOPES }), { needs: [READ] })),
    ).toEqual([403, 'forbidden']);
  });
});
