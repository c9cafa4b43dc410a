/** Inline keys of issuers: those of other kinds are passed over and said, and a set of which none is left is an error. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig, type Config } from '../../src/config/config.js';
import { makeKey, type Key } from '../tokens/keys.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-issuers-'));
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});
const load = (keys: readonly object[]): Config => {
  const file = join(directory, 'remit.yaml');
  const issuers = [{ issuer: 'https://i', audience: 'remit', primary: true, jwks: { keys } }];
  writeFileSync(file, stringify({ schema: { relationships: 'a.zed', actions: 'a.cedarschema' }, policies: '.', issuers }));
  return loadConfig(file, {});
}; // prettier-ignore

const ENCRYPTION = { kty: 'RSA', n: 'AQAB', e: 'AQAB', use: 'enc' };
const LATER = { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' };

it('the keys that fit are taken, and each of the others is said', () => {
  const { issuers, warnings } = load([ENCRYPTION, key.jwk, LATER]);
  expect(issuers[0]?.jwks?.keys).toEqual([key.jwk]);
  expect(warnings).toEqual([
    'issuers[0].jwks.keys[0] is for use "enc": it is passed over',
    'issuers[0].jwks.keys[2] is of kind "AKP", which is for none of ES256: it is passed over',
  ]);
});

it('a set in which none fits is an error that says why', () => {
  expect(() => load([ENCRYPTION, LATER])).toThrow(/issuers\[0\]\.jwks: no key can be used: issuers\[0\]\.jwks\.keys\[0\] is for use "enc"; /);
}); // prettier-ignore

it.each([[{ kty: 'oct', k: 'AAAA' }], [{ kty: 'AKP', priv: 'AAAA' }]])('a secret is an error beside good keys: %j', (secret) => {
  expect(() => load([key.jwk, secret])).toThrow('must be a public key');
}); // prettier-ignore
