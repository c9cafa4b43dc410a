/** What policies read of the past: what counts and what doesn't, held while many ask at once, and the same in its records. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { explainRecord } from '../../src/records/explain/explain.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';
import { ask, euro, POLICIES, SCHEMA, startDocuments, ZED } from '../govern/history/documents.js';
import { rulesOf } from '../policy/sources.js';
import { DAYTIME, type Answer, type Running } from '../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startDocuments();
  return () => remit.stop();
});
const HOUR = 3_600_000;
const KEY = { authorization: 'Bearer shop-key' };
const decide = async (question: object, headers: Record<string, string> = {}): Promise<Answer> => {
  const response = await remit.post('/access/v1/evaluation', question, { ...KEY, ...headers });
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};
const isAllowed = async (question: object): Promise<boolean> => (await decide(question)).decision;
const report = (answer: Answer, outcome: string, key = 'shop-key') =>
  remit.request('POST', `/v1/decisions/${answer.context?.id ?? ''}/outcome`, { outcome }, key);
const recordOf = async ({ context }: Answer) => {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'record');
};
const at = (ms: number): void => {
  remit.at(new Date(DAYTIME.getTime() + ms));
};
const filter = async (question: object, count: number): Promise<number> => {
  const { resource: _resource, ...asked } = question as { resource: object };
  const records = Array.from({ length: count }, (_, i) => ({ type: 'paper', id: String((i % 3) + 1), properties: {} }));
  const response = await remit.post('/v1/filter', { ...asked, records }, KEY);
  expect(response.statusCode, response.body).toBe(200);
  return response.json<{ records: object[] }>().records.length;
};

describe('a policy that reads the past', () => {
  it('counts what was allowed, in a window that both of its ends belong to', async () => {
    const exporting = ask('export', { user: 'ann' });
    for (let i = 0; i < 10; i += 1) expect(await isAllowed(exporting)).toBe(true);
    expect(await decide(exporting)).toMatchObject({
      decision: false,
      context: { reason: 'policy_forbid', reasons: [{ policies: ['ten-exports'] }] },
    });
    // Another agent, and another user, have a past of their own.
    expect(await isAllowed(ask('export', { user: 'ann', agent: 'helper' }))).toBe(true);
    expect(await isAllowed(ask('export', { user: 'ben' }))).toBe(true);
    at(HOUR);
    expect(await isAllowed(exporting)).toBe(false);
    at(HOUR + 1);
    expect(await isAllowed(exporting)).toBe(true);
    at(0);
  });

  it('is good for its moment alone', async () => {
    const { context } = await decide(ask('export', { user: 'ben', agent: 'helper' }));
    expect(context?.valid_until).toBe(context?.evaluated_at);
  });

  it('allows as many as there may be of 50 at once', async () => {
    const asked = Array.from({ length: 50 }, () => decide(ask('export', { user: 'carl' })));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ decision }) => decision)).toHaveLength(10);
    for (const { context, decision } of answers) if (!decision) expect(context?.reason).toBe('policy_forbid');
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    for (const answer of answers) expect(replayRecord(await recordOf(answer), rules)).toEqual({ kind: 'same' });
  });

  it('takes out what failed or was given up, by the word of the client', async () => {
    const exporting = ask('export', { user: 'dora' });
    const answers: Answer[] = [];
    for (let i = 0; i < 10; i += 1) answers.push(await decide(exporting));
    expect(await isAllowed(exporting)).toBe(false);
    const [first, second, third] = answers as [Answer, Answer, Answer];
    expect((await report(first, 'executed')).statusCode).toBeLessThan(300);
    expect(await isAllowed(exporting)).toBe(false);
    expect((await report(second, 'failed')).statusCode).toBeLessThan(300);
    expect(await isAllowed(exporting)).toBe(true);
    expect(await isAllowed(exporting)).toBe(false);
    expect((await report(third, 'abandoned')).statusCode).toBeLessThan(300);
    expect(await isAllowed(exporting)).toBe(true);
  });

  it("takes nothing out by an agent's own word", async () => {
    const details = [{ type: 'remit', actions: ['export'] }];
    const token = await remit.mint({ user: 'emil', agent: 'bot', details });
    const own = {
      subject: { type: 'user', id: 'emil' },
      action: { name: 'export' },
      resource: { type: 'paper', id: '1' },
    };
    const askAlone = () => remit.request('POST', '/access/v1/evaluation', own, token);
    for (let i = 0; i < 10; i += 1) {
      const answer = (await askAlone()).json<Answer>();
      expect(answer.decision).toBe(true);
      expect((await report(answer, 'failed', token)).statusCode).toBeLessThan(300);
    }
    expect((await askAlone()).json()).toMatchObject({ decision: false });
  });

  it('knows nothing of dry runs and denials, but those of a batch before', async () => {
    const exporting = ask('export', { user: 'fay', context: { dry_run: true } });
    for (let i = 0; i < 12; i += 1) expect(await isAllowed(exporting)).toBe(true);
    const batch = async (item: object): Promise<boolean[]> => {
      const response = await remit.post(
        '/access/v1/evaluations',
        { evaluations: Array.from({ length: 12 }, () => item) },
        KEY,
      );
      return response.json<{ evaluations: Answer[] }>().evaluations.map(({ decision }) => decision);
    };
    expect((await batch(exporting)).filter(Boolean)).toHaveLength(10);
    expect((await batch(ask('export', { user: 'fay' }))).filter(Boolean)).toHaveLength(10);
  });

  it('adds up amounts in one unit, and refuses what would not be added', async () => {
    const paying = (amount: unknown) => ask('pay', { user: 'ann', amount });
    expect(await isAllowed(paying(euro(6_000)))).toBe(true);
    expect(await isAllowed(paying(euro(4_001)))).toBe(false);
    expect(await isAllowed(paying({ value: 3, unit: 'EUR', decimals: 3 }))).toBe(true);
    // Half a cent counts as one.
    expect(await isAllowed(paying(euro(4_000)))).toBe(false);
    expect(await isAllowed(paying(euro(3_999)))).toBe(true);
    for (const amount of [{ value: 1, unit: 'USD', decimals: 2 }, euro(-500), { value: 1, unit: 'E U R', decimals: 2 }])
      expect((await remit.post('/access/v1/evaluation', paying(amount), KEY)).statusCode).toBe(400);
  });

  it('asks what the resource was like, as the client says or as it is stored', async () => {
    const sending = (user: string) => ask('send', { user });
    expect(await isAllowed(ask('read', { user: 'ann', paper: 'plain' }))).toBe(true);
    expect(await isAllowed(sending('ann'))).toBe(true);
    await decide(ask('read', { user: 'ann', paper: 'secret' }));
    expect(await isAllowed(sending('ann'))).toBe(false);
    await decide(ask('read', { user: 'ben', paper: 'secret', properties: { label: 'plain' } }));
    expect(await isAllowed(sending('ben'))).toBe(true);
    await decide(ask('read', { user: 'ben', paper: 'plain', properties: { label: 'secret' } }));
    expect(await isAllowed(sending('ben'))).toBe(false);
  });

  it('holds until it is cleared, and again after', async () => {
    const sending = ask('send', { user: 'carl' });
    await decide(ask('read', { user: 'carl', paper: 'tainted' }));
    expect(await isAllowed(sending)).toBe(false);
    at(1);
    await decide(ask('clear', { user: 'carl' }));
    expect(await isAllowed(sending)).toBe(true);
    at(2);
    await decide(ask('read', { user: 'carl', paper: 'tainted' }));
    expect(await isAllowed(sending)).toBe(false);
    at(0);
  });

  it('holds an agent to its past when it sends another ahead, and to what another read for it', async () => {
    await decide(ask('read', { user: 'dora', agent: 'planner', paper: 'secret' }));
    expect(await isAllowed(ask('send', { user: 'dora', agent: 'helper' }))).toBe(true);
    expect(await isAllowed(ask('send', { user: 'dora', agent: 'helper', chain: 'planner' }))).toBe(false);
    await decide(ask('read', { user: 'emil', agent: 'helper', chain: 'planner', paper: 'secret' }));
    expect(await isAllowed(ask('send', { user: 'emil', agent: 'planner' }))).toBe(false);
  });

  it('counts by task, session and resource', async () => {
    const printing = (task: unknown, paper: string, user = 'gus', agent = 'bot') =>
      ask('print', { user, agent, paper, context: task === undefined ? {} : { task } });
    expect(await isAllowed(printing('a', '1'))).toBe(true);
    expect(await isAllowed(printing('a', '1'))).toBe(true);
    expect(await isAllowed(printing('a', '1'))).toBe(false);
    expect(await isAllowed(printing('b', '1'))).toBe(true);
    expect(await isAllowed(printing(undefined, '1'))).toBe(true);
    // Tokens without a session are one: of this user and agent it has seen four.
    expect(await isAllowed(printing('c', '2'))).toBe(false);
    expect(await isAllowed(printing('c', '1', 'hal'))).toBe(true);
    expect(await isAllowed(printing('d', '1', 'ida'))).toBe(true);
    // The paper has been printed six times, whoever did it.
    expect(await isAllowed(printing('e', '1', 'jon'))).toBe(false);
    expect(await isAllowed(printing('e', '2', 'jon'))).toBe(true);
    for (const task of [1, '', { a: 1 }, 'x'.repeat(1025)])
      expect((await remit.post('/access/v1/evaluation', printing(task, '3'), KEY)).statusCode).toBe(400);
    expect(await isAllowed(printing(null, '3', 'jon', 'helper'))).toBe(true);
  });

  it('counts each record that a filter returns, those before it in the list as well', async () => {
    const exporting = (user: string, more: object = {}) => ask('export', { user, ...more });
    expect(await filter(exporting('hal'), 12)).toBe(10);
    expect(await isAllowed(exporting('hal'))).toBe(false);
    expect(await filter(exporting('hal'), 12)).toBe(0);
    expect(await filter(exporting('ida', { context: { dry_run: true } }), 12)).toBe(10);
    expect(await isAllowed(exporting('ida'))).toBe(true);
    const mixed = [
      ...Array.from({ length: 4 }, () => filter(exporting('gus'), 3)),
      ...Array.from({ length: 8 }, () => isAllowed(exporting('gus')).then(Number)),
    ];
    expect((await Promise.all(mixed)).reduce((sum, count) => sum + count, 0)).toBe(10);
  });

  it('is judged again until the deadline where it changes each time, and is no allow then', async () => {
    const busy = await startDocuments({ limits: { deadline_ms: 200 } });
    let rounds = 0;
    const record = vi.spyOn(busy.service.decisions, 'record').mockImplementation((_record, _account, reservation) => {
      rounds += 1;
      const history = Object.fromEntries(
        (reservation?.history?.answered ?? []).map(({ query }) => [query.id, rounds % 9]),
      );
      return new Promise((resolve) =>
        setImmediate(() => {
          resolve({ kind: 'overtaken', state: { readings: {}, history } });
        }),
      );
    });
    const response = await busy.post('/access/v1/evaluation', ask('export'), KEY);
    expect([response.statusCode, response.json<Answer>().decision]).toEqual([503, false]);
    expect(rounds).toBeGreaterThan(5);
    record.mockRestore();
    expect((await busy.post('/access/v1/evaluation', ask('export'), KEY)).json()).toMatchObject({ decision: true });
    await busy.stop();
  });

  it('takes the task as read where it is counted by', async () => {
    const ignoredOf = async (action: string) =>
      (await decide(ask(action, { agent: 'helper', context: { task: 't' } }))).context?.rationale.ignored;
    expect(await ignoredOf('print')).toBeUndefined();
    expect(await ignoredOf('read')).toMatchObject({ members: [{ path: 'context.task' }] });
  });

  it('counts a retry with the same key once', async () => {
    const exporting = ask('export', { user: 'jon' });
    for (let i = 0; i < 12; i += 1) expect((await decide(exporting, { 'idempotency-key': 'k' })).decision).toBe(true);
    for (let i = 0; i < 9; i += 1) expect(await isAllowed(exporting)).toBe(true);
    expect(await isAllowed(exporting)).toBe(false);
  });

  it('is explained and decided again from its record', async () => {
    const answer = await decide(ask('send', { user: 'ann' }));
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    const record = await recordOf(answer);
    expect(record.facts?.history).toEqual({
      answers: {
        'happened Doc::read where resource.label == secret by user, agent within PT8H': true,
        'since Doc::read where resource.label == tainted no Doc::clear after by user, agent within PT8H': false,
      },
    });
    expect(JSON.stringify(explainRecord(record, rules))).toContain('context.history.read_secret');
    expect(explainRecord(record, rules)).toMatchObject({ decision: false, rules: { same: true, result_now: false } });
    const wider = rulesOf({ zed: ZED, schema: SCHEMA.replace('PT8H where', 'PT9H where'), policies: POLICIES });
    expect(replayRecord(record, wider)).toMatchObject({ kind: 'inconclusive' });
  });
});
