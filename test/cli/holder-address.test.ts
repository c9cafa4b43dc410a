/** Where commands send a key: to the service that holds the data directory, on this machine, and to nobody else. */
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { findHolderAddress } from '../../src/cli/holder-address.js';
import { DirectoryLockedError, lockDirectory, type DirectoryLock } from '../../src/runtime/directory-lock.js';

const scratch = mkdtempSync(join(tmpdir(), 'remit-holder-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
let directory: string;
let lock: DirectoryLock;
beforeEach(() => {
  directory = mkdtempSync(join(scratch, 'data-'));
  lock = lockDirectory(directory);
});

/** A server on loopback, with what it was sent. */
async function listen(
  respond: RequestListener,
): Promise<{ readonly port: number; readonly requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

const proving: RequestListener = (request, response) => {
  response.setHeader('remit-holder-proof', lock.prove(String(request.headers['remit-holder-challenge']))).end('{}');
};

function lockedError(): DirectoryLockedError {
  try {
    lockDirectory(directory);
  } catch (error) {
    if (error instanceof DirectoryLockedError) return error;
  }
  throw new Error('the lock is free');
}

const find = (): Promise<string | undefined> => findHolderAddress(directory, lockedError());

it('is the service that proves that it wrote the lock', async () => {
  const { port } = await listen(proving);
  lock.publishUrl(`http://127.0.0.1:${port}`);
  expect(await find()).toBe(`http://127.0.0.1:${port}`);
  lock.publishUrl(`http://0.0.0.0:${port}`);
  expect(await find()).toBe(`http://127.0.0.1:${port}`);
});

it('is nowhere while the holder has published none', async () => {
  expect(await find()).toBeUndefined();
});

it.each<[string, RequestListener]>([
  ['answers without a proof', (_request, response) => response.end('{"status":"ok"}')],
  ['sends the challenge back', (request, response) => response.setHeader('remit-holder-proof', String(request.headers['remit-holder-challenge'])).end('{}')],
  ['sends the command elsewhere', (_request, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()],
  ['closes the connection', (request) => request.socket.destroy()],
])('is not another process that %s: it gets no key', async (_what, respond) => {
  const { port, requests } = await listen(respond);
  lock.publishUrl(`http://127.0.0.1:${port}`);
  await expect(find()).rejects.toThrow(/no key is sent to it|does not answer/);
  for (const { headers } of requests) expect(headers.authorization).toBeUndefined();
}); // prettier-ignore

it.each(['http://192.0.2.1:7480', 'http://example.com', 'https://127.0.0.1.example.com', 'ftp://127.0.0.1', 'file:///etc', 'nothing', 'http://[2001:db8::1]:1', 'http://127.0.0.1@example.com'])(
  'is not %s, which is no address on loopback',
  async (url) => {
    lock.publishUrl(url);
    await expect(find()).rejects.toThrow('the service does not listen on loopback');
  },
); // prettier-ignore

it('is not named by a file that others may write', async () => {
  const { port, requests } = await listen(proving);
  lock.publishUrl(`http://127.0.0.1:${port}`);
  const error = lockedError();
  chmodSync(join(directory, 'lock'), 0o666);
  await expect(findHolderAddress(directory, error)).rejects.toThrow('other users may write it');
  expect(requests).toEqual([]);
});

it.runIf(process.getuid?.() === 0)('is not named by a file of another user (where the tests run as root)', async () => {
  const { port, requests } = await listen(proving);
  lock.publishUrl(`http://127.0.0.1:${port}`);
  const error = lockedError();
  chownSync(join(directory, 'lock'), 12345, 12345);
  await expect(findHolderAddress(directory, error)).rejects.toThrow('belongs to user 12345');
  expect(requests).toEqual([]);
});
