/** What is left of a user's limits, over HTTP: theirs alone, as it is now, in pages. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DAYTIME, type Running } from '../../support/sample.js';
import { askGrant, asUser, eur, startGrants } from '../../govern/limits/grants-world.js';

let remit: Running;
let consent = '';
const at = (hours: number): string => new Date(DAYTIME.getTime() + hours * 3_600_000).toISOString();
const LIMITS = [
  { count: 5, per: 'P1D', window: 'sliding' },
  { amount: eur(1000), per: 'P1M', window: 'calendar', zone: 'Europe/Berlin' },
  { count: 9, per: 'total' },
];
beforeAll(async () => {
  remit = await startGrants();
  const give = async (path: string, body: object, user = 'ann'): Promise<string> => {
    const given = await asUser(remit, 'POST', path, { agent: 'bot', ...body }, user);
    expect(given).toMatchObject({ status: 201 });
    return given.body.id;
  };
  const details = [{ type: 'remit', actions: ['pay', 'read'] }];
  await give('/v1/delegations', { until_ended: true, limits: [{ count: 3, per: 'PT1H' }] });
  await give('/v1/delegations', { agent: 'helper', until_ended: true, limits: [{ count: 7, per: 'P1W' }] });
  await give('/v1/delegations', { until_ended: true, limits: [{ count: 2, per: 'P1D' }] }, 'ben');
  await give('/v1/consents', { details, until_ended: true, limits: LIMITS }, 'ben');
  await give('/v1/consents', { details, ends: at(1), limits: [{ count: 1, per: 'P1D' }] }, 'ben');
  consent = await give('/v1/consents', { details, ends: at(99), limits: LIMITS });
  await give('/v1/consents', { details, ends: at(1), until_ended: false });
  return () => remit.stop();
});
const read = async (query = '', user = 'ann') => asUser(remit, 'GET', `/v1/consents/limits${query}`, undefined, user);

describe('the limits of a user', () => {
  it('say what is left of each, and when there is more', async () => {
    const unused = { delegation: 'helper', limit: { count: 7, per: 'P1W', window: 'sliding' }, remaining: 7 };
    const hourly = { count: 3, per: 'PT1H', window: 'sliding' };
    const ofConsent = (remaining: readonly [number, number, number], used: boolean): object[] => [
      { consent, limit: LIMITS[0], remaining: remaining[0], ...(used ? { resets_at: at(24) } : {}) },
      { consent, limit: LIMITS[1], remaining: eur(remaining[1]), resets_at: '2030-03-31T22:00:00.000Z' },
      { consent, limit: LIMITS[2], remaining: remaining[2] },
    ];
    expect((await read()).body).toEqual({
      limits: [{ delegation: 'bot', limit: hourly, remaining: 3 }, unused, ...ofConsent([5, 1000, 9], false)],
    });
    // A consent without limits ends first, so the payment rests on that; then it rests on the one with limits.
    expect((await askGrant(remit, { action: 'pay', amount: eur(250) })).decision).toBe(true);
    remit.at(new Date(at(1)));
    expect((await askGrant(remit, { action: 'pay', amount: eur(250) })).decision).toBe(true);
    expect((await read()).body).toEqual({
      limits: [
        { delegation: 'bot', limit: hourly, remaining: 2, resets_at: at(2) },
        unused,
        { ...ofConsent([4, 750, 8], true)[0], resets_at: at(25) },
        ...ofConsent([4, 750, 8], true).slice(1),
      ],
    });
    expect((await read('?agent=helper')).body).toEqual({ limits: [unused] });
    // What has ended is no longer there.
    const { body } = await read('', 'ben');
    expect((body['limits'] as object[]).map((one) => Object.keys(one)[0])).toEqual(['delegation', 'consent', 'consent', 'consent']);
    remit.at(DAYTIME);
  }); // prettier-ignore

  it('are none of what is suspended, which allows nothing', async () => {
    const stored = await remit.service.consents.find({ type: 'user', id: 'ann' }, consent);
    if (stored === undefined) throw new Error('the consent is gone');
    await remit.service.consents.replace(stored, { ...stored.consent, basis: {} }, DAYTIME);
    expect((await asUser(remit, 'GET', `/v1/consents/${consent}`, undefined, 'ann')).body).toMatchObject({ state: 'suspended' });
    expect((await read()).body['limits']).toMatchObject([{ delegation: 'bot' }, { delegation: 'helper' }]);
    const suspended = await remit.service.consents.find({ type: 'user', id: 'ann' }, consent);
    if (suspended !== undefined) await remit.service.consents.replace(suspended, stored.consent, DAYTIME);
    expect((await read()).body['limits']).toHaveLength(5);
  }); // prettier-ignore

  it('come in pages, each once', async () => {
    const seen: unknown[] = [];
    for (let token = '', pages = 0; pages === 0 || token !== ''; pages += 1) {
      const { body } = await read(`?limit=2${token === '' ? '' : `&page_token=${token}`}`);
      seen.push(...(body['limits'] as unknown[]));
      token = (body['page'] as { next_token: string } | undefined)?.next_token ?? '';
      expect(pages).toBeLessThan(3);
    }
    const whole = await read();
    expect([seen, whole.body['page']]).toEqual([whole.body['limits'], undefined]);
    const { body } = await read('?limit=2');
    const { next_token } = body['page'] as { next_token: string };
    expect((await read(`?limit=2&page_token=${next_token}`, 'ben')).status).toBe(400);
    for (const query of ['?limit=0', '?limit=1001', '?page_token=x', '?user=ben'])
      expect([query, (await read(query)).status]).toEqual([query, 400]);
  });

  it('are the user’s own', async () => {
    const agent = await remit.mint({ user: 'ann', agent: 'bot', scope: 'all' });
    const asAgent = await remit.request('GET', '/v1/consents/limits', undefined, agent);
    const asClient = await remit.request('GET', '/v1/consents/limits');
    const asNone = await remit.request('GET', '/v1/consents/limits', undefined, 'no-key');
    expect([asAgent.statusCode, asClient.statusCode, asNone.statusCode]).toEqual([403, 403, 401]);
    expect((await read('?agent=planner')).body).toEqual({ limits: [] });
  });
});

describe('the limits of the consents for one agent', () => {
  it('are as many as a decision reads: more are refused by their place, and what ends makes room', async () => {
    const periods = ['PT1H', 'P1D', 'P1W', 'P1M'];
    const ten = Array.from({ length: 10 }, (_, i) => ({
      count: 9, per: periods[i % 4], window: 'calendar', zone: ['UTC', 'Europe/Rome', 'Asia/Tokyo'][Math.floor(i / 4)],
    })); // prettier-ignore
    const give = (limits: readonly object[], path = '/v1/consents', method: 'POST' | 'PATCH' = 'POST') =>
      asUser(remit, method, path, method === 'PATCH' ? { limits } : { agent: 'bot', details: [{ type: 'remit', actions: ['read'] }], until_ended: true, limits }, 'carl'); // prettier-ignore
    const refused = { status: 429, body: { error: { code: 'too_many', at: 'limits', message: expect.stringContaining('50 are the most') as string } } }; // prettier-ignore
    for (let i = 0; i < 4; i += 1) expect((await give(ten)).status).toBe(201);
    const last = await give(ten.slice(1));
    expect(last.status).toBe(201);
    expect(await give(ten.slice(0, 2))).toMatchObject(refused);
    expect((await give(ten, `/v1/consents/${last.body.id}`, 'PATCH')).status).toBe(200);
    expect(await give(ten.slice(0, 1))).toMatchObject(refused);
    const other = await give([]);
    expect(await give(ten.slice(0, 1), `/v1/consents/${other.body.id}`, 'PATCH')).toMatchObject(refused);
    const lower = ten.map((limit) => ({ ...limit, count: 1 }));
    expect((await give(lower, `/v1/consents/${last.body.id}`, 'PATCH')).status).toBe(200);
    expect((await asUser(remit, 'DELETE', `/v1/consents/${last.body.id}`, undefined, 'carl')).status).toBe(204);
    expect((await give(ten.slice(0, 1), `/v1/consents/${other.body.id}`, 'PATCH')).status).toBe(200);
  });
});
