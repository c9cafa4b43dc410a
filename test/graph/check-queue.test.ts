/** CheckQueue: which checks are sent together, which join others, and that no call is held up by a long list. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../../src/model/checks.js';
import { CheckQueue, type CheckQueueLimits } from '../../src/graph/check-queue.js';

const check = (id: string, more: Partial<CheckRequest> = {}): CheckRequest => ({
  resource: { type: 'folder', id },
  permission: 'view',
  subject: { type: 'user', id: 'a' },
  ...more,
});
const checks = (name: string, count: number): CheckRequest[] =>
  Array.from({ length: count }, (_, i) => check(`${name}${i}`));
const EXACTLY = { exactly: 'r' };
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An engine whose bulks are answered one by one, by the test; the revision of an answer is the number of its bulk. */
function engine(bounds: Partial<CheckQueueLimits> = {}, generation?: () => number) {
  const bulks: { readonly ids: readonly string[]; readonly consistency: ReadConsistency; readonly answer: () => void }[] = [];
  const queue = new CheckQueue(
    {
      checkBulk: (asked, consistency) =>
        new Promise((resolve) => {
          const revision = String(bulks.length);
          const answer = (): void => resolve(asked.map((): CheckAnswer => ({ result: 'yes', revision })));
          bulks.push({ ids: asked.map((c) => c.resource.id), consistency, answer });
        }),
      ...(generation === undefined ? {} : { generation }),
    },
    { bulkSize: 100, concurrentBulks: 1, ...bounds },
  );
  return { bulks, ask: (asked: readonly CheckRequest[], at: ReadConsistency = EXACTLY) => queue.check(asked, at) };
} // prettier-ignore

describe('checks that come together', () => {
  it('travel together, and what comes meanwhile is the next', async () => {
    const { bulks, ask } = engine();
    const first = [ask(checks('a', 2)), ask(checks('b', 3))];
    await turn();
    const second = ask(checks('c', 1));
    await turn();
    expect(bulks.map(({ ids }) => ids)).toEqual([['a0', 'a1', 'b0', 'b1', 'b2']]);
    bulks[0]?.answer();
    expect((await Promise.all(first)).map((answers) => answers.length)).toEqual([2, 3]);
    await turn();
    bulks[1]?.answer();
    expect(await second).toEqual([{ result: 'yes', revision: '1' }]);
  });

  it('are of one consistency', async () => {
    const { bulks, ask } = engine({ concurrentBulks: 4 });
    void ask([check('x')]);
    void ask([check('x')], 'full');
    void ask([check('x')], { atLeast: 'zed' });
    await turn();
    expect(bulks.map(({ consistency }) => consistency)).toEqual([EXACTLY, 'full', { atLeast: 'zed' }]);
  });

  it('of one call are in one bulk where SpiceDB chooses the revision, however full it is', async () => {
    const { bulks, ask } = engine({ concurrentBulks: 4 });
    for (const [name, count] of [['a', 60], ['b', 60], ['c', 130], ['d', 1]] as const) void ask(checks(name, count), 'full'); // prettier-ignore
    await turn();
    expect(bulks.map(({ ids }) => [...new Set(ids.map((id) => id[0]))].join(''))).toEqual(['a', 'b', 'c', 'd']);
    expect(bulks.map(({ ids }) => ids.length)).toEqual([60, 60, 130, 1]);
  });

  it('beyond what may wait are refused at once', async () => {
    const { ask } = engine();
    const overloaded = { result: 'unknown', fault: 'overloaded' };
    void ask(checks('many', 20_000));
    // Checks of small calls still get in, until there are as many of them.
    for (let i = 0; i < 20_000; i += 10) void ask(checks(`few${i}-`, 10));
    expect(await ask([check('one-more')])).toEqual([overloaded]);
  });

  it('are not asked when nobody waits any longer', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => clock.mockRestore());
    const { bulks, ask } = engine({ maxWaitMs: 5 });
    void ask([check('first')]);
    await turn();
    const late = ask([check('late')]);
    clock.mockReturnValue(5);
    bulks[0]?.answer();
    expect(await late).toEqual([{ result: 'unknown', fault: 'deadline_exceeded' }]);
    expect(bulks).toHaveLength(1);
  });
});

describe('a list of a thousand', () => {
  it('does not hold up a call of three', async () => {
    const { bulks, ask } = engine();
    let listed = false;
    void ask(checks('list', 1000)).then(() => (listed = true));
    const few = ask(checks('few', 3));
    await turn();
    bulks[0]?.answer();
    expect(await few).toHaveLength(3);
    expect([listed, bulks[0]?.ids.length]).toEqual([false, 100]);
  });

  it('nor one that asks the same as its end', async () => {
    const { bulks, ask } = engine();
    void ask(checks('list', 1000));
    const same = ask([check('list999')]);
    await turn();
    bulks[0]?.answer();
    expect(await same).toEqual([{ result: 'yes', revision: '0' }]);
    for (let i = 1; i < 11; i += 1) {
      await expect.poll(() => bulks.length, { interval: 1 }).toBe(i + 1);
      bulks[i]?.answer();
    }
    // It was answered before the list's turn came: the list asks again.
    expect(bulks.flatMap(({ ids }) => ids)).toHaveLength(1001);
  });
});

describe('the same question', () => {
  it('travels once, with its explanation and its context apart', async () => {
    const { bulks, ask } = engine();
    const same = check('x');
    void ask([same, same, check('x', { explain: true }), check('x', { context: { tier: 1 } }), same]);
    void ask([same]);
    await turn();
    expect(bulks.map(({ ids }) => ids.length)).toEqual([3]);
  });

  it('is asked anew while it is under way, where others write too', async () => {
    const { bulks, ask } = engine({ concurrentBulks: 2 });
    void ask([check('x')]);
    await turn();
    void ask([check('x')]);
    await turn();
    expect(bulks).toHaveLength(2);
  });

  it('is joined under way where it is known when an answer of the revision changes, until it does', async () => {
    let generation = 0;
    const { bulks, ask } = engine({ concurrentBulks: 2 }, () => generation);
    const first = ask([check('x')]);
    await turn();
    const joined = ask([check('x')]);
    await turn();
    expect(bulks).toHaveLength(1);
    generation += 1;
    const after = ask([check('x')]);
    await turn();
    for (const { answer } of bulks) answer();
    expect(await Promise.all([first, joined, after])).toEqual(
      ['0', '0', '1'].map((revision) => [{ result: 'yes', revision }]),
    );
  });
});
