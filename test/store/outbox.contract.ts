/** The contract of the outbox, on every database: an event is there exactly where what it tells of is, and none is passed over. */
import { changeRecordsOf, newDecisionStore } from '../support/record-values.js';
import { describe, expect, it } from 'vitest';
import { v4 as uuid, v7 } from 'uuid';
import type { Consent } from '../../src/model/consents.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { EVENT_NAMES, type OutboxEvent, type StoredEvent } from '../../src/model/events.js';
import type { EntityRef } from '../../src/model/ids.js';
import type { Database } from '../../src/store/database/port.js';
import { ConsentRequestStore } from '../../src/store/consent-requests.js';
import { ConsentStore } from '../../src/store/consents.js';
import { DelegationStore } from '../../src/store/delegations.js';
import { EVENT_LIFETIME_MS, EventLog } from '../../src/store/event-log.js';
import { eventStatement } from '../../src/store/outbox.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const later = (hours: number): Date => new Date(NOW.getTime() + hours * 3_600_000);
let counter = 0;
const newUser = (): EntityRef => ({ type: 'user', id: `u"{${(counter += 1)}` });
const AGENT = { type: 'agent', id: "a'b" };

/** @param getDatabase one that is migrated */
export function outboxContract(getDatabase: () => Database): void {
  /** Runs what is done, and returns the events that are new then, as `event key=value …`. */
  async function eventsOf(work: () => Promise<unknown>): Promise<StoredEvent[]> {
    const log = new EventLog(getDatabase());
    const { last } = await log.findRange();
    await work();
    const events = await log.read(last, 1000);
    for (const { event } of events) expect(EVENT_NAMES).toContain(event);
    return [...events];
  }
  const namesOf = (events: readonly StoredEvent[]): string[] => events.map(({ event }) => event);
  const newConsent = (more: Partial<Consent> = {}): Consent => {
    const details = [{ type: 'remit', actions: ['read'] }];
    const given = NOW.toISOString();
    return { id: uuid(), details, access: 'online', confirm: 'never', starts: given, basis: {}, given, ...more };
  };
  const EVIDENCE = { surface: 'portal', text_sha256: 'x', locale: 'en', decided_at: NOW.toISOString() };

  describe('the outbox', () => {
    it('has an event with the rest of its transaction, or not at all', async () => {
      const user = newUser();
      const holders = { permission: 'manage', resource: { type: 'doc', id: 'd"1' } };
      const told: OutboxEvent = { event: 'approval.requested', at: NOW, ids: { task: 't' }, user, holders };
      const [stored] = await eventsOf(() => getDatabase().run([eventStatement(told)]));
      expect(stored).toEqual({ ...told, id: stored?.id, position: stored?.position });
      const failing = [eventStatement(told), { sql: 'select 1 / $1::int', params: [0] }];
      expect(
        await eventsOf(() =>
          getDatabase()
            .run(failing)
            .catch(() => undefined),
        ),
      ).toEqual([]);
    });

    it('tells of a consent what becomes of it, once, and nothing where nothing does', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = { user: newUser(), agent: AGENT };
      const consent = newConsent();
      const ids = { consent: consent.id, user: `user:${pair.user.id}`, agent: "agent:a'b" };
      const [given] = await eventsOf(() => store.add(pair, consent, EVIDENCE, NOW));
      expect(given).toMatchObject({ event: 'consent.given', at: NOW, ids, user: pair.user });
      expect(given?.holders).toBeUndefined();
      expect(await eventsOf(() => store.withdraw(newUser(), consent.id, NOW))).toEqual([]);
      const ended = await eventsOf(() => store.withdraw(pair.user, consent.id, later(1)));
      expect(ended).toMatchObject([{ event: 'consent.ended', at: later(1), ids, user: pair.user }]);
      expect(await eventsOf(() => store.withdraw(pair.user, consent.id, later(2)))).toEqual([]);
      const unasked = () => store.add(pair, newConsent(), EVIDENCE, NOW, uuid());
      expect(await eventsOf(unasked)).toEqual([]);
      const [one, two] = [newConsent(), newConsent({ ends: later(1).toISOString() })];
      for (const each of [one, two]) await store.add(pair, each, EVIDENCE, NOW);
      const expired = await eventsOf(async () => {
        while (await store.tellExpired(later(2)));
      });
      expect(expired.filter(({ user }) => user?.id === pair.user.id).map((event) => event.ids['consent'])).toEqual([
        two.id,
      ]);
      const stopped = await eventsOf(() =>
        store.withdrawAll(pair, 'user:ann', later(3), (all) => getDatabase().run(all)),
      );
      expect(stopped).toMatchObject([{ event: 'consent.ended', ids: { consent: one.id } }]);
      expect(await eventsOf(() => store.tellExpired(later(9)))).toEqual([]);
    });

    it('tells once that a consent is suspended, until it was in force again', async () => {
      const store = new ConsentStore(getDatabase(), changeRecordsOf(getDatabase()));
      const consent = newConsent();
      await store.add({ user: newUser(), agent: AGENT }, consent, EVIDENCE, NOW);
      const listed: string[] = [];
      for (
        let page = await store.listInForce(undefined, NOW);
        page.length > 0;
        page = await store.listInForce(listed.at(-1), NOW)
      )
        listed.push(...page.map(({ id }) => id));
      expect(listed.filter((id) => id === consent.id)).toHaveLength(1);
      const suspend = () => eventsOf(() => store.tellSuspended([consent.id], [], NOW));
      expect(await suspend()).toMatchObject([{ event: 'consent.suspended', ids: { consent: consent.id } }]);
      expect(await suspend()).toEqual([]);
      expect(await eventsOf(() => store.tellSuspended([], [consent.id], NOW))).toEqual([]);
      expect(await suspend()).toHaveLength(1);
    });

    it('tells of a request for consent once, however often it is asked', async () => {
      const store = new ConsentRequestStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = { user: newUser(), agent: AGENT };
      const items = [{ type: 'remit', actions: ['read'] }];
      const ask = () => store.ask(pair, { items, access: 'online', purpose: 'secret plans' }, 'agent:a', NOW);
      const [asked] = await eventsOf(ask);
      expect(asked).toMatchObject({ event: 'consent.requested', user: pair.user });
      expect(JSON.stringify(asked)).not.toContain('secret plans');
      expect(await eventsOf(ask)).toEqual([]);
    });

    it('tells of a delegation that it is given and ended, and not that it is narrowed', async () => {
      const store = new DelegationStore(getDatabase(), changeRecordsOf(getDatabase()));
      const pair = { giver: newUser(), agent: AGENT };
      const made = { by: 'user:x', at: NOW };
      const ids = { user: `user:${pair.giver.id}`, agent: "agent:a'b" };
      const bounds = { online: true, background: false };
      const given = await eventsOf(() => store.put(pair, bounds, made));
      expect(given).toMatchObject([{ event: 'delegation.given', ids, user: pair.giver }]);
      const version = (await store.find(pair))?.version ?? '';
      expect(await eventsOf(() => store.put(pair, bounds, made, { replaces: version }))).toEqual([]);
      expect(namesOf(await eventsOf(() => store.end(pair, made, { version: uuid() })))).toEqual([]);
      expect(await eventsOf(() => store.end(pair, made))).toMatchObject([{ event: 'delegation.ended', ids }]);
      expect(await eventsOf(() => store.end(pair, made, { bars: true }))).toEqual([]);
    });

    it('tells of a limit once in its window, where the record is stored as it was made', async () => {
      const store = newDecisionStore(getDatabase());
      const key = uuid();
      const record = (decision: boolean, at = NOW): DecisionRecord =>
        ({
          id: v7(),
          evaluated_at: at.toISOString(),
          client: 'c',
          decision,
          request: { action: 'read' },
          reasons: [],
          rationale: { steps: [] },
        }) as unknown as DecisionRecord;
      const user = newUser();
      const reached = (until: Date) => ({
        reviews: [],
        reachedLimits: [{ key, until: until.getTime(), ids: { limit: key }, user }],
      });
      const tell = (made: DecisionRecord, until = later(1)) =>
        eventsOf(() => store.record(made, undefined, undefined, reached(until)));
      const first = record(false);
      expect(await tell(first)).toMatchObject([
        // Its name is made by the deployment's key, which says nothing of what it counts.
        {
          event: 'limit.reached',
          at: NOW,
          ids: { limit: expect.stringMatching(/^[\w-]{43}$/) as string, decision: first.id },
          user,
        },
      ]);
      expect(await tell(record(true, later(0.5)))).toEqual([]);
      expect(await tell(record(false, later(1)), later(2))).toHaveLength(1);
      expect(await tell(record(false, later(1.5)), later(3))).toEqual([]);
      // The record was given up: what was answered is a deny.
      const given = record(true, later(5));
      store.correct({ ...given, decision: false });
      await store.flush();
      expect(await tell(given, later(6))).toEqual([]);
    });

    it('numbers events as they are committed: a reader that goes on from the last it saw misses none', async () => {
      const database = getDatabase();
      const log = new EventLog(database);
      const { last: start } = await log.findRange();
      const seen: StoredEvent[] = [];
      const readOn = async (): Promise<void> => {
        seen.push(...(await log.read(seen.at(-1)?.position ?? start, 1000)));
      };
      const reading = (async () => {
        while (seen.length < 120) await readOn();
      })();
      const tell = (i: number, j: number) =>
        eventStatement({ event: 'consent.given', at: NOW, ids: { consent: `${i}.${j}` } });
      const pauses = [{ sql: 'select pg_sleep(0.002)' }, { sql: 'select pg_sleep(0)' }];
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => database.run([tell(i, 1), pauses[i % 2] ?? tell(i, 3), tell(i, 2)])),
      );
      await reading;
      await readOn();
      expect(seen.map(({ ids }) => ids['consent']).sort()).toEqual(
        Array.from({ length: 60 }, (_, i) => [`${i}.1`, `${i}.2`])
          .flat()
          .sort(),
      );
      const positions = seen.map(({ position }) => position);
      expect(positions).toEqual([...positions].sort((a, b) => a - b));
    });

    it('keeps events for a time and up to a number, and goes on counting', async () => {
      const database = getDatabase();
      const log = new EventLog(database, 5);
      const tell = (at: Date) => database.run([eventStatement({ event: 'consent.given', at, ids: {} })]);
      for (let i = 0; i < 8; i += 1) await tell(NOW);
      while (await log.prune(NOW));
      const before = await log.findRange();
      expect(before.last - before.first).toBe(4);
      await log.prune(new Date(NOW.getTime() + EVENT_LIFETIME_MS + 1));
      expect(await log.findRange()).toEqual({ first: before.last, last: before.last });
      await tell(NOW);
      expect((await log.findRange()).last).toBe(before.last + 1);
    });
  });
}
