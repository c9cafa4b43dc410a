/** Offering: each change once, what wasn't the files' fault again, and going on when the thread that reads has failed. */
import { expect, it, vi } from 'vitest';
import type { PolicyCandidate } from '../../../src/service/reload/candidate.js';
import { watchPolicies } from '../../../src/service/reload/watching.js';

const SOON = { timeout: 60_000, interval: 1 };
const candidate = (fingerprint: string): PolicyCandidate => ({
  fingerprint,
  findings: [],
  version: fingerprint,
  readAt: 0n,
  files: undefined,
  suites: [],
  content: { refused: fingerprint },
});

/** Files that change when the test says so. */
function reader() {
  let come: (candidate: PolicyCandidate) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const known: string[] = [];
  return {
    known,
    come: (fingerprint: string) => come(candidate(fingerprint)),
    fail: (message: string) => fail(new Error(message)),
    next: (fingerprint: string): Promise<PolicyCandidate> => {
      known.push(fingerprint);
      return new Promise((resolve, reject) => {
        [come, fail] = [resolve, reject];
      });
    },
  };
}

it('offers each change once, and asks for what differs from it', async () => {
  const files = reader();
  const offered: string[] = [];
  const end = watchPolicies(files, 'start', ({ fingerprint }) => Promise.resolve(offered.push(fingerprint) < 0), 1);
  for (const one of ['a', 'b']) {
    files.come(one);
    await vi.waitUntil(() => files.known.at(-1) === one, SOON);
  }
  end();
  expect([offered, files.known]).toEqual([['a', 'b'], ['start', 'a', 'b']]);
}); // prettier-ignore

it('offers the same again where it may yet be taken, until it is, or there is another', async () => {
  const files = reader();
  const offered: string[] = [];
  let willing = false;
  const end = watchPolicies(files, 'start', ({ fingerprint }) => Promise.resolve(offered.push(fingerprint) > 0 && !willing), 1); // prettier-ignore
  files.come('a');
  await vi.waitUntil(() => offered.length > 3, SOON);
  expect(new Set(offered)).toEqual(new Set(['a']));
  files.come('b');
  await vi.waitUntil(() => offered.at(-1) === 'b', SOON);
  willing = true;
  await vi.waitUntil(() => files.known.at(-1) === 'b', SOON);
  const { length } = offered;
  files.come('c');
  await vi.waitUntil(() => files.known.at(-1) === 'c', SOON);
  end();
  expect(offered.slice(length - 1).filter((one) => one === 'c')).toEqual(['c']);
});

it('refuses what the thread that reads it fails over, and looks anew at everything', async () => {
  const files = reader();
  const offered: PolicyCandidate[] = [];
  const end = watchPolicies(files, 'start', (one) => Promise.resolve(offered.push(one) < 0), 1);
  files.fail("the engine's thread ended (1)");
  await vi.waitUntil(() => files.known.at(-1) === '', SOON);
  end();
  expect(offered.map(({ content: fitting }) => fitting)).toEqual([
    { refused: "the thread that reads them has failed: the engine's thread ended (1)" },
  ]);
});
