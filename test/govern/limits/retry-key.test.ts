/** Retries: the same question with the same key reserves once for a day, and is refused once it was executed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, DAYTIME, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';
import { ask, CLIENTS, euro, startCompany } from './company.js';

let remit: Running;
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'corp');
  remit = await startCompany({
    clients: [...CLIENTS, { ...clientNamed('passer', 'remit', 'evaluate') }],
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
  });
  return () => remit.stop();
});
const HOUR = 3_600_000;
let now = DAYTIME.getTime();
const at = (time: number): void => remit.at(new Date((now = time)));
const newDay = (): void => at(now + 40 * 24 * HOUR);
const decide = async (question: object, retry?: string, client = 'shop'): Promise<Answer> =>
  (
    await remit.post('/access/v1/evaluation', question, {
      authorization: `Bearer ${client}-key`,
      ...(retry === undefined ? {} : { 'idempotency-key': retry }),
    })
  ).json();
const report = (id: string | undefined, outcome: string) =>
  remit.post(`/v1/decisions/${id ?? ''}/outcome`, { outcome }, { authorization: 'Bearer shop-key' });
const write = (operation: 'touch' | 'delete') =>
  remit.post(
    '/v1/relationships',
    { updates: [{ operation, relationship: 'account:1#owner@user:ann' }] },
    { authorization: 'Bearer boss-key' },
  );
const codesOf = (answer: Answer): string[] => (answer.context?.reasons ?? []).map(({ code }) => code);
const payment = (cents: number, more: object = {}) => ask('pay', { amount: euro(cents), ...more });

describe('the same question with the same key', () => {
  it('reserves once, also where nothing else would fit, and is decided anew', async () => {
    newDay();
    const first = await decide(payment(50_000), 'k1');
    for (let i = 0; i < 5; i += 1) {
      const again = await decide(payment(50_000), 'k1');
      expect(again).toMatchObject({
        decision: true,
        context: {
          rationale: {
            steps: expect.arrayContaining([
              expect.objectContaining({
                step: 'consent',
                evidence: expect.objectContaining({ retry_of: first.context?.id }) as object,
              }),
            ]) as object,
          },
        },
      });
      expect(again.context?.id).not.toBe(first.context?.id);
      expect((await remit.service.decisions.find(again.context?.id ?? ''))?.record.reservation?.decision).toBe(
        first.context?.id,
      );
    }
    expect(codesOf(await decide(payment(50_000)))).toEqual(['limit_exceeded']);
    expect(codesOf(await decide(payment(50_000), 'k2'))).toEqual(['limit_exceeded']);
    await write('delete');
    expect(codesOf(await decide(payment(50_000), 'k1'))).toEqual(['relationship_missing']);
    await write('touch');
    expect((await decide(payment(50_000), 'k1')).decision).toBe(true);
  });

  it('reserves once for many at once', async () => {
    newDay();
    const answers = await Promise.all(Array.from({ length: 30 }, () => decide(payment(30_000), 'k3')));
    expect(answers.every(({ decision }) => decision)).toBe(true);
    const holders = await Promise.all(
      answers.map(
        async ({ context }) => (await remit.service.decisions.find(context?.id ?? ''))?.record.reservation?.decision,
      ),
    );
    expect(new Set(holders).size).toBe(1);
    expect((await decide(payment(20_000), 'k4')).decision).toBe(true);
  });

  it('is refused once it was executed, whichever of them was reported', async () => {
    newDay();
    await decide(payment(100), 'k5');
    const again = await decide(payment(100), 'k5');
    expect((await report(again.context?.id, 'executed')).statusCode).toBe(201);
    const refused = await decide(payment(100), 'k5');
    expect(refused.context?.reasons).toMatchObject([{ code: 'key_used', step: 'consent' }]);
    expect((await decide(payment(100), 'k6')).decision).toBe(true);
  });

  it('reserves anew where the first failed, and after a day', async () => {
    newDay();
    const first = await decide(payment(50_000), 'k7');
    await report(first.context?.id, 'failed');
    const second = await decide(payment(50_000), 'k7');
    expect((await remit.service.decisions.find(second.context?.id ?? ''))?.record.reservation?.decision).toBe(
      second.context?.id,
    );
    at(now + 24 * HOUR);
    expect((await decide(payment(50_000), 'k7')).decision).toBe(true);
    at(now + 1);
    expect(codesOf(await decide(payment(50_000), 'k7'))).toEqual(['limit_exceeded']);
  });

  it('is known also where the action has no limit', async () => {
    const first = await decide(ask('look'), 'k8');
    expect((await decide(ask('look'), 'k8')).decision).toBe(true);
    await report(first.context?.id, 'executed');
    expect(codesOf(await decide(ask('look'), 'k8'))).toEqual(['key_used']);
    expect((await decide(ask('look'))).decision).toBe(true);
  });

  it('may come with a token that was refreshed, of the same session', async () => {
    newDay();
    const sign = (sid: string, jti: string) =>
      key.sign(
        { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
        {
          iss: 'https://corp.example',
          aud: 'remit',
          sub: 'ann',
          act: { sub: 'bot' },
          sid,
          jti,
          iat: now / 1000,
          exp: now / 1000 + 300,
          authorization_details: [{ type: 'remit', actions: ['pay'] }],
        },
      );
    const question = async (sid: string, jti: string) => ({
      ...payment(50_000),
      subject: { type: 'user', id: 'ann' },
      context: { token: await sign(sid, jti) },
    });
    expect((await decide(await question('s1', 'a'), 'k9', 'passer')).decision).toBe(true);
    expect((await decide(await question('s1', 'b'), 'k9', 'passer')).decision).toBe(true);
    expect(codesOf(await decide(await question('s2', 'c'), 'k9', 'passer'))).toEqual(['limit_exceeded']);
  });
});

describe('a token of another chain', () => {
  it('retries nothing: where the limit is used up, no chain gets in by the key of another', async () => {
    newDay();
    const question = async (chain: readonly string[], jti: string) => {
      const act = ['bot', ...chain].reduceRight<object | undefined>(
        (inner, sub) => ({ sub, ...(inner === undefined ? {} : { act: inner }) }),
        undefined,
      );
      const token = await key.sign(
        { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
        {
          iss: 'https://corp.example', aud: 'remit', sub: 'ann', act, sid: 's1', jti, iat: now / 1000, exp: now / 1000 + 300,
          authorization_details: [{ type: 'remit', actions: ['close'] }],
        },
      ); // prettier-ignore
      return { ...ask('close'), subject: { type: 'user', id: 'ann' }, context: { token } };
    };
    expect((await decide(await question([], 'c1'), 'chain', 'passer')).decision).toBe(true);
    // Each chain charges its own agents, and the acting one each time.
    expect((await decide(await question(['helper'], 'c2'), 'chain', 'passer')).decision).toBe(true);
    for (const chain of [['planner'], ['helper', 'planner'], ['planner', 'helper']])
      expect([chain, codesOf(await decide(await question(chain, `c${chain.join()}`), 'chain', 'passer'))]).toEqual([
        chain,
        ['limit_exceeded'],
      ]);
    expect((await decide(await question(['helper'], 'c3'), 'chain', 'passer')).decision).toBe(true);
  });
});

describe('a key of another question', () => {
  it.each([
    ['another amount', payment(49_999)],
    ['another account', payment(50_000, { account: '2' })],
    ['another agent', payment(50_000, { agent: 'helper' })],
    ['another context', payment(50_000, { context: { reason: 'x' } })],
  ])('%s reserves its own', async (_name, other) => {
    newDay();
    expect((await decide(payment(50_000), 'same')).decision).toBe(true);
    expect(codesOf(await decide(other, 'same'))).toEqual(['limit_exceeded']);
    expect((await decide(payment(50_000), 'same')).decision).toBe(true);
  });

  it('is not that of another client, nor of another user, and a dry run leaves no key', async () => {
    newDay();
    expect((await decide(payment(50_000, { context: { dry_run: true } }), 'mine')).decision).toBe(true);
    expect((await decide(payment(50_000), 'mine')).decision).toBe(true);
    expect(codesOf(await decide(payment(50_000), 'mine', 'other'))).toEqual(['limit_exceeded']);
    expect((await decide(payment(50_000, { user: 'ben' }), 'mine')).decision).toBe(true);
  });

  const decideAll = async (items: readonly object[], retry: string): Promise<Answer[]> =>
    (
      await remit.post(
        '/access/v1/evaluations',
        { evaluations: items },
        { authorization: 'Bearer shop-key', 'idempotency-key': retry },
      )
    ).json<{ evaluations: Answer[] }>().evaluations;
  const retriesOf = (answers: readonly Answer[]): unknown[] =>
    answers.map(
      ({ context }) =>
        (context?.rationale.steps.find(({ step }) => step === 'consent')?.evidence as { retry_of?: string } | undefined)
          ?.retry_of,
    );

  it('in a batch each question has its own, and the n-th of equal ones retries the n-th of the earlier request', async () => {
    newDay();
    const items = [payment(100), payment(200), payment(100)];
    const first = await decideAll(items, 'batch');
    expect(first.map(({ decision }) => decision)).toEqual([true, true, true]);
    expect(retriesOf(first)).toEqual([undefined, undefined, undefined]);
    // Three uses: two that are equal are two.
    expect(codesOf(await decide(payment(1)))).toEqual(['limit_exceeded']);
    const again = await decideAll(items, 'batch');
    expect(again.map(({ decision }) => decision)).toEqual([true, true, true]);
    expect(retriesOf(again)).toEqual(first.map(({ context }) => context?.id));
    // Fewer retry the first ones, alone or in another order; one more is a use of its own.
    expect((await decide(payment(100), 'batch')).decision).toBe(true);
    expect(retriesOf(await decideAll([payment(200), payment(100)], 'batch'))).toEqual([
      first[1]?.context?.id,
      first[0]?.context?.id,
    ]);
    expect((await decideAll([...items, payment(100)], 'batch')).map(({ decision }) => decision)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('in a batch of equal questions counts as many uses as there is room for', async () => {
    newDay();
    const items = Array.from({ length: 5 }, () => payment(100));
    const count = (answers: readonly Answer[]): number => answers.filter(({ decision }) => decision).length;
    expect(count(await decideAll(items, 'equal'))).toBe(3);
    expect(count(await decideAll(items, 'equal'))).toBe(3);
  });

  it.each([[''], ['with space'], ['é'], ['x'.repeat(256)]])('that is none, %j, is refused', async (retry) => {
    const response = await remit.post('/access/v1/evaluation', payment(1), {
      authorization: 'Bearer shop-key',
      'idempotency-key': retry,
    });
    expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([
      400,
      'Idempotency-Key',
    ]);
  });
});
