/** The contract of the store of consents, on every database. */
import { changeRecordsOf } from '../support/record-values.js';
import { describe, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import { consentKey, type Consent, type ConsentPair } from '../../src/model/consents.js';
import { MAX_CONSENT_BYTES_OF_PAIR, MAX_CONSENTS_OF_PAIR, MAX_CONSENTS_OF_USER } from '../../src/store/add-consent.js';
import { ConsentStore } from '../../src/store/consents.js';
import { MAX_LIMITS_OF_PAIR, type StatedLimit } from '../../src/model/limits.js';
import type { Database } from '../../src/store/database/port.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const at = (hours: number): string => new Date(NOW.getTime() + hours * 3_600_000).toISOString();
const EVIDENCE = { surface: 'portal', text_sha256: 'x', locale: 'en', decided_at: at(0) };

let counter = 0;
function newPair(user = `u"\\${(counter += 1)}`): ConsentPair {
  return { user: { type: 'user', id: user }, agent: { type: 'agent', id: `a,{${(counter += 1)}}` } };
}
function newConsent(more: Partial<Consent> = {}): Consent {
  const details = [{ type: 'remit', actions: ['read', 'li"st'] }];
  return { id: uuid(), details, access: 'online', confirm: 'never', starts: at(-1), basis: {}, given: at(-1), ...more };
}

/** @param getDatabase one that is migrated */
export function consentStoreContract(getDatabase: () => Database): void {
  describe('the store of consents', () => {
    const read = async (store: ConsentStore, pair: ConsentPair, action = 'read'): Promise<readonly Consent[]> => {
      const need = { ...pair, action };
      return (await store.fetch([need, { ...newPair(), action }])).get(consentKey(need)) ?? [];
    };

    it('reads the consents of a pair that name the action, without how they came about', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = newPair();
      const consent = newConsent({ when: { confirmed: true }, purpose: 'plan', task: 't', ends: at(1) });
      expect(await read(store, pair)).toEqual([]);
      expect(await store.add(pair, consent, EVIDENCE, NOW)).toBe(true);
      expect(await read(store, pair)).toEqual([consent]);
      expect(await read(store, pair, 'li"st')).toEqual([consent]);
      expect(await read(store, pair, 'send')).toEqual([]);
      expect(await read(store, { ...pair, agent: pair.user })).toEqual([]);
      expect(await store.find(pair.user, consent.id)).toMatchObject({ ...pair, consent, evidence: EVIDENCE });
      expect(await store.find(pair.agent, consent.id)).toBeUndefined();
      expect((await store.list(pair.user)).map((one) => one.consent)).toEqual([consent]);
      expect(await store.list(pair.user, pair.user)).toEqual([]);
    });

    it('says at the next read what has changed, also of another process', async () => {
      const [store, other] = [
        new ConsentStore(getDatabase(), changeRecordsOf(getDatabase())),
        new ConsentStore(getDatabase(), changeRecordsOf(getDatabase())),
      ];
      const pair = newPair();
      const consent = newConsent();
      await store.add(pair, consent, EVIDENCE, NOW);
      expect(await read(store, pair)).toEqual([consent]);
      const seen = await store.find(pair.user, consent.id);
      if (seen === undefined) throw new TypeError('it was added');
      const narrowed = { ...consent, ends: at(2), details: [{ type: 'remit', actions: ['read'] }] };
      expect(await store.replace(seen, narrowed, NOW)).toBe(true);
      expect(await store.replace(seen, consent, NOW)).toBe(false);
      expect(await read(store, pair)).toEqual([narrowed]);
      expect(await read(store, pair, 'li"st')).toEqual([]);
      expect(await store.withdraw(pair.agent, consent.id, NOW)).toBe(false);
      expect(await store.withdraw(pair.user, consent.id, NOW)).toBe(true);
      expect(await read(store, pair)).toEqual([{ ...narrowed, withdrawn: at(0) }]);
      expect(await read(other, pair)).toEqual([{ ...narrowed, withdrawn: at(0) }]);
      // Withdrawing it again changes nothing.
      expect(await store.withdraw(pair.user, consent.id, new Date(at(5)))).toBe(true);
      expect(await read(other, pair)).toMatchObject([{ withdrawn: at(0) }]);
    });

    it('withdraws all of a pair together with other statements, or nothing', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = newPair();
      const another = { ...pair, agent: newPair().agent };
      for (const one of [pair, pair, another]) await store.add(one, newConsent(), EVIDENCE, NOW);
      const failing = store.withdrawAll(pair, 'user:ann', NOW, (statements) =>
        getDatabase().run([...statements, { sql: 'nonsense' }]),
      );
      await expect(failing).rejects.toMatchObject({ name: 'Fault' });
      expect((await read(store, pair)).map(({ withdrawn }) => withdrawn)).toEqual([undefined, undefined]);
      await store.withdrawAll(pair, 'user:ann', NOW, (statements) => getDatabase().run(statements));
      expect((await read(store, pair)).map(({ withdrawn }) => withdrawn)).toEqual([at(0), at(0)]);
      expect(await read(store, another)).toMatchObject([{ access: 'online' }]);
    });

    it('takes a bounded number for an agent, in bytes as well, and of a user; ended ones make room', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = newPair();
      const added = await Promise.all(
        Array.from({ length: MAX_CONSENTS_OF_PAIR + 5 }, () => store.add(pair, newConsent(), EVIDENCE, NOW)),
      );
      expect(added.filter(Boolean).length).toBe(MAX_CONSENTS_OF_PAIR);
      const [first] = await store.list(pair.user);
      await store.withdraw(pair.user, first?.consent.id ?? '', NOW);
      expect(await store.add(pair, newConsent(), EVIDENCE, NOW)).toBe(true);
      expect(await store.add(pair, newConsent(), EVIDENCE, NOW)).toBe(false);

      const long = newPair();
      const details = [{ type: 'remit', actions: ['read'], purpose: 'é'.repeat(MAX_CONSENT_BYTES_OF_PAIR / 8) }];
      const results = [];
      for (let i = 0; i < 5; i += 1) results.push(await store.add(long, newConsent({ details }), EVIDENCE, NOW));
      expect(results).toEqual([true, true, true, false, false]);
    });

    it('takes as many limits and time zones of a pair as a decision reads, also where many come at once', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const limitsOf = (count: number, zones: readonly string[] = []): StatedLimit[] =>
        Array.from({ length: count }, (_, i) => ({
          count: i + 1, per: 'P1D',
          ...(zones.length === 0 ? { window: 'sliding' } : { window: 'calendar', zone: zones[i % zones.length] }),
        })); // prettier-ignore
      const add = (pair: ConsentPair, limits: StatedLimit[], more: Partial<Consent> = {}) =>
        store.add(pair, newConsent({ limits, ...more }), EVIDENCE, NOW);
      const refused = { status: 429, code: 'too_many', at: 'limits' };
      const pair = newPair();
      const answers = await Promise.allSettled(Array.from({ length: 8 }, () => add(pair, limitsOf(8))));
      expect(answers.filter(({ status }) => status === 'fulfilled').length).toBe(Math.floor(MAX_LIMITS_OF_PAIR / 8));
      await expect(add(pair, limitsOf(8))).rejects.toMatchObject(refused);
      expect(await add(pair, limitsOf(MAX_LIMITS_OF_PAIR % 8))).toBe(true);
      // Others count apart, and so do those that have ended.
      expect(await add({ ...pair, agent: newPair().agent }, limitsOf(8))).toBe(true);
      const [last] = await store.list(pair.user, pair.agent);
      if (last === undefined) throw new TypeError('it was added');
      const withFurther = { ...last.consent, limits: [...(last.consent.limits ?? []), ...limitsOf(1)] };
      await expect(store.replace(last, withFurther, NOW)).rejects.toMatchObject(refused);
      expect(await store.replace(last, { ...last.consent, ends: at(1) }, NOW)).toBe(true);
      await store.withdraw(pair.user, last.consent.id, NOW);
      expect(await add(pair, limitsOf(1), { ends: at(1) })).toBe(true);

      const zones = ['UTC', 'Europe/Berlin', 'Europe/Paris', 'Europe/Rome', 'Asia/Tokyo', 'Asia/Seoul', 'Africa/Cairo', 'America/Lima', 'America/Lima'];
      const far = newPair();
      expect(await add(far, limitsOf(5, zones.slice(0, 5)))).toBe(true);
      expect(await add(far, limitsOf(4, zones.slice(4, 8)))).toBe(true);
      expect(await add(far, [{ count: 1, per: 'P1D', window: 'calendar', zone: 'asia/TOKYO' }, { count: 1, per: 'P1M', window: 'calendar' }])).toBe(true);
      await expect(add(far, limitsOf(1, ['Asia/Kathmandu']))).rejects.toMatchObject(refused);
      expect(await add(far, limitsOf(1))).toBe(true);
    }); // prettier-ignore

    it('takes a bounded number of a user, whatever the agents', async () => {
      const database = getDatabase();
      const store = new ConsentStore(database, changeRecordsOf(database));
      const { user } = newPair();
      await database.run([
        {
          sql: `insert into consents select gen_random_uuid(), $1, $2, 'agent', n::text, '["read"]', $3::jsonb, 1, gen_random_uuid(), null
                from generate_series(1, ${MAX_CONSENTS_OF_USER}) n`,
          params: [user.type, user.id, JSON.stringify(newConsent())],
        },
      ]);
      expect(await store.add({ ...newPair(), user }, newConsent(), EVIDENCE, NOW)).toBe(false);
    });

    it('keeps the last of those that have ended', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = newPair();
      for (let i = 0; i < 30; i += 1) await store.add(pair, newConsent({ ends: at(i - 40) }), EVIDENCE, NOW);
      const kept = await read(store, pair);
      expect(kept.length).toBe(20);
      expect(kept.map(({ ends }) => ends).sort()[0]).toBe(at(-30));
    });
  });
}
