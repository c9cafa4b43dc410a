/** Mints tokens from the issuer of the service that the tests have started. */
import { execFile } from 'node:child_process';
import { createHash, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { inject } from 'vitest';

export async function mintToken(args: readonly string[]): Promise<string> {
  const { env, program } = inject('service');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'token', ...args], { env });
  return stdout.trim();
}

/** Mints a token of an agent that is bound to a key on the curve P-256. */
export async function mintBoundToken(publicKey: webcrypto.CryptoKey): Promise<string> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  // One that begins with "-" would be read as an option of its own.
  return mintToken([
    '--user',
    'alice',
    '--agent',
    'hr-assistant',
    '--scope',
    'hr.employees.read',
    `--jkt=${thumbprint}`,
  ]);
}
