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
    '/home/alice/100%/a%20b/%C3%A9t%C3%A9/ｆｕｌｌ',
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
    '/home/alice/..\u200b/bob',
    '/home/alice/..\u00a0/bob',
    '/home/alice/..\u3000/bob',
    '/home/alice/.\u00ad./bob',
    '/home/alice/..\ufe0f/bob',
    '/home/alice/a\u202eb',
    '/home/alice/\uffff',
    '/home/alice/%c0%ae%c0%ae/bob',
    '/home/alice/%C0%AF',
    '/home/alice/%ff',
    '/home/alice/%u002e%u002e/bob',
    '/home/alice/%U002E',
    '/home/alice/％２ｅ％２ｅ/bob',
    '/home/alice/%ef%bc%8e%ef%bc%8e/bob',
    '/home/alice/..%e2%80%8b/bob',
    '/home/alice/..%20/bob',
    '/home/alice/..%00/bob',
    '/home/alice/．．/bob',
    '/home/alice/。。/..／bob',
    '/home/alice/..∕bob',
    '/home/alice/..⁄bob',
    '/home/alice/..＼bob',
    '/home/alice/.. ;x/bob',
    '/home/alice/..:x/bob',
    '/home/alice/%25%32%65',
  ])('refuses %j', (path) => {
    expect(isWithinFolder(path, '/home/alice')).toBe(false);
  });

  it('has nothing within a folder that can not be resolved', () => {
    for (const folder of ['', 'home', '/..', '/home/%2e']) expect(isWithinFolder('/home/x', folder)).toBe(false);
  });

  it('takes no path that leads elsewhere once it is normalized and decoded as far as it goes', () => {
    const encode = (text: string): string =>
      [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const decorate: fc.Arbitrary<(text: string) => string> = fc.constantFrom<(text: string) => string>(
      (text) => text,
      encode,
      (text) => encode(encode(text)),
      (text) => encode(text).toUpperCase(),
      (text) => text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
      (text) => encode(text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0))),
      (text) => encode(text).replaceAll('%', '％'),
      (text) => text.replaceAll('..', '‥'),
      (text) => text.replaceAll('/', '\\'),
    );
    const odd = fc.constantFrom(
      '\u200b',
      '\u00a0',
      '\u3000',
      '\u00ad',
      '\u2060',
      '\ufe0f',
      ' ',
      '%20',
      '%E2%80%8B',
      '%',
      '',
      '',
      '',
    );
    const segment = fc
      .tuple(fc.constantFrom('..', '.', 'bob', 'é', 'a.b', '/', '../', '/..', '100%'), decorate, odd, odd)
      .map(([text, dress, before, after]) => before + dress(text) + after);
    const path = fc.array(segment, { maxLength: 6 }).map((names) => `/home/alice/${names.join('/')}`);
    /** Every way to read on: as much as a service may do to a path, one thing after the other. */
    const readAll = (text: string): string => {
      let [before, after] = ['', text];
      while (before !== after) {
        before = after;
        after = after
          .normalize('NFKC')
          .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
          .replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString())
          .replaceAll('\\', '/');
      }
      return after.replaceAll(/ +(?=\/|$)/g, '');
    };
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(path, (one) => {
        if (!isWithinFolder(one, '/home/alice')) {
          refused += 1;
          return;
        }
        taken += 1;
        expect(`${posix.resolve(readAll(one))}/`).toMatch(/^\/home\/alice\//);
      }),
      { numRuns: 20_000 },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(500);
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
