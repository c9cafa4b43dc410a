/** `signing` of the configuration: keys of several forms, and what is none is refused without a word of it. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { readSigningKey, signingFormat } from '../../src/config/signing.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-signing-'));
  return () => {
    rmSync(directory, { recursive: true });
  };
});
function write(text: string | object): string {
  const file = join(directory, 'key');
  writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text));
  return file;
}
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

it('takes one file or several', () => {
  expect(signingFormat.parse(undefined)).toEqual({});
  expect(signingFormat.parse({ key_file: 'a' })).toEqual({ key_file: ['a'] });
  expect(signingFormat.parse({ key_file: ['a', 'b'] })).toEqual({ key_file: ['a', 'b'] });
  expect(signingFormat.safeParse({ key_file: [] }).success).toBe(false);
});

it('reads a key as a JSON Web Key and in PEM', () => {
  const jwk = privateKey.export({ format: 'jwk' });
  for (const text of [{ ...jwk, kid: 'mine' }, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()])
    expect(readSigningKey(write(text))).toEqual(jwk);
});

it('refuses what is no private key for ES256, and quotes none of it', () => {
  const others = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const { d: secret = '', ...open } = privateKey.export({ format: 'jwk' });
  for (const text of [
    '',
    '{',
    'secret',
    open,
    publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    others.export({ format: 'jwk' }),
    { kty: 'oct', k: secret },
    { ...open, d: secret.slice(1) },
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  ]) {
    // prettier-ignore
    const read = (): unknown => readSigningKey(write(text));
    expect(read).toThrow(/signing\.key_file: the file has no private key for ES256/);
    expect(read).not.toThrow(secret.slice(1));
  }
  expect(() => readSigningKey(join(directory, 'nowhere'))).toThrow('the key can not be read (ENOENT)');
});
