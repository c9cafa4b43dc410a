/** What is reserved with a record: committed or released by its outcome, in time and by those who may; and by a filter, in order. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, DAYTIME, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';
import { ask, CLIENTS, euro, startCompany } from './company.js';

let remit: Running;
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'corp');
  remit = await startCompany({
    clients: [...CLIENTS, clientNamed('reader', 'shop', 'filter')],
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
  });
  return () => remit.stop();
});
const DAY = 24 * 3_600_000;
let now = DAYTIME.getTime();
const at = (time: number): void => remit.at(new Date((now = time)));
/** Each test begins when nothing counts any more of what others have used, but for `total`. */
const newDay = (): void => at(now + 40 * DAY);
const as = (client: string) => ({ authorization: `Bearer ${client}-key` });
const decide = async (question: object, headers: Record<string, string> = as('shop')): Promise<Answer> =>
  (await remit.post('/access/v1/evaluation', question, headers)).json();
const idOf = async (question: object): Promise<string> => {
  const { decision, context } = await decide(question);
  expect(decision).toBe(true);
  return context?.id ?? '';
};
const report = async (id: string, body: object, headers: Record<string, string> = as('shop')) => {
  const response = await remit.post(`/v1/decisions/${id}/outcome`, body, headers);
  return [response.statusCode, response.json<{ error?: { code: string } }>().error?.code].filter(
    (part) => part !== undefined,
  );
};
/** How many more payments of a cent fit. */
const countLeft = async (agent = 'bot'): Promise<number> => {
  let count = 0;
  while ((await decide(ask('pay', { agent, amount: euro(1) }))).decision) count += 1;
  return count;
};
const leftOf = async (): Promise<unknown> => {
  const { context } = await decide(ask('pay', { amount: euro(60_000), agent: 'helper' }));
  return context?.reasons[0]?.remaining;
};

