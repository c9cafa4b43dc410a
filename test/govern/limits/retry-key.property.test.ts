/**
 * Retries against counters that are added up anew: whatever is delegated, consented to, narrowed and ended between a question
 * and its retry, an allow holds a use of every counter that bounds it at that moment, and none twice.
 */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { codes, DAYTIME, type Running } from '../../support/sample.js';
import { assertUntilSeen } from '../../support/until-seen.js';
import { askGrant, asUser, eur, HOUR, LENGTHS, startGrants, type Bound } from './grants-world.js';

const DAY = 24 * HOUR;
let remit: Running;
beforeAll(async () => {
  remit = await startGrants();
  return () => remit.stop();
});

interface Grant {
  readonly id: string;
  readonly limits: readonly Bound[];
  readonly access: readonly string[];
  readonly ends: number;
}
interface CounterUse {
  at: number;
  quantity: number;
}
/** The first question with a key, and all that is held in its name. */
interface Holder {
  readonly id: string;
  readonly at: number;
  executed: boolean;
  readonly uses: Map<string, CounterUse>;
}
interface Need {
  readonly counter: string;
  readonly required: number;
  readonly bound: number;
  readonly since: number;
}

/** What the question needs of each counter of the grant. */
const listNeeds = ({ id, limits }: Grant, at: number, cents: number | undefined): Need[] =>
  limits.flatMap(({ count, amount, per, window }) => {
    if (amount !== undefined && cents === undefined) return [];
    const isCalendar = window === 'calendar';
    const day = isCalendar ? Math.floor(at / LENGTHS[per]) : '';
    return {
      counter: [id, amount?.unit, per, window, day].join(' '),
      required: amount === undefined ? 1 : (cents ?? 0),
      bound: count ?? amount?.value ?? 0,
      since: isCalendar || per === 'total' ? 0 : at - LENGTHS[per] + 1,
    };
  });

const heldOf = (holder: Holder | undefined, { counter, since }: Need): number => {
  const use = holder?.uses.get(counter);
  return use === undefined || use.at < since ? 0 : use.quantity;
};

const bound: fc.Arbitrary<Bound> = fc.oneof(
  fc.record({ count: fc.integer({ min: 1, max: 3 }), per: fc.constantFrom('PT1H' as const, 'P1D' as const), window: fc.constantFrom('sliding' as const, 'calendar' as const) }),
  fc.record({ count: fc.integer({ min: 2, max: 5 }), per: fc.constant('total' as const) }),
  fc.record({ amount: fc.constantFrom(eur(300), eur(500)) as fc.Arbitrary<NonNullable<Bound['amount']>>, per: fc.constantFrom('PT1H' as const, 'P1D' as const), window: fc.constant('sliding' as const) }),
); // prettier-ignore
const usesOfBound = ({ amount, per, window }: Bound): string => JSON.stringify([amount?.unit, per, window]);
const bounds = (minLength = 0) => fc.uniqueArray(bound, { minLength, maxLength: 2, selector: usesOfBound });
const access = fc.constantFrom('online' as const, 'background' as const);
const next = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('ask' as const), access, key: fc.constantFrom(undefined, 'a', 'a', 'b'), cents: fc.constantFrom(undefined, undefined, 100, 250) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), minutes: fc.constantFrom(1, 20, 61, 500) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delegate' as const), limits: bounds(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('narrow' as const), added: bound }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('consent' as const), access, limits: bounds(1), hours: fc.constantFrom(5, 100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), index: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('report' as const), key: fc.constantFrom('a', 'b'), outcome: fc.constantFrom('failed', 'executed') }) },
); // prettier-ignore

let start = DAYTIME.getTime();
const tally = { new: 0, held: 0, completed: 0, refused: 0, used: 0 };

