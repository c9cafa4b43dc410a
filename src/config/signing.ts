/** `signing` of the configuration: the keys that Remit signs with, where the deployment's own isn't made by itself. */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { parseStrictJson } from '../runtime/strict-json.js';
import { readKeyFile } from './files.js';

/** A key is followed by those that it replaced, for as long as what they signed is good. */
const MAX_KEY_FILES = 4;

export const signingFormat = z
  .strictObject({
    key_file: z
      .preprocess(
        (value): unknown => (typeof value === 'string' ? [value] : value),
        z.array(z.string().min(1)).min(1).max(MAX_KEY_FILES),
      )
      .optional(),
  })
  .prefault({});

export interface SigningConfig {
  /** The first signs. Absent: a key is made, and kept in the database. */
  readonly keyFiles: readonly string[] | undefined;
}

/** Reads a private P-256 key, as a JSON Web Key or in PEM (PKCS #8). @throws ConfigError */
export function readSigningKey(file: string): { readonly kty: string; readonly [member: string]: unknown } {
  return readKeyFile(file, {
    setting: 'signing.key_file',
    parse: (text) => {
      const key = text.trimStart().startsWith('{')
        ? createPrivateKey({ key: parseStrictJson(text) as never, format: 'jwk' })
        : createPrivateKey(text);
      const jwk = key.export({ format: 'jwk' });
      return jwk.kty === 'EC' && jwk.crv === 'P-256' && isWhole(key) ? { ...jwk, kty: jwk.kty } : undefined;
    },
    problem: 'the file has no private key for ES256: it must be one of the curve P-256, as a JSON Web Key or in PEM',
  });
}

/** Whether the private part of the key is that of its public part, which a JSON Web Key states apart. */
function isWhole(key: KeyObject): boolean {
  const text = Buffer.from('remit');
  return verify('sha256', text, createPublicKey(key), sign('sha256', text, key));
}
