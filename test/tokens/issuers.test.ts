/** Issuers: the names of their users and agents, of which none passes for another issuer's. */
import type { JWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/model/faults.js';
import { Issuers, type IssuerConfig } from '../../src/tokens/issuers.js';
import { checkInlineKeys } from '../../src/tokens/keys.js';
import { makeKey, type Key } from './keys.js';

let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
});

const config = (issuer: string, more: Partial<IssuerConfig>): IssuerConfig => ({
  issuer,
  jwks: { keys: [key.jwk] },
  audience: 'remit',
  primary: false,
  shapes: ['act'],
  algorithms: ['ES256'],
  ...more,
});

it('are found by their exact name', () => {
  const issuers = new Issuers([config('https://a', { primary: true }), config('https://b', { alias: 'b' })]);
  expect(issuers.find('https://b')?.alias).toBe('b');
  expect(issuers.find('https://b/')).toBeUndefined();
  expect(issuers.find('HTTPS://b')).toBeUndefined();
  expect(issuers.list().map((i) => i.issuer)).toEqual(['https://a', 'https://b']);
});

describe('an id', () => {
  it.each([
    ["of the primary's is as it is", 'https://a', 'alice', 'alice'],
    ['with a bar is too, where no alias comes before', 'https://a', 'x|alice', 'x|alice'],
    ['that only begins like an alias is too', 'https://a', 'partners|alice', 'partners|alice'],
    ['that is an alias is too', 'https://a', 'partner', 'partner'],
    ["of the primary's that reads as another's is none", 'https://a', 'partner|alice', undefined],
    ['is none either if it reads as one of its own alias', 'https://a', 'acme|alice', undefined],
    ["of another's carries the alias", 'https://b', 'alice', 'partner|alice'],
    ["of another's may carry bars", 'https://b', 'acme|alice', 'partner|acme|alice'],
  ])('%s', (_, issuer, sub, name) => {
    const issuers = new Issuers([
      config('https://a', { primary: true, alias: 'acme' }),
      config('https://b', { alias: 'partner' }),
    ]);
    expect(issuers.find(issuer)?.entityId(sub)).toBe(name);
  });
});

describe('inline keys', () => {
  it('are taken where they are public keys', async () => {
    const rsa = await makeKey('RS256', 'k2');
    const bare = { ...key.jwk, alg: undefined } as unknown as JWK;
    await expect(
      checkInlineKeys([
        config('https://a', { jwks: { keys: [key.jwk, bare] } }),
        config('https://b', { jwks: { keys: [rsa.jwk] }, algorithms: ['RS256', 'ES256'] }),
        config('https://c', { jwks: undefined, jwks_uri: 'https://c/jwks' }),
      ]),
    ).resolves.toBeUndefined();
  });

  it.each<[string, (good: JWK) => JWK]>([
    ['no point on the curve', (good) => ({ ...good, x: 'AAAA' })],
    ['half a key', ({ y: _, ...half }) => half],
    ['another curve than it says', (good) => ({ ...good, crv: 'P-384' })],
    ['nothing but a type', () => ({ kty: 'RSA' })],
  ])('are refused for %s', async (_, spoil) => {
    const configs = [config('https://a', {}), config('https://b', { jwks: { keys: [key.jwk, spoil(key.jwk)] } })];
    await expect(checkInlineKeys(configs)).rejects.toThrow(
      new ConfigError('jwks.keys[1] of "https://b" is not a public key', 'issuers'),
    );
  });
});
