/** The metrics say how many decisions hold something of a limit, and what limits have denied. */
import { beforeAll, expect, it } from 'vitest';
import { countOpenReservations } from '../../../src/govern/limits/open-reservations.js';
import { DAYTIME, type Running } from '../../support/sample.js';
import { askGrant, asUser, startGrants } from './grants-world.js';

let remit: Running;
beforeAll(async () => {
  remit = await startGrants();
  return () => remit.stop();
});

it('from the record until an outcome comes, or it counts as used', async () => {
  let now = DAYTIME;
  const reservations = countOpenReservations(remit.service.limits, 15 * 60_000, () => now);
  const count = async (): Promise<number> => reservations.count().then(() => reservations.latest);
  await asUser(remit, 'POST', '/v1/delegations', { agent: 'bot', until_ended: true, limits: [{ count: 4, per: 'P1D' }] });
  expect(await count()).toBe(0);
  const looks = { action: 'look', account: 'vault:ann' };
  const [first, second] = [await askGrant(remit, looks), await askGrant(remit, looks)];
  // What reserves of two limits is one.
  expect((await askGrant(remit, { action: 'look' })).decision).toBe(true);
  expect(await count()).toBe(3);
  for (const [answer, outcome] of [[first, 'executed'], [second, 'failed']] as const)
    expect((await remit.post(`/v1/decisions/${answer.context?.id ?? ''}/outcome`, { outcome })).statusCode).toBeLessThan(300);
  expect(await count()).toBe(1);
  now = new Date(DAYTIME.getTime() + 15 * 60_000);
  expect(await count()).toBe(0);
}); // prettier-ignore

it('by what has the limit', async () => {
  await asUser(remit, 'POST', '/v1/delegations', { agent: 'bot', until_ended: true, limits: [{ count: 1, per: 'P1D' }] });
  const looks = { action: 'look', account: 'vault:ann' };
  expect([(await askGrant(remit, looks)).decision, (await askGrant(remit, looks)).decision]).toEqual([true, false]);
  const { body } = await remit.request('GET', '/metrics');
  expect(body).toContain('remit_limit_denials_total{owner="delegation",action="look"} 1');
  expect(body).toMatch(/^remit_limit_reservations_open \d+$/m);
}); // prettier-ignore
