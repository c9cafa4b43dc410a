/** What was read of limits is on record, so that a decision comes out the same again, and by other limits as they say. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parseRecord } from '../../../src/records/parse-record.js';
import { explainRecord } from '../../../src/records/explain/explain.js';
import { replayRecord } from '../../../src/records/replay.js';
import { step, type Answer, type Running } from '../../support/sample.js';
import { rulesOf } from '../../policy/sources.js';
import { ask, euro, POLICIES, SCHEMA, startCompany, ZED } from './company.js';

let remit: Running;
beforeAll(async () => {
  remit = await startCompany();
  return () => remit.stop();
});
const decide = async (question: object, retry?: string): Promise<Answer> =>
  (
    await remit.post('/access/v1/evaluation', question, {
      authorization: 'Bearer shop-key',
      ...(retry === undefined ? {} : { 'idempotency-key': retry }),
    })
  ).json();
const recordOf = async ({ context }: Answer) => {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'record');
};

describe('a decision within limits', () => {
  it('is replayed to the same, allowed, denied, overtaken or repeated', async () => {
    const answers = [
      ...(await Promise.all(Array.from({ length: 12 }, () => decide(ask('pay', { amount: euro(10_000) }))))),
      ...(await Promise.all(Array.from({ length: 4 }, () => decide(ask('copy'))))),
      await decide(ask('copy')),
      await decide(ask('look'), 'k'),
      await decide(ask('look'), 'k'),
      await decide(ask('pay', { amount: { value: -1, unit: 'EUR', decimals: 2 } })),
    ];
    expect(answers.filter(({ decision }) => decision)).not.toHaveLength(answers.length);
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    for (const answer of answers) expect(replayRecord(await recordOf(answer), rules)).toEqual({ kind: 'same' });
  });

  it('is explained with the limit that denied it', async () => {
    const question = ask('pay', { user: 'ben', agent: 'planner', amount: euro(60_000) });
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    expect(explainRecord(await recordOf(await decide(question)), rules)).toMatchObject({
      decision: false,
      reasons: [{ code: 'limit_exceeded', required: euro(60_000), remaining: euro(50_000) }],
      rules: { same: true, result_now: false },
    });
  });

  it('shows what each limit had left', async () => {
    const answer = await decide(ask('pay', { user: 'ben', agent: 'helper', amount: euro(1_250) }));
    expect(step(answer, 'consent')).toMatchObject({
      outcome: 'pass',
      evidence: {
        required: false,
        limits: [
          { limit: '3 per P1D by user, agent', of: ['user:ben', 'agent:helper'], required: 1, remaining: 3 },
          {
            limit: '500.00 EUR per P1M calendar Europe/Berlin by user',
            required: euro(1_250),
            remaining: euro(50_000),
          },
        ],
      },
    });
  });

  it('is decided by other limits as they say, as far as the record tells', async () => {
    const record = await recordOf(await decide(ask('export', { user: 'ben' })));
    const by = (limit: string) =>
      replayRecord(
        record,
        rulesOf({ zed: ZED, schema: SCHEMA.replace('100 per P1D by user', limit), policies: POLICIES }),
      );
    expect(by('1 per P1D by user')).toEqual({ kind: 'same' });
    // Where uses are counted otherwise, the record doesn't say how many there were.
    expect(by('100 per P1W by user')).toEqual({
      kind: 'inconclusive',
      missing: ['Action::"export": 100 per P1W by user'],
    });
    const unlimited = await recordOf(await decide(ask('look')));
    const limited = SCHEMA.replace(
      '@permission("pay")\naction "look"',
      '@limit("1 per P1D") @permission("pay")\naction "look"',
    );
    expect(replayRecord(unlimited, rulesOf({ zed: ZED, schema: limited, policies: POLICIES }))).toMatchObject({
      kind: 'inconclusive',
    });
  });
});
