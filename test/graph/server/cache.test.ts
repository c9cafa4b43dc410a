/** What may be kept of a server's newest revision, and how long: on clocks of the test's own. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BOUND_MS, instant, Newest } from '../../../src/graph/server/cache.js';
import type { CheckAnswer } from '../../../src/model/checks.js';
import type { AskedCheck } from '../../../src/model/checks.js';
import { tellsOfWrites } from '../../../src/graph/server/zedtoken.js';
import { Graph } from '../../../src/graph/schema/schema.js';
import { CONTRACT_SCHEMA } from '../relationships.contract.js';

const graph = Graph.parse(`${CONTRACT_SCHEMA.replace('banned: user', 'banned: user with expiration')}
definition plain {
  relation reader: user
}`, 'contract.zed'); // prettier-ignore

/** As SpiceDB writes them. */
function token(revision: string): string {
  const field = (tag: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
  return field(0x1a, field(0x0a, Buffer.from(revision))).toString('base64');
}
const FIRST = token('1795347580961266227');
const SECOND = token('1795347580961266228');

const ask = (permission = 'reader', more: Partial<AskedCheck> = {}): AskedCheck => ({
  resource: { type: permission === 'reader' ? 'plain' : 'folder', id: 'x' },
  permission,
  subject: { type: 'user', id: 'a' },
  ...more,
});
const yes = (revision = FIRST, more: object = {}): CheckAnswer => ({ result: 'yes', revision, ...more });
const no = (revision = FIRST): CheckAnswer => ({ result: 'no', revision });

describe('what was answered at the newest revision', () => {
  let newest: Newest;
  let clock = { monotonic: 0, wall: 0 };
  const pass = (ms: number): void => {
    clock = { monotonic: clock.monotonic + ms, wall: clock.wall + ms };
  };
  beforeEach(() => {
    clock = { monotonic: 1_000, wall: Date.parse('2030-01-01T00:00:00Z') };
    vi.spyOn(performance, 'now').mockImplementation(() => clock.monotonic);
    vi.spyOn(Date, 'now').mockImplementation(() => clock.wall);
    newest = new Newest(graph);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is kept for half a second after the look that is known to be after all writes before it, and no longer', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    pass(BOUND_MS);
    expect(newest.answer(ask())).toEqual(yes());
    pass(1);
    expect(newest.answer(ask())).toBeUndefined();
    newest.seen(FIRST, instant());
    expect(newest.answer(ask())).toEqual(yes());
  });

  it('is gone with another revision, whatever comes after', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    newest.seen(SECOND, instant());
    expect(newest.answer(ask())).toBeUndefined();
    newest.seen(FIRST, instant());
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('is gone after a while without a look, even where the revision is the same: a store may have been put back', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    pass(5_000);
    newest.seen(FIRST, instant());
    expect(newest.answer(ask())).toEqual(yes());
    pass(5_001);
    newest.seen(FIRST, instant());
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('of another revision is not kept, nor before any is known', () => {
    newest.keep(ask(), yes());
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes(SECOND));
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('is gone with a write of this process, until a look says more that began after it', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    const before = instant();
    pass(1);
    newest.forget();
    expect(newest.answer(ask())).toBeUndefined();
    newest.seen(FIRST, before);
    newest.keep(ask(), yes());
    expect(newest.answer(ask())).toBeUndefined();
    newest.seen(SECOND, instant());
    newest.keep(ask(), no(SECOND));
    expect(newest.answer(ask())).toEqual(no(SECOND));
  });

  it('is not used where the machine has slept, which only one of its clocks knows', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    clock = { ...clock, wall: clock.wall + 3_600_000 };
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('is not kept longer where the clock of the wall is set back', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    clock = { monotonic: clock.monotonic + BOUND_MS + 1, wall: clock.wall - 3_600_000 };
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('ends before the relationships that grant it', () => {
    newest.seen(FIRST, instant());
    const until = '2030-01-01T00:00:00.300Z';
    newest.keep(ask('banned'), yes(FIRST, { until }));
    pass(199);
    expect(newest.answer(ask('banned'))).toEqual(yes(FIRST, { until }));
    pass(1);
    expect(newest.answer(ask('banned'))).toBeUndefined();
  });

  it('is not kept where a request’s context, or an expiration that nobody tells of, can make another of it', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask('view'), yes());
    newest.keep(ask('banned'), no());
    expect(newest.answer(ask('view'))).toBeUndefined();
    expect(newest.answer(ask('banned'))).toBeUndefined();
  });

  it('is kept with a path apart from without, and not where the path is missing', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), yes());
    expect(newest.answer(ask('reader', { explain: true }))).toBeUndefined();
    newest.keep(ask('reader', { explain: true }), yes(FIRST, { path: [] }));
    expect(newest.answer(ask('reader', { explain: true }))).toBeUndefined();
    const explained = yes(FIRST, { path: ['plain:x#reader@user:a'] });
    newest.keep(ask('reader', { explain: true }), explained);
    expect(newest.answer(ask('reader', { explain: true }))).toEqual(explained);
  });

  it('is no answer that SpiceDB couldn’t give', () => {
    newest.seen(FIRST, instant());
    newest.keep(ask(), { result: 'unknown', fault: 'relationships_unavailable' });
    newest.keep(ask(), { result: 'unanswerable', message: 'too deep' });
    newest.keep(ask(), { result: 'conditional', revision: FIRST, missing: ['tier'] });
    expect(newest.answer(ask())).toBeUndefined();
  });

  it('is nothing where an older write can end after a newer one has its number, as in MySQL', () => {
    const numbered = token('4711');
    newest.seen(numbered, instant());
    newest.keep(ask(), yes(numbered));
    expect(newest.answer(ask())).toBeUndefined();
  });
});

it.each([
  ['memory, or Spanner: nanoseconds', token('1795347580961266227'), true],
  ['CockroachDB', token('1795347580961266227.0000000001'), true],
  ['PostgreSQL: a snapshot', token('CAsQCw=='), true],
  ['MySQL: a number of a sequence', token('12'), false],
  ['none', 'x', false],
])('a revision tells of writes, or does not: %s', (_, text, tells) => {
  expect(tellsOfWrites(text)).toBe(tells);
});
