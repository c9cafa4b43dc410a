/** Mints a token from the issuer of the service that the tests have started. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inject } from 'vitest';

export async function mintToken(args: readonly string[]): Promise<string> {
  const { env, program } = inject('service');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'token', ...args], { env });
  return stdout.trim();
}
