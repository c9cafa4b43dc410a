/**
 * The address of the service that holds a data directory, for commands that send it a key and a token. The lock's file
 * names it, and is believed where it can only be the user's own, the address is on this machine, and the service there
 * proves that it has written the file.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { HOLDER_CHALLENGE_HEADER, HOLDER_PROOF_HEADER } from '../http/routes/health.js';
import { computeHolderProof, type DirectoryLockedError } from '../runtime/directory-lock.js';
import { isLoopback } from '../runtime/ip-address.js';
import { ConfigError } from '../model/faults.js';

const PROOF_TIMEOUT_MS = 10_000;
/** Addresses that stand for every one of the machine, with the one that commands use. */
const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

/**
 * @param locked a process holds the kernel's lock on the directory
 * @returns the base URL of its service; undefined where it has none
 * @throws ConfigError where the address may be another process's
 */
export async function findHolderAddress(
  directory: string,
  { holder: { url, nonce } }: DirectoryLockedError,
): Promise<string | undefined> {
  if (url === undefined || nonce === undefined) return undefined;
  requireOwnFile(join(directory, 'lock'));
  const address = toLoopbackUrl(url);
  const challenge = randomBytes(32).toString('base64url');
  const response = await fetch(`${address}/health/live`, {
    headers: { [HOLDER_CHALLENGE_HEADER]: challenge },
    redirect: 'error',
    signal: AbortSignal.timeout(PROOF_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new ConfigError(`the service does not answer: ${String((error as Error).cause ?? error)}`, address);
  });
  await response.body?.cancel();
  if (isEqual(response.headers.get(HOLDER_PROOF_HEADER) ?? '', computeHolderProof(nonce, challenge))) return address;
  throw new ConfigError(
    'another process listens here than the one that holds the data directory, so no key is sent to it',
    address,
  );
}

/** @throws ConfigError */
function requireOwnFile(path: string): void {
  const { uid, mode } = lstatSync(path);
  if (process.getuid !== undefined && uid !== process.getuid())
    throw new ConfigError(
      `belongs to user ${uid}, so the address in it is not believed: run the command as that user`,
      path,
    );
  if ((mode & 0o022) !== 0)
    throw new ConfigError('other users may write it, so the address in it is not believed: run chmod go= on it', path);
}

/** @throws ConfigError where the address is not on this machine */
function toLoopbackUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const host = parsed?.hostname ?? '';
  const local = WILDCARDS[host] ?? host;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || !isLoopback(local.replace(/^\[|\]$/g, '')))
    throw new ConfigError(
      'the service does not listen on loopback, so commands send it no key: ask it over HTTP, or stop it first',
      url,
    );
  return `${parsed.protocol}//${local}${parsed.port === '' ? '' : `:${parsed.port}`}`;
}

function isEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