it('hold a use of every counter that bounds them now, and none twice', async () => {
  const assertOnce = (): Promise<void> => fc.assert(
    fc.asyncProperty(bounds(), bounds(), fc.array(next, { minLength: 12, maxLength: 30 }), async (first, second, steps) => {
      start += 90 * DAY;
      let at = start;
      remit.at(new Date(at));
      let given = 0;
      const delegate = async (limits: readonly Bound[]): Promise<Grant> => {
        const body = { agent: 'bot', until_ended: true, background: true, limits };
        expect((await asUser(remit, 'POST', '/v1/delegations', body)).status).toBe(201);
        return { id: `delegation ${(given += 1)}`, limits, access: ['online', 'background'], ends: Infinity };
      };
      const consent = async (kind: string, limits: readonly Bound[], hours: number): Promise<Grant> => {
        const ends = at + hours * HOUR;
        const body = { agent: 'bot', details: [{ type: 'remit', actions: ['pay', 'read'] }], access: kind, limits, ends: new Date(ends).toISOString() };
        const answer = await asUser(remit, 'POST', '/v1/consents', body);
        expect(answer.status).toBe(201);
        return { id: answer.body.id, limits, access: [kind], ends };
      };
      let delegation: Grant | undefined = await delegate(first);
      const consents = [await consent('online', second, 20), await consent('online', [], 999), await consent('background', [], 999)];
      const holders = new Map<string, Holder>();
      const all: Holder[] = [];
      const usedOf = ({ counter, since }: Need): number =>
        all.reduce((sum, { uses }) => { const use = uses.get(counter); return sum + (use !== undefined && use.at >= since ? use.quantity : 0); }, 0);
      for (const [i, step] of steps.entries()) {
        switch (step.kind) {
          case 'move': remit.at(new Date((at += step.minutes * 60_000))); break;
          case 'delegate': delegation = await delegate(step.limits); break;
          case 'end':
            expect((await asUser(remit, 'DELETE', '/v1/delegations/bot')).status).toBe(delegation === undefined ? 404 : 204);
            delegation = undefined;
            break;
          case 'narrow': {
            if (delegation === undefined || delegation.limits.some((limit) => usesOfBound(limit) === usesOfBound(step.added))) break;
            const limits: readonly Bound[] = [...delegation.limits, step.added];
            expect((await asUser(remit, 'PATCH', '/v1/delegations/bot', { limits })).status).toBe(200);
            delegation = { ...delegation, limits };
            break;
          }
          case 'consent': consents.push(await consent(step.access, step.limits, step.hours)); break;
          case 'withdraw': {
            const [gone] = consents.splice(step.index % consents.length, 1);
            expect((await asUser(remit, 'DELETE', `/v1/consents/${gone?.id}`)).status).toBe(204);
            if (consents.length === 0) consents.push(await consent('online', [], 999));
            break;
          }
          case 'report': {
            const [name, holder] = [...holders].find(([key]) => key.startsWith(`${start} ${step.key} `)) ?? [];
            if (name === undefined || holder === undefined || holder.executed || at - holder.at >= 15 * 60_000) break;
            expect((await remit.post(`/v1/decisions/${holder.id}/outcome`, { outcome: step.outcome })).statusCode).toBe(201);
            if (step.outcome === 'executed') holder.executed = true;
            else { holder.uses.clear(); holders.delete(name); }
            break;
          }
          case 'ask': {
            const { cents, key } = step;
            const name = `${start} ${key} ${cents}`;
            const former = key === undefined ? undefined : holders.get(name);
            const holder = former !== undefined && former.at >= at - DAY ? former : undefined;
            const unheld = (need: Need): number => Math.max(0, need.required - heldOf(holder, need));
            const fits = (need: Need): boolean => unheld(need) <= Math.max(0, need.bound - usedOf(need));
            const hasRoom = (grant: Grant): boolean => listNeeds(grant, at, cents).every(fits);
            const usable = consents.filter((grant) => grant.ends > at && grant.access.includes(step.access)).sort((a, b) => a.ends - b.ends || (a.id < b.id ? -1 : 1));
            const consented = usable.find(hasRoom);
            const allowed = delegation !== undefined && consented !== undefined && hasRoom(delegation) && holder?.executed !== true;
            const answer = await askGrant(remit, {
              ...(cents === undefined ? {} : { action: 'pay', amount: eur(cents) }),
              ...(key === undefined ? {} : { key: `${start}-${key}` }),
              background: step.access === 'background',
            });
            expect([i, answer.decision, allowed ? codes(answer) : []]).toEqual([i, allowed, []]);
            if (!allowed || delegation === undefined) {
              if (holder !== undefined) tally[holder.executed ? 'used' : 'refused'] += 1;
              break;
            }
            const needs = [...listNeeds(delegation, at, cents), ...listNeeds(consented, at, cents)];
            const now: Holder = holder ?? { id: answer.context?.id ?? '', at, executed: false, uses: new Map() };
            tally[holder === undefined ? 'new' : needs.some((need) => unheld(need) > 0) ? 'completed' : 'held'] += 1;
            for (const need of needs) if (unheld(need) > 0) now.uses.set(need.counter, { at, quantity: need.required });
            if (holder === undefined) all.push(now);
            if (key !== undefined) holders.set(name, now);
          }
        }
      }
      for (const { id } of consents) await asUser(remit, 'DELETE', `/v1/consents/${id}`);
      if (delegation !== undefined) await asUser(remit, 'DELETE', '/v1/delegations/bot');
    }),
    { numRuns: 40 },
  );
  const wanted = { new: 50, held: 5, completed: 5, refused: 5, used: 1 };
  await assertUntilSeen(assertOnce, () =>
    Object.entries(wanted).flatMap(([kind, count]) => (tally[kind as keyof typeof tally] < count ? [kind] : [])),
  );
}, 600_000); // prettier-ignore
