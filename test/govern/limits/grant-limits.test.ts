/** Limits in delegations and consents: what a user bounds is bounded exactly, for each use that rests on it. */
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { parseRecord } from '../../../src/records/parse-record.js';
import { redecide } from '../../../src/records/redecide.js';
import { codes, DAYTIME, step, type Answer, type Running } from '../../support/sample.js';
import { askGrant, asUser, eur, questionOf, startGrants, type Asked } from './grants-world.js';

const HOUR = 3_600_000;
let remit: Running;
let now = DAYTIME;
beforeAll(async () => {
  remit = await startGrants();
  return () => remit.stop();
});
/** Each test has a week of its own: what one has used of the action's limits is of no account to the next. */
beforeEach(async () => {
  move(24 * 7);
  for (const user of ['ann', 'ben'])
    for (const { consent } of await remit.service.consents.list({ type: 'user', id: user }))
      await remit.service.consents.withdraw({ type: 'user', id: user }, consent.id, now);
});

function move(hours: number): void {
  now = new Date(now.getTime() + hours * HOUR);
  remit.at(now);
}
const at = (hours: number): string => new Date(now.getTime() + hours * HOUR).toISOString();
const daily = (count: number): object => ({ count, per: 'P1D', window: 'sliding' });
const ask = (asked: Asked = {}): Promise<Answer> => askGrant(remit, asked);
const decide = async (asked: Asked = {}): Promise<string> => {
  const answer = await ask(asked);
  return answer.decision ? 'allow' : codes(answer).join();
};
async function delegate(limits: readonly object[] | undefined, more: object = {}): Promise<void> {
  const { status, body } = await asUser(remit, 'POST', '/v1/delegations', {
    agent: 'bot', until_ended: true, ...(limits === undefined ? {} : { limits }), ...more,
  }); // prettier-ignore
  expect([status, body]).toEqual([201, expect.anything()]);
}
async function consent(limits: readonly object[], more: object = {}): Promise<string> {
  const { status, body } = await asUser(remit, 'POST', '/v1/consents', {
    agent: 'bot', details: [{ type: 'remit', actions: ['read', 'pay'] }], until_ended: true, limits, ...more,
  }); // prettier-ignore
  expect([status, body]).toEqual([201, expect.anything()]);
  return body.id;
}
const recordOf = async (answer: Answer): Promise<ReplayableRecord> =>
  parseRecord(
    (await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`)).json(),
    '',
  ) as ReplayableRecord;
async function expectReplayed(answer: Answer): Promise<void> {
  const record = await recordOf(answer);
  const { decision, missing } = redecide(record, remit.service.activePolicies.rules);
  expect([missing, decision.decision, decision.reasons]).toEqual([[], record.decision, record.reasons]);
}

describe('a delegation’s limit', () => {
  it('bounds all that rests on it, says what is left, and is replayed', async () => {
    await delegate([daily(2)]);
    await consent([]);
    expect(await decide({ action: 'look' })).toBe('allow');
    const allowed = await ask();
    expect([allowed.decision, allowed.context?.valid_until]).toEqual([true, allowed.context?.evaluated_at]);
    expect(step(allowed, 'consent')?.evidence['limits']).toEqual([
      {
        limit: '2 per P1D',
        delegation: 'agent:bot#delegator@user:ann',
        of: ['user:ann', 'agent:bot'],
        required: 1,
        remaining: 1,
        resets_at: at(24),
      },
    ]);
    const denied = await ask({ action: 'look' });
    expect(denied.context?.reasons).toEqual([
      {
        code: 'limit_exceeded',
        step: 'consent',
        message:
          'The limit "2 per P1D" of the delegation agent:bot#delegator@user:ann has less left than the question uses.',
        delegation: 'agent:bot#delegator@user:ann',
        required: 1,
        remaining: 0,
        resets_at: at(24),
      },
      expect.objectContaining({ code: 'policy_forbid' }),
    ]);
    // What is denied has used nothing, and another user's delegation has uses of its own.
    const other = { agent: 'bot', until_ended: true, limits: [daily(2)] };
    await asUser(remit, 'POST', '/v1/delegations', other, 'ben');
    expect(await decide({ action: 'look', user: 'ben' })).toBe('allow');
    for (const answer of [allowed, denied]) await expectReplayed(answer);
    move(24);
    expect(await decide({ action: 'look' })).toBe('allow');
  });

  it('is part of the tightest budget, before the question', async () => {
    await delegate([daily(3)]);
    expect(await decide({ action: 'look' })).toBe('allow');
    expect(await decide({ action: 'look' })).toBe('allow');
    // One of three is left, and 48 of 50 by agent.
    expect(await decide({ action: 'look' })).toBe('policy_forbid');
  });

  it('keeps its count where it is narrowed, and begins anew where it is given again', async () => {
    await delegate([daily(3)]);
    await consent([]);
    expect([await decide(), await decide()]).toEqual(['allow', 'allow']);
    const patch = async (limits: unknown) => (await asUser(remit, 'PATCH', '/v1/delegations/bot', { limits })).status;
    expect(await patch([daily(2), { count: 9, per: 'total' }])).toBe(200);
    expect(await decide()).toBe('limit_exceeded');
    const { body } = await asUser(remit, 'GET', '/v1/delegations/bot');
    expect(body['limits']).toEqual([daily(2), { count: 9, per: 'total' }]);
    await delegate([daily(2)]);
    expect([await decide(), await decide(), await decide()]).toEqual(['allow', 'allow', 'limit_exceeded']);
    // A bound that is added later counts from then.
    await delegate(undefined);
    expect(await decide()).toBe('allow');
    expect(await patch([daily(1)])).toBe(200);
    expect([await decide(), await decide()]).toEqual(['allow', 'limit_exceeded']);
  });

  it('holds where an agent has passed it on, for both together', async () => {
    await delegate([daily(3)], { agent: 'planner' });
    expect(await decide({ action: 'look', agent: 'helper' })).toBe('allow');
    expect(await decide({ action: 'look', agent: 'planner' })).toBe('allow');
    const denied = await ask({ account: 'vault:ann', action: 'look', agent: 'helper' });
    expect(denied.decision).toBe(true);
    const last = await ask({ account: 'vault:ann', action: 'look', agent: 'helper' });
    expect(codes(last)).toEqual(['limit_exceeded']);
    for (const answer of [denied, last]) await expectReplayed(answer);
  });

  it('gives nothing for a delegation that has ended, and ends with it', async () => {
    await delegate([{ count: 1, per: 'total', window: 'sliding' }], { ends: at(2), until_ended: undefined });
    expect(await decide({ action: 'look' })).toBe('policy_forbid');
    expect(await decide({ action: 'look', account: 'vault:ann' })).toBe('allow');
    expect(await decide({ action: 'look', account: 'vault:ann' })).toBe('limit_exceeded');
    move(2);
    expect(await decide({ action: 'look', account: 'vault:ann' })).toContain('delegation_missing');
  });
});

describe('a limit on an amount', () => {
  it('adds exactly, in any decimals, and is of no account to what has no amount', async () => {
    await delegate([{ amount: eur(1000), per: 'P1M', window: 'calendar', zone: 'Europe/Berlin' }]);
    await consent([{ amount: eur(50, 1), per: 'total' }]);
    expect(await decide({ action: 'pay', amount: eur(250) })).toBe('allow');
    expect(await decide({ action: 'pay', amount: eur(2500, 3) })).toBe('allow');
    const denied = await ask({ action: 'pay', amount: eur(10) });
    expect(denied.context?.reasons).toMatchObject([
      { code: 'limit_exceeded', required: eur(1, 1), remaining: eur(0, 1) },
    ]);
    expect(denied.context?.reasons[0]).not.toHaveProperty('resets_at');
    expect(await decide()).toBe('allow');
  });

  it.each<[string, unknown, string]>([
    ['none', undefined, 'attribute_missing'],
    ['another unit', { value: 1, unit: 'USD', decimals: 2 }, 'limit_exceeded'],
    ['a part of its smallest', eur(1, 3), 'limit_exceeded'],
    ['more than 64 bits', eur(Number.MAX_SAFE_INTEGER, 0), 'limit_exceeded'],
    ['a negative one', eur(-1), 'limit_exceeded'],
    ['a member too many', { ...eur(1), note: 'x' }, 'limit_exceeded'],
  ])('takes no question with %s', async (_what, amount, expected) => {
    await delegate([{ amount: { value: 10 ** 15, unit: 'EUR', decimals: 2 }, per: 'P1D' }]);
    await consent([]);
    expect(await decide({ action: 'pay', amount })).toBe(expected);
  });

  it('is refused where nothing that it is for has one', async () => {
    const limits = [{ amount: eur(1), per: 'P1D' }];
    const details = [{ type: 'remit', actions: ['read'] }];
    for (const [path, body] of [
      ['/v1/consents', { agent: 'bot', details, until_ended: true, limits }],
      ['/v1/delegations', { agent: 'bot', details, until_ended: true, limits }],
    ] as const)
      expect(await asUser(remit, 'POST', path, body)).toMatchObject({
        status: 400,
        body: { error: { at: 'limits[0].amount', message: expect.stringContaining('@amount') as string } },
      });
  });
});

describe('narrowing', () => {
  const detail = (...actions: string[]) => ({ type: 'remit', actions });
  const change = fc.record(
    {
      details: fc.constantFrom([detail('read', 'pay')], [detail('pay')], [detail('read')]),
      added: fc.constantFrom<object>(daily(9), { amount: eur(900), per: 'P1W' }, { count: 90, per: 'total' }),
      lowers: fc.boolean(),
    },
    { requiredKeys: ['lowers'] },
  );
  interface Json {
    readonly details: readonly { readonly actions: readonly string[] }[];
    readonly limits: readonly { readonly count?: number; readonly amount?: { readonly value: number } }[];
  }

  it('is judged by what it leads to, and leaves every limit to be lowered further', async () => {
    let refused = 0;
    let idle = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('delegations', 'consents'), fc.array(change, { maxLength: 5 }), async (kind, changes) => {
        const terms = { agent: 'bot', until_ended: true, details: [detail('read', 'pay')], limits: [daily(10), { amount: eur(1000), per: 'P1D' }] };
        const given = await asUser(remit, 'POST', `/v1/${kind}`, terms);
        expect(given.status).toBe(201);
        const path = `/v1/${kind}/${kind === 'consents' ? given.body.id : 'bot'}`;
        let current = given.body as unknown as Json;
        for (const { details, added, lowers } of changes) {
          const former = current.limits.map((limit) => (!lowers ? limit : limit.amount === undefined
            ? { ...limit, count: Math.max(1, (limit.count ?? 0) - 1) }
            : { ...limit, amount: { ...limit.amount, value: limit.amount.value - 1 } }));
          const isNew = added !== undefined && !current.limits.some((limit) => limit['per' as never] === (added as { per: string }).per && ('amount' in limit) === ('amount' in added));
          const limits = isNew ? [...former, added] : former;
          const names = (list: Json['details']): string[] => list.flatMap(({ actions }) => actions);
          const next = details ?? current.details;
          const isNarrower = names(next).every((name) => names(current.details).includes(name));
          const isUnbound = isNew && 'amount' in added && !names(next).includes('pay');
          const { status, body } = await asUser(remit, 'PATCH', path, { ...(details === undefined ? {} : { details }), limits });
          expect([status, JSON.stringify(body)]).toEqual([isNarrower && !isUnbound ? 200 : 400, expect.anything()]);
          if (status === 400) {
            refused += 1;
            continue;
          }
          current = body as unknown as Json;
          expect(current.limits).toHaveLength(limits.length);
          if (!names(current.details).includes('pay')) idle += 1;
        }
        await asUser(remit, 'DELETE', path);
      }),
      { numRuns: 60 },
    );
    expect(Math.min(refused, idle)).toBeGreaterThan(3);
  }); // prettier-ignore
});

describe('a consent’s limit', () => {
  it('bounds what rests on it, and another consent that covers the question serves when it is used up', async () => {
    await delegate(undefined);
    const [late, soon] = [await consent([daily(2)], { ends: at(9), until_ended: undefined }), await consent([daily(1)], { ends: at(5), until_ended: undefined })];
    const rested = async () => {
      const answer = await ask();
      await expectReplayed(answer);
      return answer.decision ? step(answer, 'consent')?.evidence['consent'] : codes(answer).join();
    };
    expect([await rested(), await rested(), await rested(), await rested()]).toEqual([soon, late, late, 'limit_exceeded']);
    // The one that ends first says why: it has no room.
    const denied = await ask();
    expect(denied.context?.reasons[0]?.message).toContain(`of the consent ${soon} has less left`);
    await asUser(remit, 'DELETE', `/v1/consents/${soon}`);
    expect((await ask()).context?.reasons[0]?.message).toContain(`of the consent ${late} has less left`);
    move(5);
    expect(await decide()).toBe('limit_exceeded');
    const open = await consent([]);
    expect([await rested(), await rested()]).toEqual([open, open]);
  }); // prettier-ignore

  it('passes over one whose limit takes no such amount', async () => {
    await delegate(undefined);
    const dollars = [{ amount: { value: 5, unit: 'USD' }, per: 'P1D' }];
    await consent(dollars, { ends: at(1), until_ended: undefined });
    const euros = await consent([{ amount: eur(500), per: 'P1D' }]);
    const answer = await ask({ action: 'pay', amount: eur(500) });
    expect(step(answer, 'consent')?.evidence['consent']).toBe(euros);
    expect(await decide({ action: 'pay', amount: eur(1) })).toBe('limit_exceeded');
  });

  it('keeps its count where it is narrowed', async () => {
    await delegate(undefined);
    const id = await consent([daily(3)]);
    expect([await decide(), await decide()]).toEqual(['allow', 'allow']);
    expect(await asUser(remit, 'PATCH', `/v1/consents/${id}`, { limits: [daily(2)] })).toMatchObject({
      status: 200,
      body: { limits: [daily(2)] },
    });
    expect(await decide()).toBe('limit_exceeded');
  });

  it('is told in the text that the user reads', async () => {
    const limits = [daily(2), { amount: eur(1050), per: 'P1M', zone: 'Europe/Berlin' }, { count: 9, per: 'total' }];
    const body = { agent: 'bot', details: [{ type: 'remit', actions: ['pay'] }], until_ended: true, limits };
    const preview = await asUser(remit, 'POST', '/v1/consents?preview=true', body);
    expect(preview.body['text']).toContain('At most 2 times within any day.\nAt most "10.50 EUR" in each month by the clock of "Europe/Berlin".\nAt most 9 times in all.\n');
    const plain = await asUser(remit, 'POST', '/v1/consents?preview=true', { ...body, limits: [] });
    expect(plain.body['text_sha256']).not.toBe(preview.body['text_sha256']);
  }); // prettier-ignore

  it('may be set by the user who answers a request', async () => {
    await delegate(undefined);
    const needs = [{ type: 'remit', actions: ['read'] }];
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'all' });
    const asked = await remit.request('POST', '/v1/consents/requests', { needs, token });
    const { id } = asked.json<{ id: string }>();
    const { body } = await asUser(remit, 'GET', `/v1/consents/requests/${id}`);
    const decision = { decision: 'grant', text_sha256: body['text_sha256'], until_ended: true };
    const refused = await asUser(remit, 'POST', `/v1/consents/requests/${id}/decision`, { ...decision, limits: [{ count: 1 }] });
    expect(refused.status).toBe(400);
    const granted = await asUser(remit, 'POST', `/v1/consents/requests/${id}/decision`, { ...decision, limits: [daily(1)] });
    expect(granted).toMatchObject({ status: 201, body: { limits: [daily(1)] } });
    expect([await decide(), await decide()]).toEqual(['allow', 'limit_exceeded']);
  }); // prettier-ignore

  it('that is used up for good is missing, so that the user can be asked again', async () => {
    await delegate(undefined);
    const needs = [{ type: 'remit', actions: ['read'] }];
    const token = await remit.mint({ user: 'ann', agent: 'bot', scope: 'all' });
    const missing = async (): Promise<number> =>
      (await remit.request('POST', '/v1/consents/requests', { needs, token })).json<{ missing: object[] }>().missing.length;
    await consent([{ count: 1, per: 'total' }]);
    expect(await missing()).toBe(0);
    expect(await decide()).toBe('allow');
    expect(await missing()).toBe(1);
    await consent([daily(1)]);
    expect([await decide(), await decide()]).toEqual(['allow', 'limit_exceeded']);
    expect(await missing()).toBe(0);
  }); // prettier-ignore
});

describe('what was reserved', () => {
  it('is given back by an outcome, for the delegation and the consent alike', async () => {
    await delegate([daily(1)]);
    await consent([daily(1)]);
    const { context } = await ask();
    expect(await decide()).toBe('limit_exceeded,limit_exceeded');
    const outcome = { outcome: 'abandoned' };
    expect((await remit.post(`/v1/decisions/${context?.id ?? ''}/outcome`, outcome)).statusCode).toBeLessThan(300);
    expect([await decide(), await decide()]).toEqual(['allow', 'limit_exceeded,limit_exceeded']);
  });

  it('serves a retry as well, though nothing is left', async () => {
    await delegate([daily(1)]);
    const soon = await consent([daily(1)], { ends: at(5), until_ended: undefined });
    await consent([daily(9)]);
    const question = JSON.stringify(await questionOf(remit));
    const send = async (): Promise<Answer> =>
      (await remit.post('/access/v1/evaluation', question, { 'idempotency-key': 'k1' })).json();
    const [first, again] = [await send(), await send()];
    for (const answer of [first, again]) {
      expect(answer.decision).toBe(true);
      expect(step(answer, 'consent')?.evidence['consent']).toBe(soon);
    }
    expect(step(again, 'consent')?.evidence['retry_of']).toBe(first.context?.id);
    expect(await decide({ key: 'k2', context: { note: 1 } })).toBe('limit_exceeded');
  });

  it('is nothing for a dry run', async () => {
    await delegate([daily(1)]);
    await consent([daily(1)]);
    for (let i = 0; i < 3; i += 1) expect(await decide({ context: { dry_run: true } })).toBe('allow');
    expect([await decide(), await decide()]).toEqual(['allow', 'limit_exceeded,limit_exceeded']);
  });

  it('is one use for each record that a filter hands out, in order, over the types that share the limit', async () => {
    await delegate([daily(5)]);
    const records = ['account:of-ann', 'vault:ann', 'account:of-ann', 'vault:ben', 'vault:ann', 'account:of-ann', 'vault:ann', 'account:ann'].map((text, i) => {
      const [type, id] = text.split(':');
      return { type, id, properties: { i } };
    });
    const { subject, context } = (await questionOf(remit)) as { subject: object; context: object };
    const filter = async (more: object = {}) =>
      (await remit.post('/v1/filter', { subject, action: { name: 'look' }, records, context: { ...context, ...more } })).json<{ records: { properties: { i: number } }[]; removed: Record<string, number> }>();
    const dry = await filter({ dry_run: true });
    expect(dry.records).toHaveLength(5);
    const first = await filter();
    expect(first.records.map(({ properties }) => properties.i)).toEqual([0, 1, 2, 4, 5]);
    expect(first.removed['limit_exceeded']).toBe(2);
    expect((await filter()).records).toEqual([]);
  }); // prettier-ignore
});
