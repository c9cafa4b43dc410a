/** The connections of a listener are counted from their first byte to their last, with TLS and without. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { ListenerConnections } from '../../../src/http/edge/listener-connections.js';
import { pem, selfSigned } from '../../support/make-certificates.js';
import { collectCleanups } from '../../support/cleanups.js';

const CAPACITY = 8;
const SOON = { timeout: 20_000 };

describe.each(['http', 'https'])('connections of %s', (scheme) => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-connections-'));
  const connections = new ListenerConnections(CAPACITY);
  const onRequest: RequestListener = (request, response) => {
    if (request.url === '/known') connections.recognize(request.socket);
    if (request.url !== '/held') response.end('answered');
  };
  let server: Server;
  let port: number;
  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    const handle = connections.countRequests(onRequest);
    server =
      scheme === 'http' ? createServer(handle) : createTlsServer(pem(selfSigned(directory, 'localhost')), handle);
    onSuiteFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    connections.watch(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });

  const open = (localAddress: string): Socket => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
    const secured = scheme === 'http' ? socket : connectTls({ socket, rejectUnauthorized: false });
    return secured.on('error', () => undefined).resume();
  };
  /** Resolves with whether it was answered; the connection stays open. */
  const ask = (socket: Socket, path: string): Promise<boolean> =>
    new Promise((resolve) => {
      socket.once('data', () => resolve(true)).once('close', () => resolve(false));
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    });

  it('give their places back, however they end', async () => {
    for (const end of ['destroy', 'end'] as const) {
      const sockets = Array.from({ length: CAPACITY - 2 }, () => open('127.0.0.1'));
      await Promise.all(sockets.slice(1).map((socket) => ask(socket, '/')));
      await expect.poll(() => connections.active, SOON).toBe(CAPACITY - 2);
      for (const socket of sockets) socket[end]();
      await expect.poll(() => connections.active, SOON).toBe(0);
    }
  });

  it('are closed for others while no caller is known on them, and then not before those', async () => {
    const known = open('127.0.0.1');
    expect(await ask(known, '/known')).toBe(true);
    const strangers = Array.from({ length: CAPACITY - 2 }, () => open('127.0.0.1'));
    expect(await Promise.all(strangers.map((socket) => ask(socket, '/')))).toContain(true);
    expect(await ask(open('127.0.0.2'), '/')).toBe(true);
    expect(await ask(open('127.0.0.3'), '/')).toBe(true);
    expect(await ask(known, '/known')).toBe(true);
    expect(connections.active).toBeLessThanOrEqual(CAPACITY);
    server.closeAllConnections();
    await expect.poll(() => connections.active, SOON).toBe(0);
  });
});
