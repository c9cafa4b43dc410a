/** A limit is told of once in its window: where it is used up, or leaves too little for what an unused one would take. */
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { EventLog } from '../../../src/store/event-log.js';
import { DAYTIME, type Running } from '../../support/sample.js';
import { ask, euro, startCompany } from './company.js';

let remit: Running;
beforeAll(async () => {
  remit = await startCompany();
  return () => remit.stop();
});
let seen = 0;
beforeEach(async () => {
  remit.at(DAYTIME);
  for (const table of ['limit_uses', 'limit_counters', 'limit_notices'])
    await remit.service.database.run([{ sql: `delete from ${table}` }]);
  seen = (await new EventLog(remit.service.database).findRange()).last;
});

const decide = async (question: object): Promise<boolean> => {
  const response = await remit.post('/access/v1/evaluation', question, { authorization: 'Bearer shop-key' });
  return response.json<{ decision: boolean }>().decision;
};
async function told(): Promise<object[]> {
  const events = await new EventLog(remit.service.database).read(seen, 100);
  return events.map(({ event, user, ids: { decision, limit, ...ids } }) => {
    expect([decision, limit]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^[\w-]{43}$/)]);
    return { event, ids, ...(user === undefined ? {} : { user: user.id }) };
  });
}

it('by the question that uses up the last of it, and no deny after it', async () => {
  for (let i = 0; i < 2; i += 1) expect(await decide(ask('close'))).toBe(true);
  const event = { event: 'limit.reached', ids: { agent: 'agent:bot' } };
  expect(await told()).toEqual([event]);
  for (let i = 0; i < 3; i += 1) expect(await decide(ask('close'))).toBe(false);
  expect(await told()).toEqual([event]);
});

it('by a deny, since too little is left; not by an amount that never fits', async () => {
  const pay = (cents: number) => decide(ask('pay', { amount: euro(cents) }));
  expect(await pay(50_001)).toBe(false);
  expect(await told()).toEqual([]);
  expect(await pay(30_000)).toBe(true);
  expect(await told()).toEqual([]);
  for (let i = 0; i < 2; i += 1) expect(await pay(30_000)).toBe(false);
  expect(await told()).toEqual([{ event: 'limit.reached', ids: { user: 'user:ann' }, user: 'ann' }]);
});

it('again in the next window, and for each party apart', async () => {
  const copyAll = async (user: string) => {
    for (let i = 0; i < 3; i += 1) expect(await decide(ask('copy', { user }))).toBe(true);
    expect(await decide(ask('copy', { user }))).toBe(false);
  };
  await copyAll('ann');
  // A forbid keeps the last use, so the limit itself is not reached.
  expect(await told()).toEqual([]);
  const payAll = async () => {
    for (let i = 0; i < 4; i += 1) await decide(ask('pay', { amount: euro(1) }));
  };
  await payAll();
  await payAll();
  expect(await told()).toEqual([
    { event: 'limit.reached', ids: { user: 'user:ann', agent: 'agent:bot' }, user: 'ann' },
  ]);
  remit.at(new Date(DAYTIME.getTime() + 24 * 3_600_000 + 1000));
  await payAll();
  expect(await told()).toHaveLength(2);
});

it('not by a dry run', async () => {
  for (let i = 0; i < 2; i += 1) await decide(ask('close', { context: { dry_run: true } }));
  expect(await told()).toEqual([]);
});

it('by a filter, by what it hands out, and by one that has nothing left to hand out', async () => {
  const filter = async (count: number) => {
    const { subject, context } = ask('export') as { subject: object; context: object };
    const records = Array.from({ length: count }, (_, i) => ({ type: 'account', id: String((i % 3) + 1), properties: {} }));
    const answer = await remit.post('/v1/filter', { subject, action: { name: 'export' }, records, context }, { authorization: 'Bearer shop-key' });
    return answer.json<{ records: object[] }>().records.length;
  };
  const event = { event: 'limit.reached', ids: { user: 'user:ann' }, user: 'ann' };
  expect(await filter(99)).toBe(99);
  expect(await told()).toEqual([]);
  expect(await filter(3)).toBe(1);
  expect(await told()).toEqual([event]);
  remit.at(new Date(DAYTIME.getTime() + 24 * 3_600_000));
  expect(await filter(99)).toBe(99);
  expect(await decide(ask('export'))).toBe(true);
  expect(await told()).toEqual([event, event]);
  await remit.service.database.run([{ sql: 'delete from limit_notices' }]);
  expect(await filter(2)).toBe(0);
  expect(await told()).toEqual([event, event, event]);
}); // prettier-ignore
