/** Paths to claims: each leads to one claim of the token's own, or to nothing. */
import { describe, expect, it } from 'vitest';
import { parseClaimPath, readClaimAt, readFirstClaim } from '../../src/tokens/claim-path.js';

const PAYLOAD = {
  azp: 'web',
  act: { sub: 'a', client_id: 'bot', act: { client_id: 'planner' } },
  'kubernetes.io': { namespace: 'prod' },
  'https://acme.example/region': 'eu',
  empty: null,
  list: [{ name: 'x' }],
  ['__proto__']: { own: 1 },
};

describe('a path', () => {
  it.each<[string | readonly string[], unknown]>([
    ['azp', 'web'],
    ['act.client_id', 'bot'],
    ['act.act.client_id', 'planner'],
    ['https://acme.example/region', 'eu'],
    [['kubernetes.io', 'namespace'], 'prod'],
    ['empty', null],
    ['empty.further', undefined],
    ['kubernetes.io.namespace', undefined],
    ['nothing', undefined],
    ['azp.length', undefined],
    ['list.0', undefined],
    ['list.length', undefined],
    // Members that every object inherits.
    ['constructor', undefined],
    ['act.toString', undefined],
    ['act.__proto__', undefined],
  ])('%j leads to %j', (path, value) => {
    expect(readClaimAt(PAYLOAD, parseClaimPath(path))).toEqual(value);
  });

  it('among several is the first that leads to a claim', () => {
    const paths = ['client_id', 'appid', 'azp', 'act.sub'].map(parseClaimPath);
    expect(readFirstClaim(PAYLOAD, paths)).toBe('web');
    expect(readFirstClaim(PAYLOAD, paths.slice(0, 2))).toBeUndefined();
  });
});
