/** RevisionCache: which answers may be cached, and how long, on clocks of the test's own. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { STALENESS_BOUND_MS, readClocks, RevisionCache } from '../../../src/graph/server/revision-cache.js';
import type { CheckAnswer, CheckRequest } from '../../../src/model/checks.js';
import { identifiesWrites } from '../../../src/graph/server/zedtoken.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { toToken } from './zedtokens.js';
import { CONTRACT_SCHEMA } from '../relationships.contract.js';

const graph = GraphSchema.parse(`${CONTRACT_SCHEMA.replace('banned: user', 'banned: user with expiration')}
definition plain {
  relation reader: user
}`, 'contract.zed'); // prettier-ignore

/** ZedTokens in SpiceDB's own encoding. */
function token(revision: string): string {
  const field = (tag: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
  return field(0x1a, field(0x0a, Buffer.from(revision))).toString('base64');
}
const FIRST = token('1795347580961266227');
const SECOND = token('1795347580961266228');

const ask = (permission = 'reader', more: Partial<CheckRequest> = {}): CheckRequest => ({
  resource: { type: permission === 'reader' ? 'plain' : 'folder', id: 'x' },
  permission,
  subject: { type: 'user', id: 'a' },
  ...more,
});
const yes = (revision = FIRST, more: object = {}): CheckAnswer => ({ result: 'yes', revision, ...more });
const no = (revision = FIRST): CheckAnswer => ({ result: 'no', revision });

describe('what was answered at the newest revision', () => {
  let newest: RevisionCache;
  let clock = { monotonic: 0, wall: 0 };
  /** The answer as an engine uses it: only at the revision that is known to be the newest. */
  const cached = (check: CheckRequest): CheckAnswer | undefined => {
    const revision = newest.newestRevision();
    return revision === undefined ? undefined : newest.getAnswer(check, revision);
  };
  const pass = (ms: number): void => {
    clock = { monotonic: clock.monotonic + ms, wall: clock.wall + ms };
  };
  beforeEach(() => {
    clock = { monotonic: 1_000, wall: Date.parse('2030-01-01T00:00:00Z') };
    vi.spyOn(performance, 'now').mockImplementation(() => clock.monotonic);
    vi.spyOn(Date, 'now').mockImplementation(() => clock.wall);
    newest = new RevisionCache(graph, true, () => Promise.reject(new Error('not asked')));
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is kept for half a second after the look that is known to be after all writes before it, and no longer', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    pass(250);
    newest.confirmRevision(FIRST, readClocks());
    expect(cached(ask())).toEqual(yes());
    pass(STALENESS_BOUND_MS);
    expect(cached(ask())).toEqual(yes());
    pass(1);
    expect(cached(ask())).toBeUndefined();
  });

  it('is gone with another revision, whatever comes after', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    newest.confirmRevision(SECOND, readClocks());
    expect(cached(ask())).toBeUndefined();
    newest.confirmRevision(FIRST, readClocks());
    expect(cached(ask())).toBeUndefined();
  });

  it('is gone after a while without a look, even where the revision is the same: a store may have been put back', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    pass(300);
    newest.confirmRevision(FIRST, readClocks());
    expect(cached(ask())).toEqual(yes());
    pass(301);
    newest.confirmRevision(FIRST, readClocks());
    expect(cached(ask())).toBeUndefined();
  });

  describe('of a PostgreSQL store that was put back, whose transactions are numbered alike from then on', () => {
    const at = (next: number): string => toToken({ next, underWay: [], written: undefined, schemaHash: '' });
    beforeEach(() => {
      newest = new RevisionCache(graph, false, () => Promise.reject(new Error('not asked')));
      newest.observeRevision(at(1_000), readClocks());
      newest.setAnswer(ask(), yes(at(1_000)));
    });

    it('is gone with an older revision that was asked for after the newest had come', () => {
      const before = { ...clock, monotonic: clock.monotonic - 1 };
      // It was under way when the newest came.
      newest.observeRevision(at(990), before);
      expect(newest.getAnswer(ask(), at(1_000))).toBeDefined();
      pass(1);
      newest.observeRevision(at(991), readClocks());
      newest.observeRevision(at(1_000), readClocks());
      expect(newest.getAnswer(ask(), at(1_000))).toBeUndefined();
    });

    it('is gone with a revision of the history, too, that was asked for after a newer one had come', () => {
      newest.observeRevision(at(1_001), readClocks());
      newest.setAnswer(ask('reader', { explain: true }), yes(at(1_001), { path: ['plain:x#reader@user:a'] }));
      pass(1);
      newest.observeRevision(at(1_000), readClocks());
      newest.observeRevision(at(1_001), readClocks());
      for (const next of [1_000, 1_001])
        for (const explain of [false, true])
          expect(newest.getAnswer(ask('reader', { explain }), at(next))).toBeUndefined();
    });

    it('is gone with an outage, and with a pause in which there may have been one', () => {
      newest.noteOutage();
      newest.observeRevision(at(1_000), readClocks());
      expect(newest.getAnswer(ask(), at(1_000))).toBeUndefined();
      newest.setAnswer(ask(), yes(at(1_000)));
      expect(newest.getAnswer(ask(), at(1_000))).toBeDefined();
      pass(301);
      newest.observeRevision(at(1_000), readClocks());
      expect(newest.getAnswer(ask(), at(1_000))).toBeUndefined();
    });

    it('is gone with another schema', () => {
      const other = toToken({ next: 1_000, underWay: [], written: undefined, schemaHash: 'f'.repeat(64) });
      newest.observeRevision(other, readClocks());
      expect(newest.getAnswer(ask(), other)).toBeUndefined();
    });
  });

  it('of another revision is not kept, nor before any is known', () => {
    newest.setAnswer(ask(), yes());
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes(SECOND));
    expect(cached(ask())).toBeUndefined();
  });

  it('is gone with a write of this process, until a look says more that began after it', async () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    const before = readClocks();
    pass(1);
    await newest.write([], () => Promise.resolve(SECOND));
    expect(cached(ask())).toBeUndefined();
    newest.confirmRevision(FIRST, before);
    newest.setAnswer(ask(), yes());
    expect(cached(ask())).toBeUndefined();
    newest.confirmRevision(SECOND, readClocks());
    newest.setAnswer(ask(), no(SECOND));
    expect(cached(ask())).toEqual(no(SECOND));
  });

  it('is not used where the machine has slept, which only one of its clocks knows', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    clock = { ...clock, wall: clock.wall + 3_600_000 };
    expect(cached(ask())).toBeUndefined();
  });

  it('is not kept longer where the clock of the wall is set back', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    clock = { monotonic: clock.monotonic + STALENESS_BOUND_MS + 1, wall: clock.wall - 3_600_000 };
    expect(cached(ask())).toBeUndefined();
  });

  it('ends before the relationships that grant it', () => {
    newest.confirmRevision(FIRST, readClocks());
    const until = '2030-01-01T00:00:00.300Z';
    newest.setAnswer(ask('banned'), yes(FIRST, { until }));
    pass(199);
    expect(cached(ask('banned'))).toEqual(yes(FIRST, { until }));
    pass(1);
    expect(cached(ask('banned'))).toBeUndefined();
  });

  it('is not kept where a request’s context, or an expiration that nobody tells of, can make another of it', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask('view'), yes());
    newest.setAnswer(ask('banned'), no());
    expect(cached(ask('view'))).toBeUndefined();
    expect(cached(ask('banned'))).toBeUndefined();
  });

  it('serves checks that want its path only with one, which is not kept where it is missing', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), yes());
    expect(cached(ask('reader', { explain: true }))).toBeUndefined();
    newest.setAnswer(ask('reader', { explain: true }), yes(FIRST, { path: [] }));
    expect(cached(ask('reader', { explain: true }))).toBeUndefined();
    expect(cached(ask())).toEqual(yes());
    const explained = yes(FIRST, { path: ['plain:x#reader@user:a'] });
    newest.setAnswer(ask('reader', { explain: true }), explained);
    expect(cached(ask('reader', { explain: true }))).toEqual(explained);
  });

  it('with its path serves checks that want none, and one without does not take its place', () => {
    newest.confirmRevision(FIRST, readClocks());
    const explained = yes(FIRST, { path: ['plain:x#reader@user:a'] });
    newest.setAnswer(ask('reader', { explain: true }), explained);
    expect(cached(ask())).toEqual(yes());
    newest.setAnswer(ask(), yes());
    expect(cached(ask('reader', { explain: true }))).toEqual(explained);
    newest.setAnswer(ask(), no());
    expect(cached(ask('reader', { explain: true }))).toEqual(no());
  });

  it('is no answer that SpiceDB couldn’t give', () => {
    newest.confirmRevision(FIRST, readClocks());
    newest.setAnswer(ask(), { result: 'unknown', fault: 'relationships_unavailable' });
    newest.setAnswer(ask(), { result: 'unanswerable', message: 'too deep' });
    newest.setAnswer(ask(), { result: 'conditional', revision: FIRST, missing: ['tier'] });
    expect(cached(ask())).toBeUndefined();
  });

  it('is nothing where an older write can end after a newer one has its number, as in MySQL', () => {
    const numbered = token('4711');
    newest.confirmRevision(numbered, readClocks());
    newest.setAnswer(ask(), yes(numbered));
    expect(cached(ask())).toBeUndefined();
  });
});

it.each([
  ['memory, or Spanner: nanoseconds', token('1795347580961266227'), true],
  ['CockroachDB', token('1795347580961266227.0000000001'), true],
  ['PostgreSQL: a snapshot', token('CAsQCw=='), true],
  ['MySQL: a number of a sequence', token('12'), false],
  ['none', 'x', false],
])('a revision tells of writes, or does not: %s', (_, text, tells) => {
  expect(identifiesWrites(text)).toBe(tells);
});