describe('an outcome', () => {
  it.each([
    ['executed', { outcome: 'executed' }, 2, 49_000],
    ['executed with less', { outcome: 'executed', actual: { amount: euro(250) } }, 2, 49_750],
    ['executed without a use', { outcome: 'executed', actual: { count: 0, amount: euro(0) } }, 3, 50_000],
    [
      'executed, in other decimals',
      { outcome: 'executed', actual: { amount: { value: 25, unit: 'EUR', decimals: 1 } } },
      2,
      49_750,
    ],
    ['failed', { outcome: 'failed' }, 3, 50_000],
    ['abandoned', { outcome: 'abandoned' }, 3, 50_000],
  ])('%s commits or releases what was reserved', async (_name, body, uses, left) => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    expect(await leftOf()).toMatchObject({ value: 49_000 });
    expect(await report(id, body)).toEqual([201]);
    expect(await report(id, body)).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: left });
    expect(await countLeft()).toBe(uses);
  });

  it.each([
    ['executed', { outcome: 'executed', actual: { count: 3, amount: euro(49_000) } }],
    ['failed', { outcome: 'failed' }],
    ['abandoned', { outcome: 'abandoned' }],
  ])('%s of a deny is on record, and neither uses nor gives back anything, nor its key', async (_name, body) => {
    newDay();
    const held = await idOf(ask('pay', { amount: euro(49_000) }));
    const question = ask('pay', { amount: euro(5_000) });
    const asRetry = { ...as('shop'), 'idempotency-key': `denied-${body.outcome}` };
    const denied = await decide(question, asRetry);
    expect(denied.decision).toBe(false);
    const id = denied.context?.id ?? '';
    expect(await report(id, body)).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: 1_000 });
    expect((await remit.service.decisions.find(id))?.outcome).toMatchObject(body);
    // What is done after a deny is known, and the question is still one that was never allowed.
    expect(await report(held, { outcome: 'failed' })).toEqual([201]);
    expect((await decide(question, asRetry)).decision).toBe(true);
    expect(await leftOf()).toMatchObject({ value: 45_000 });
  });

  it('is on record, and another one is refused', async () => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    expect(await report(id, { outcome: 'failed', detail: 'no route' })).toEqual([201]);
    expect(await report(id, { outcome: 'executed' })).toEqual([409, 'already_reported']);
    expect(await leftOf()).toMatchObject({ value: 50_000 });
    const stored = await remit.service.decisions.find(id);
    expect(stored).toMatchObject({
      record: { reservation: { decision: id, settles_at: new Date(now + 900_000).toISOString() } },
      outcome: { outcome: 'failed', detail: 'no route', reported_by: 'shop' },
    });
  });

  it.each([
    [{ count: 2 }],
    [{ amount: euro(1_001) }],
    [{ count: 1, amount: { value: 11, unit: 'EUR', decimals: 0 } }],
    [{ amount: { value: 9007199254740991, unit: 'EUR', decimals: 0 } }],
  ])('of more than was reserved, %j, commits that, and stays on record', async (actual) => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    for (let i = 0; i < 2; i += 1)
      expect(await report(id, { outcome: 'executed', actual })).toEqual([409, 'exceeds_reservation']);
    expect(await report(id, { outcome: 'failed' })).toEqual([409, 'already_reported']);
    expect(await leftOf()).toMatchObject({ value: 49_000 });
    expect(await countLeft()).toBe(2);
    expect((await remit.service.decisions.find(id))?.outcome).toMatchObject({ exceeds_reservation: true, actual });
  });

  it.each([
    [{ outcome: 'executed', actual: { amount: { value: 1, unit: 'USD', decimals: 2 } } }],
    [{ outcome: 'executed', actual: { amount: euro(-1) } }],
    [{ outcome: 'executed', actual: { amount: 12.5 } }],
    [{ outcome: 'executed', actual: { count: -1 } }],
    [{ outcome: 'executed', actual: { count: 0.5 } }],
    [{ outcome: 'failed', actual: { count: 1 } }],
    [{ outcome: 'undone' }],
  ])('that is none, %j, is refused and changes nothing', async (body) => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    expect((await report(id, body))[0]).toBe(400);
    expect((await remit.service.decisions.find(id))?.outcome).toBeUndefined();
    expect(await report(id, { outcome: 'failed' })).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: 50_000 });
  });

  it('that comes late finds the use committed', async () => {
    newDay();
    const [first, second] = [
      await idOf(ask('pay', { amount: euro(1_000) })),
      await idOf(ask('pay', { amount: euro(1_000) })),
    ];
    at(now + 899_999);
    expect(await report(first, { outcome: 'failed' })).toEqual([201]);
    at(now + 1);
    expect(await report(second, { outcome: 'failed' })).toEqual([409, 'settled']);
    expect(await report(second, { outcome: 'executed' })).toEqual([409, 'settled']);
    // What was reported in time is answered as before.
    expect(await report(first, { outcome: 'failed' })).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: 49_000 });
  });

  it('is for the client that asked, and no other, an admin neither, releases what it has reserved', async () => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    expect(await report(id, { outcome: 'failed' }, as('other'))).toEqual([404, 'not_found']);
    // It may only filter, and reports on its own lists.
    expect((await report(id, { outcome: 'failed' }, as('reader')))[0]).toBe(404);
    expect(await report(id, { outcome: 'failed' }, as('boss'))).toEqual([404, 'not_found']);
    expect(await leftOf()).toMatchObject({ value: 49_000 });
    expect(await report(id, { outcome: 'failed' })).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: 50_000 });
  });

  it('from an agent is for its own question, and its word gives nothing back', async () => {
    newDay();
    const signFor = (agent: string, aud: string, sub = 'ann') =>
      key.sign(
        { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
        {
          iss: 'https://corp.example',
          aud,
          sub,
          act: { sub: agent },
          scope: '',
          iat: now / 1000,
          exp: now / 1000 + 300,
          authorization_details: [{ type: 'remit', actions: ['pay'] }],
        },
      );
    const [bot, helper] = [await signFor('bot', 'remit'), await signFor('helper', 'remit')];
    const own = (token: string) => ({ authorization: `Bearer ${token}` });
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'pay', properties: { amount: euro(1_000) } },
      resource: { type: 'account', id: '1' },
    };
    const answer = await decide(question, own(bot));
    expect(answer.decision).toBe(true);
    const id = answer.context?.id ?? '';
    expect(await report(id, { outcome: 'failed' }, own(helper))).toEqual([404, 'not_found']);
    expect(await report(await idOf(ask('pay', { amount: euro(1) })), { outcome: 'failed' }, own(bot))).toEqual([
      404,
      'not_found',
    ]);
    // The same agent for another user, and for none.
    const others = [await signFor('bot', 'remit', 'ben'), await signFor('bot', 'remit', 'x:ann')];
    for (const token of others)
      for (const outcome of ['executed', 'failed', 'abandoned'])
        expect(await report(id, { outcome }, own(token))).toEqual([404, 'not_found']);
    expect(await report(id, { outcome: 'failed' }, own(bot))).toEqual([201]);
    expect(await leftOf()).toMatchObject({ value: 48_999 });
    // It is told the code and when there is more, and no numbers.
    await decide(question, own(bot));
    const denied = await decide(question, own(bot));
    expect(denied.context?.reasons).toEqual([{ code: 'limit_exceeded', resets_at: new Date(now + DAY).toISOString() }]);
  });

  it('of many at once is one', async () => {
    newDay();
    const id = await idOf(ask('pay', { amount: euro(1_000) }));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => report(id, { outcome: i % 2 === 0 ? 'failed' : 'executed' })),
    );
    expect(answers.filter(([status]) => status === 201)).toHaveLength(10);
    expect(await leftOf()).toMatchObject({
      value: (await remit.service.decisions.find(id))?.outcome?.outcome === 'failed' ? 50_000 : 49_000,
    });
  });
});

