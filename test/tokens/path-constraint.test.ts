/** Paths within a folder: what leads out of it, nearly leads out of it, or can't be told. */
import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWithinFolder } from '../../src/tokens/path-constraint.js';

describe('isWithinFolder', () => {
  it.each([
    '/home/alice',
    '/home/alice/',
    '/home/alice/notes.txt',
    '/home//alice/./a b/.hidden',
    '/home/bob/../alice/x',
    '/home/alice/½ é',
    '/home/alice/50%',
  ])('takes %j', (path) => {
    expect(isWithinFolder(path, '/home/alice')).toBe(true);
  });

  it.each([
    '/home/alice_evil',
    '/home/alice/..',
    '/home/alice/../bob',
    '/home/alice/x/../../bob',
    '/home',
    '/',
    '',
    'home/alice',
    './alice',
    '/../home/alice',
    '~/alice',
    '/home/alice/%2e%2E/bob',
    '/home/alice/..%2fbob',
    '/home/alice/%252e%252e/bob',
    '/home/alice/..\\bob',
    '/home/alice/‥/bob',
    '/home/alice/．．/bob',
    '/home/alice／..／bob',
    '/home/alice/.. /bob',
    '/home/alice/.../bob',
    '/home/alice/..;/bob',
    '/home/alice/\u0000',
    '/home/alice/a\nb',
    '/home/alice/\ud800',
    '/home/alice/e\u0301',
    `/home/alice/${'x'.repeat(4096)}`,
  ])('refuses %j', (path) => {
    expect(isWithinFolder(path, '/home/alice')).toBe(false);
  });

  it('has nothing within a folder that can not be resolved', () => {
    for (const folder of ['', 'home', '/..', '/home/%2e']) expect(isWithinFolder('/home/x', folder)).toBe(false);
  });

  it('agrees with how the system resolves a path', () => {
    const name = fc.constantFrom('a', 'b', '.', '..', '');
    const path = fc.array(name, { maxLength: 8 }).map((names) => `/${names.join('/')}`);
    fc.assert(
      fc.property(path, path, (inner, outer) => {
        const [resolved, folder] = [posix.resolve(inner), posix.resolve(outer)];
        const isWithin = resolved === folder || resolved.startsWith(folder === '/' ? '/' : `${folder}/`);
        // Above the root the system stays there, while such a path is refused.
        if (isWithinFolder(inner, outer)) expect(isWithin).toBe(true);
        else if (![inner, outer].some((text) => leadsAboveRoot(text))) expect(isWithin).toBe(false);
      }),
    );
  });
});

function leadsAboveRoot(path: string): boolean {
  let depth = 0;
  return path.split('/').some((name) => {
    if (name === '..') depth -= 1;
    else if (name !== '' && name !== '.') depth += 1;
    return depth < 0;
  });
}
