/**
 * A file that holds a secret and is made once, at first use: the development key, the key of the development issuer.
 * Processes that start together on a new data directory agree on one, and none reads half of it.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Reads the file; makes it where there is none (mode 0600).
 * @param makeText is called only where there is none; what another process has stored meanwhile wins over its text
 * @returns the text that every process reads
 * @throws what the file system says
 */
export async function ensureSecretFile(path: string, makeText: () => string | Promise<string>): Promise<string> {
  const stored = readIfPresent(path);
  if (stored !== undefined) {
    chmodSync(path, 0o600);
    return stored;
  }
  publishFile(path, await makeText());
  return readFileSync(path, 'utf8');
}

/** Stores the text unless the file is there. A link is made at once or not at all, and never replaces a file. */
function publishFile(path: string, text: string): void {
  const draft = `${path}.${randomBytes(8).toString('hex')}.draft`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: 'wx', flush: true });
    linkSync(draft, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The name of the file whose draft this is; the name itself where it is none. A process that is killed leaves its draft. */
export function nameWithoutDraft(name: string): string {
  return name.replace(/\.[0-9a-f]{16}\.draft$/, '');
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