describe('a filter', () => {
  const records = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      type: 'account',
      id: i % 10 === 9 ? 'none' : String((i % 3) + 1),
      properties: { iban: `x${i}` },
    }));
  interface Filtered {
    readonly records: readonly { readonly id: string }[];
    readonly removed: Readonly<Record<string, number>>;
  }
  const filter = async (count: number, context: object = {}, key?: string): Promise<Filtered> => {
    const { subject, action } = ask('export') as { subject: object; action: object };
    const headers = { ...as('shop'), ...(key === undefined ? {} : { 'idempotency-key': key }) };
    const response = await remit.post('/v1/filter', { subject, action, records: records(count), context }, headers);
    expect(response.statusCode).toBe(200);
    return response.json();
  };
  const findLast = async () => (await remit.service.decisions.list({}, undefined, 1)).records[0];
  const write = async (operation: 'touch' | 'delete', account: string): Promise<void> => {
    const updates = [{ operation, relationship: `account:${account}#owner@user:ann` }];
    const { statusCode } = await remit.post('/v1/relationships', { updates }, as('boss'));
    expect(statusCode).toBe(200);
  };

  it('uses one for each record that it hands out, in order, and leaves out the rest', async () => {
    newDay();
    const dry = await filter(100, { dry_run: true });
    expect(dry.records).toHaveLength(90);
    // It hands out no data, so it is no way around the limit.
    for (const record of dry.records) expect(record).toHaveProperty('properties', {});
    expect(await filter(100)).toMatchObject({ records: { length: 90 }, removed: { relationship_missing: 10 } });
    const rest = await filter(20);
    expect(rest.records).toEqual(
      records(20)
        .filter(({ id }) => id !== 'none')
        .slice(0, 10),
    );
    expect(rest).toMatchObject({ removed: { relationship_missing: 2, limit_exceeded: 8 } });
    expect(await filter(20)).toEqual({ records: [], removed: { relationship_missing: 2, limit_exceeded: 18 } });
    expect((await decide(ask('export'))).decision).toBe(false);
  });

  it('at once with others hands out no more than there is', async () => {
    newDay();
    const answers = await Promise.all(Array.from({ length: 8 }, () => filter(20)));
    expect(answers.reduce((sum, answer) => sum + answer.records.length, 0)).toBe(100);
  });

  it('promises in a dry run what it then hands out, and costs once however often it is repeated', async () => {
    const call = fc.record({
      count: fc.constantFrom(5, 20, 40),
      key: fc.constantFrom(undefined, 'a', 'b'),
      before: fc.constantFrom('nothing', 'nothing', 'nothing', 'hide', 'show', 'executed', 'failed'),
    });
    const tally = { repeated: 0, short: 0, used: 0, changed: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 12 }), async (calls) => {
        newDay();
        let hidden = false;
        let last: { id: string; name: string; cost: number; open: boolean } | undefined;
        /** By the list and its key, and by what may be seen of it: how many are reserved, in which record. */
        const held = new Map<string, { id: string; cost: number; executed: boolean }>();
        const lists = new Map<string, string>();
        let used = 0;
        for (const { count, key, before } of calls) {
          if (before === 'hide' || before === 'show') {
            hidden = before === 'hide';
            await write(hidden ? 'delete' : 'touch', '2');
          } else if (before !== 'nothing' && last?.open === true) {
            expect(await report(last.id, { outcome: before })).toEqual([201]);
            for (const [name, list] of held) {
              if (list.id !== last.id) continue;
              if (before === 'executed') list.executed = true;
              else held.delete(name);
            }
            if (before === 'failed') {
              used -= last.cost;
              for (const [name, id] of lists) if (id === last.id) lists.delete(name);
            }
            last = undefined;
          }
          const seen = records(count).filter(({ id }) => id !== 'none' && !(hidden && id === '2'));
          const name = `${key} ${count}`;
          const same = key === undefined ? undefined : held.get(`${name} ${hidden}`);
          const latest = [...held.values()].find(({ id }) => key !== undefined && id === lists.get(name));
          const isUsed = latest?.executed === true;
          const covered = same?.executed === false ? same.cost : 0;
          // A list that nothing is left for is not looked at further, unless something is held for it.
          const isOpen = 100 - used + (latest?.cost ?? 0) > 0;
          const expected = isUsed || !isOpen ? 0 : Math.min(seen.length, 100 - used + covered);
          const dry = await filter(count, { dry_run: true }, key);
          const real = await filter(count, {}, key);
          const idsOf = (list: Filtered): string[] => list.records.map(({ id }) => id);
          expect([idsOf(dry), dry.removed]).toEqual([idsOf(real), real.removed]);
          expect(idsOf(real)).toEqual(seen.slice(0, expected).map(({ id }) => id));
          const record = await findLast();
          expect(record).toMatchObject({ found: expected, decision: expected > 0, left_out: real.removed });
          expect(record).toHaveProperty('items', seen.slice(0, expected).map(({ type, id }) => ({ type, id })));
          used += Math.max(0, expected - covered);
          if (isUsed) tally.used += 1;
          else if (covered > 0) tally.repeated += 1;
          else if (same === undefined && latest !== undefined) tally.changed += 1;
          if (expected < seen.length) tally.short += 1;
          if (expected === 0) continue;
          const holder = record?.reservation?.decision ?? '';
          expect(holder).toBe(covered > 0 ? same?.id : record?.id);
          const cost = Math.max(expected, covered);
          last = { id: holder, name, cost, open: same?.executed !== true };
          if (key === undefined) continue;
          if (covered === 0) lists.set(name, holder);
          held.set(`${name} ${hidden}`, { id: holder, cost, executed: false });
        }
        await write('touch', '2');
      }),
      { numRuns: 30 },
    );
    expect(Math.min(tally.repeated, tally.short, tally.changed)).toBeGreaterThan(3);
    expect(tally.used).toBeGreaterThan(0);
  }, 600_000); // prettier-ignore

  it('takes no key that is none', async () => {
    const { subject, action } = ask('export') as { subject: object; action: object };
    const headers = { ...as('shop'), 'idempotency-key': 'with space' };
    const response = await remit.post('/v1/filter', { subject, action, records: [] }, headers);
    expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([400, 'Idempotency-Key']);
  }); // prettier-ignore

  it('gives back what was not handed on', async () => {
    newDay();
    await filter(50);
    const [list] = (await remit.service.decisions.list({}, undefined, 1)).records;
    expect(list).toMatchObject({ search: 'filter', found: 45, reservation: { decision: list?.id } });
    expect(await report(list?.id ?? '', { outcome: 'executed', actual: { count: 5 } })).toEqual([201]);
    expect((await filter(1000)).records).toHaveLength(95);
  });
});
