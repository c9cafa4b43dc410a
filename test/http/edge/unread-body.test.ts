/** Bodies that no one asked for: of strangers, to paths that aren't there, and beyond what is wanted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { selfSigned } from '../../support/make-certificates.js';
import { clientNamed, startWith, type Running } from '../../support/sample.js';
import { collectCleanups } from '../../support/cleanups.js';

const SOON = { timeout: 20_000, interval: 10 };
/** More than the buffers of both ends hold, so that a sender notices whether it is read. */
const ENDLESS = Buffer.alloc(16 * 1024 * 1024, '[');

describe.each([['http'], ['https']])('over %s', (scheme) => {
  let remit: Running;
  let port: number;
  let directory: string;
  /** The server's ends of the connections, the newest last. */
  const accepted: Socket[] = [];
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'remit-unread-'));
    onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
    const files = selfSigned(directory, 'localhost');
    remit = await startWith({
      listen: { port: 0, ...(scheme === 'https' ? { tls: files } : {}) },
      issuers: [],
      clients: [clientNamed('api', 'remit', 'evaluate')],
    });
    onSuiteFinished(() => remit.stop());
    remit.app.server.on('connection', (socket: Socket) => accepted.push(socket));
    await remit.app.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = remit.app.server.address() as AddressInfo);
  });

  const open = (): Socket =>
    scheme === 'https'
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
  /** What is answered to it, until the other end ends, and the bytes that the other end read. */
  const send = (head: readonly string[], body: Buffer | string = ENDLESS): Promise<{ answer: string; read: number }> =>
    new Promise((resolve) => {
      const socket = open();
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1'))).on('error', () => undefined);
      socket.on('end', () => {
        // What is read after the answer would be read by now.
        setTimeout(() => {
          resolve({ answer, read: accepted.at(-1)?.bytesRead ?? Infinity });
          socket.destroy();
        }, 100);
      });
      socket.write([...head.slice(0, 1), `Host: 127.0.0.1:${port}`, ...head.slice(1), '', ''].join('\r\n'));
      socket.write(body);
    });
  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  /** A few reads of 64 KiB, which arrived together with the head. */
  const FEW_READS = 512 * 1024;
  const JSON_BODY = ['Content-Type: application/json', `Content-Length: ${ENDLESS.length}`];

  it.each([
    ['an unknown path', 'POST /nowhere HTTP/1.1', [], 404],
    ['an unknown path, in chunks', 'POST /nowhere HTTP/1.1', ['Transfer-Encoding: chunked'], 404],
    ['a path with another method', 'PUT /access/v1/evaluation HTTP/1.1', [], 405],
    ['a path that takes no body', 'GET /health/live HTTP/1.1', [], 200],
    ['a decision', 'POST /access/v1/evaluation HTTP/1.1', [], 401],
    ['a decision, with a wrong key', 'POST /access/v1/evaluations HTTP/1.1', ['Authorization: Bearer guess'], 401],
    ['a decision, of another content type', 'POST /access/v1/evaluation HTTP/1.1', ['Content-Type: text/plain'], 401],
    ['another host', 'POST /access/v1/evaluation HTTP/1.1', ['X: y'], 401],
  ])('a stranger’s to %s is not read, and the connection ends', async (_what, line, headers, status) => {
    const length = headers.includes('Transfer-Encoding: chunked')
      ? ['Content-Type: application/json']
      : headers.some((h) => h.startsWith('Content-Type')) ? [`Content-Length: ${ENDLESS.length}`] : JSON_BODY;
    const chunk = headers.includes('Transfer-Encoding: chunked') ? `${ENDLESS.length.toString(16)}\r\n` : '';
    const { answer, read } = await send([line, ...length, ...headers], Buffer.concat([Buffer.from(chunk), ENDLESS]));
    expect(statusOf(answer)).toBe(status);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(read).toBeLessThan(FEW_READS);
  }); // prettier-ignore

  it('a stranger’s is read at no path of the service', async () => {
    const { paths = {} } = remit.app.swagger() as { paths?: Record<string, Record<string, unknown>> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{.*?\}/g, 'x')} HTTP/1.1`),
    );
    expect(routes.length).toBeGreaterThan(20);
    for (const line of routes) {
      const { read } = await send([line, ...JSON_BODY]);
      expect(read, line).toBeLessThan(FEW_READS);
    }
  });

  it.each([
    ['/%F0', 400, 'bad_request'],
    ['/health/live%', 400, 'bad_request'],
    ['/v1/entities/user/ID', 414, 'target_too_long', 'PUT'],
  ])('a stranger’s is not read at %s, which no route can be found for', async (path, status, code, method = 'POST') => {
    const target = path.replace('ID', 'a'.repeat(5_000));
    const { answer, read } = await send([`${method} ${target} HTTP/1.1`, 'Content-Type: application/json', `Content-Length: ${ENDLESS.length}`]); // prettier-ignore
    expect(statusOf(answer)).toBe(status);
    expect(answer).toContain(`"code":"${code}"`);
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff');
    expect(read).toBeLessThan(FEW_READS);
  });

  it('a known client’s beyond 1 MiB is not read either', async () => {
    const { answer, read } = await send([
      'POST /access/v1/evaluation HTTP/1.1',
      ...JSON_BODY,
      'Authorization: Bearer api-key',
    ]);
    expect(statusOf(answer)).toBe(413);
    expect(read).toBeLessThan(FEW_READS);
  });

  it('is asked for once its sender is known, and not before', async () => {
    const waiting = (...headers: string[]) => [
      'POST /access/v1/evaluation HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue', ...headers,
    ]; // prettier-ignore
    expect(statusOf((await send(waiting(), '')).answer)).toBe(401);
    expect(statusOf((await send(waiting('Authorization: Bearer guess'), '')).answer)).toBe(401);
    const { answer } = await send(waiting('Authorization: Bearer api-key', 'Connection: close'), '{}');
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /);
    const other = await send(['POST /access/v1/evaluation HTTP/1.1', ...JSON_BODY, 'Expect: the-unexpected']);
    expect(statusOf(other.answer)).toBe(417);
    expect(other.read).toBeLessThan(FEW_READS);
  });

  it('leaves no connection behind', async () => {
    await vi.waitUntil(() => accepted.every((socket) => socket.destroyed), SOON);
  });

  it('and the answer reaches a sender that only reads when it has written', async () => {
    // As fetch does: a connection that was reset at once would lose it the answer.
    if (scheme === 'https') return;
    for (let i = 0; i < 20; i += 1) {
      const body = ENDLESS.subarray(0, 2 * 1024 * 1024);
      const response = await fetch(`http://127.0.0.1:${port}/nowhere`, { method: 'POST', body });
      expect(response.status).toBe(404);
    }
  });

  it('of a known client that is short costs it no connection', async () => {
    const socket = open();
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    const request = (auth: string) =>
      ['POST /access/v1/evaluation HTTP/1.1', `Host: 127.0.0.1:${port}`, auth, 'Content-Type: text/plain', 'Content-Length: 2', '', '{}'].join('\r\n'); // prettier-ignore
    socket.write(request('Authorization: Bearer api-key').repeat(3));
    await vi.waitUntil(() => answer.split('HTTP/1.1 400').length === 4, SOON);
    // What a stranger pipelines ends with the first answer.
    answer = '';
    socket.write(request('X: y').repeat(50));
    await vi.waitUntil(() => socket.closed || socket.readableEnded, SOON);
    expect(answer.split('HTTP/1.1 ').length).toBe(2);
    socket.destroy();
  });
});
