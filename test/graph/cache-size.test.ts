/** The caches of both engines stay within their bytes, however long the ids, paths and lists are that callers name. */
import v8 from 'node:v8';
import vm from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { estimateAnswerBytes, estimateListBytes, estimateReadBytes } from '../../src/graph/cache-size.js';
import { EmbeddedCache } from '../../src/graph/embedded/exact-cache.js';
import { GraphSchema } from '../../src/graph/schema/schema.js';
import { PathCache } from '../../src/graph/server/path-cache.js';
import { readClocks, RevisionCache } from '../../src/graph/server/revision-cache.js';
import type { CheckRequest } from '../../src/model/checks.js';

const schema = GraphSchema.parse(
  'definition user {}\ndefinition doc {\n  relation viewer: user\n  permission view = viewer\n}\n',
  'cache.zed',
);
const MB = 1024 * 1024;
/** A revision as PostgreSQL's are, in a ZedToken. */
const REVISION = 'Gh8KEzE3OTU5MzgwNzU2MTEyOTIzNjASCGM1NDg2YjI0';

let collect: () => void;
beforeAll(() => {
  v8.setFlagsFromString('--expose-gc');
  collect = vm.runInNewContext('gc') as () => void;
});

/** Distinct texts that share no memory. */
const long = (name: string, i: number, length = 1_000): string =>
  Buffer.from(`${name}-${i}-`.padEnd(length, 'x')).toString();
const check = (i: number, explain = false): CheckRequest => ({
  resource: { type: 'doc', id: long('r', i) },
  permission: 'view',
  subject: { type: 'user', id: long('u', i) },
  explain,
});
const path = (i: number): string[] => [`doc:${long('r', i)}#viewer@user:${long('u', i)}`];

/** The growth of the heap, in MB, by `fill`, whose result is held meanwhile. */
function growth(fill: () => object): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  const held = fill();
  collect();
  const grown = (process.memoryUsage().heapUsed - before) / MB;
  expect(held).toBeDefined();
  return grown;
}

describe('what callers make caches hold', () => {
  it('is bounded in the embedded engine: answers, reads and lookups', () => {
    const grown = growth(() => {
      const cache = new EmbeddedCache(schema);
      const askedAt = cache.now;
      for (let i = 0; i < 30_000; i += 1) {
        const key = cache.cacheKey(check(i));
        if (key !== undefined)
          cache.setAnswer(check(i), key, { result: 'yes', revision: REVISION, path: path(i) }, askedAt);
        const relationship = { resource: check(i).resource, relation: 'viewer', subject: check(i).subject };
        if (i % 20 === 0)
          cache.setRead({ resourceType: 'doc' }, long('read', i), Array.from({ length: 100 }, (_, n) => ({ ...relationship, resource: { type: 'doc', id: long('r', i * 100 + n, 300) } })), askedAt); // prettier-ignore
        if (i % 100 === 0)
          cache.setLookup({ resourceType: 'doc', permission: 'view', subject: check(i).subject, withinMs: 1 }, long('look', i), { ids: Array.from({ length: 1000 }, (_, n) => long('l', i * 1000 + n, 500)) }, askedAt); // prettier-ignore
      }
      return cache;
    });
    expect(grown).toBeLessThan(60);
  });

  it('is bounded on a server: answers and paths', () => {
    const grown = growth(() => {
      const cache = new RevisionCache(schema, false, () => Promise.reject(new Error('not asked')));
      const paths = new PathCache(schema);
      cache.confirmRevision(REVISION, readClocks());
      for (let i = 0; i < 30_000; i += 1) {
        cache.setAnswer(check(i, true), { result: 'yes', revision: REVISION, path: path(i) });
        paths.set(check(i, true), path(i));
      }
      return { cache, paths };
    });
    expect(grown).toBeLessThan(60);
  });

  it('is nothing where a key is longer than any that is used', () => {
    const cache = new EmbeddedCache(schema);
    const huge = { ...check(1), resource: { type: 'doc', id: long('r', 1, 9_000) } };
    expect([cache.cacheKey(huge), typeof cache.cacheKey(check(1))]).toEqual([undefined, 'string']);
  });
});

it('what an entry takes is never estimated below its characters', () => {
  const texts = ['a'.repeat(500), 'b'.repeat(900)];
  expect(estimateListBytes(texts, 'key')).toBeGreaterThan(2 * 1_403);
  expect(estimateAnswerBytes({ result: 'yes', revision: REVISION, path: texts }, 'key')).toBeGreaterThan(2 * 1_403);
  expect(estimateAnswerBytes({ result: 'unanswerable', message: texts[0] ?? '' }, 'key')).toBeGreaterThan(1_000);
  const relationship = {
    resource: { type: 'doc', id: texts[0] ?? '' },
    relation: 'viewer',
    subject: { type: 'user', id: texts[1] ?? '' },
    caveat: { name: 'c', context: { long: 'd'.repeat(700) } },
  };
  expect(estimateReadBytes([relationship], 'key')).toBeGreaterThan(2 * 2_100);
});
