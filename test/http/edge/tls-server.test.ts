/** The service below its routes, attacked over raw sockets: slow, long, many, and not quite HTTP. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { pem, selfSigned, type Pair } from '../../support/make-certificates.js';
import { clientNamed, startWith, type Running } from '../../support/sample.js';
import { collectCleanups } from '../../support/cleanups.js';

const CONNECTIONS = 20;
let directory: string;
let remit: Running;
let port: number;
const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'remit-transport-'));
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  remit = await startWith({
    listen: { port: 0 },
    limits: { connections: CONNECTIONS },
    issuers: [],
    clients: [clientNamed('api', 'remit', 'evaluate')],
  });
  onSuiteFinished(() => remit.stop());
  await remit.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = remit.app.server.address() as AddressInfo);
});

/** The same, with a certificate. */
async function startSecured(): Promise<Running> {
  const secured = await startWith({
    listen: { port: 0, tls: selfSigned(directory, 'localhost') },
    limits: { connections: CONNECTIONS },
    issuers: [],
    clients: [clientNamed('api', 'remit', 'evaluate')],
  });
  await secured.app.listen({ host: '127.0.0.1', port: 0 });
  return secured;
}

/** All that is answered to what is written, until the other side ends it. */
function send(text: string | Buffer, to: Socket = connect(port, '127.0.0.1')): Promise<string> {
  return new Promise((resolve) => {
    let answered = '';
    to.on('data', (chunk: Buffer) => (answered += chunk.toString('latin1')));
    to.on('error', () => undefined).on('close', () => resolve(answered));
    to.write(text);
  });
}
const head = (line: string, ...headers: string[]): string =>
  [line, `Host: 127.0.0.1:${port}`, 'Connection: close', ...headers, '', ''].join('\r\n');
const asClient = (line: string, body: string | Buffer, ...headers: string[]): Buffer =>
  Buffer.concat([
    Buffer.from(
      head(line, 'Authorization: Bearer api-key', `Content-Length: ${Buffer.byteLength(body)}`, ...headers),
      'latin1',
    ),
    Buffer.from(body),
  ]);
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const POST = 'POST /access/v1/evaluation HTTP/1.1';
const LIVE = 'GET /health/live HTTP/1.1';

describe('a connection', () => {
  it('that never sends its headers is ended', async () => {
    const answer = await send('GET /health/live HTTP/1.1\r\nHost: ');
    expect(statusOf(answer)).toBe(408);
    expect(answer).toContain('"code":"request_timeout"');
  });

  it('that sends a body drop by drop is ended', async () => {
    const socket = connect(port, '127.0.0.1');
    const dripping = setInterval(() => socket.write(' '), 500);
    const answer = await send(
      `${POST}\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer api-key\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`,
      socket,
    );
    clearInterval(dripping);
    expect(statusOf(answer)).toBe(408);
  });

  it('is one of only so many', async () => {
    const closed = new Set<number>();
    const sockets = Array.from({ length: CONNECTIONS + 5 }, (_, i) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined).on('close', () => closed.add(i));
      return socket;
    });
    await expect.poll(() => closed.size, { timeout: 15_000 }).toBeGreaterThanOrEqual(5);
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => statusOf(await send(head(LIVE))), { timeout: 15_000 }).toBe(200);
  });

  it.each(['http', 'https'])('of an address with all that it may have keeps no other out: %s', async (scheme) => {
    const served = scheme === 'http' ? remit : await startSecured();
    const at = (served.app.server.address() as AddressInfo).port;
    const open = (localAddress: string): Socket => {
      const socket = connect({ port: at, host: '127.0.0.1', localAddress }).on('error', () => undefined);
      return scheme === 'http' ? socket : connectTls({ socket, rejectUnauthorized: false });
    };
    const closed = new Set<number>();
    // Idle, or with a request that no one is known by, each in a moment when it is of no use.
    const idle = Array.from({ length: 3 * CONNECTIONS }, (_, i) => {
      const socket = open('127.0.0.1');
      if (i % 2 === 0) socket.write(`${LIVE}\r\nHost: 127.0.0.1:${at}\r\n\r\n`);
      return socket
        .on('error', () => undefined)
        .on('close', () => closed.add(i))
        .resume();
    });
    await expect.poll(() => closed.size, { timeout: 15_000 }).toBeGreaterThanOrEqual(2 * CONNECTIONS);
    for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.1']) {
      const answer = await send(`${LIVE}\r\nHost: 127.0.0.1:${at}\r\nConnection: close\r\n\r\n`, open(address));
      expect(statusOf(answer), address).toBe(200);
    }
    for (const socket of idle) socket.destroy();
    if (served !== remit) await served.stop();
  });

  it('that works for a caller yields to no one', async () => {
    const socket = connect(port, '127.0.0.1');
    const body = JSON.stringify({ x: 1 });
    const half = asClient(POST, body, 'Content-Type: application/json').subarray(0, -1);
    const answer = send(half, socket);
    await expect.poll(() => remit.app.health.admission.stats().bodyBytes, { timeout: 15_000 }).toBeGreaterThan(0);
    const closed = new Set<number>();
    const others = Array.from({ length: 3 * CONNECTIONS }, (_, i) =>
      connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .on('close', () => closed.add(i)),
    );
    await expect.poll(() => closed.size, { timeout: 15_000 }).toBeGreaterThanOrEqual(2 * CONNECTIONS);
    socket.write('}');
    expect(statusOf(await answer)).toBe(400); // An answer to what it said.
    for (const other of others) other.destroy();
  });

  it('answers what is pipelined in its order, each by its own credential', async () => {
    const request = (authorization: string): string =>
      `GET /v1/scopes HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${authorization}\r\n`;
    const answer = await send(
      request('Authorization: Bearer api-key\r\n') + request('') + request('Connection: close\r\n'),
    );
    expect([...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((m) => m[1])).toEqual(['200', '401', '401']);
  });
});

describe('what is not quite HTTP', () => {
  const length = 'Content-Length: 5';
  it.each([
    ['HTTP/2’s preface', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a TLS hello', () => Buffer.from('160301020001000100', 'hex'), 400],
    ['two lengths', () => head(POST, length, 'Content-Length: 6'), 400],
    ['a length and chunks (request smuggling)', () => head(POST, length, 'Transfer-Encoding: chunked'), 400],
    ['chunks said in an odd way', () => head(POST, 'Transfer-Encoding: xchunked'), 400],
    ['chunks said twice', () => head(POST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'), 400],
    ['a space before the colon', () => head(LIVE, 'X-Test : 1'), 400],
    ['a folded header', () => head(LIVE, 'X-Test: 1', ' 2'), 400],
    ['a bare line feed', () => `${LIVE}\nHost: 127.0.0.1:${port}\n\n`, 400],
    ['NUL in a header', () => head(LIVE, 'X-Test: a\0b'), 400],
    ['headers without end', () => head(LIVE, `X-Test: ${'a'.repeat(40_000)}`), 431],
    ['more headers than anybody needs', () => head(LIVE, ...Array.from({ length: 200 }, (_, i) => `X-${i}: 1`)), 431],
    ['two credentials', () => head('GET /v1/scopes HTTP/1.1', 'Authorization: Bearer x', 'authorization: Bearer api-key'), 400],
    ['two hosts', () => head(LIVE, 'Host: evil.example'), 400],
    ['no host', () => 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['another host', () => `${LIVE}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`, 421],
    ['a target that is another host', () => head('GET http://evil.example/health/live HTTP/1.1'), 400],
    ['a target that is a star', () => head('OPTIONS * HTTP/1.1'), 400],
    ['an expectation', () => head(LIVE, 'Expect: everything'), 417],
    ['a method that there is not', () => head('BREW /health/live HTTP/1.1'), 400],
    ['a method that nothing has', () => head('TRACE /health/live HTTP/1.1'), 405],
    ['a path that climbs', () => head('GET /docs/static/../../../../etc/passwd HTTP/1.1'), 403],
    ['a path that climbs, encoded', () => head('GET /docs/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json HTTP/1.1'), 404],
    ['a path with a broken escape', () => head('GET /v1/entities/user/%ff HTTP/1.1'), 400],
    ['a path of NUL', () => head('GET /%00 HTTP/1.1'), 404],
    ['a path with two slashes', () => head('POST //access/v1/evaluation HTTP/1.1', 'Content-Length: 0'), 404],
    ['a path in another case', () => head('POST /ACCESS/v1/evaluation HTTP/1.1', 'Content-Length: 0'), 404],
    ['a path with a slash more', () => head('GET /health/live/ HTTP/1.1'), 404],
    ['a path with a fragment', () => head('GET /health/live#x HTTP/1.1'), 400],
    ['a path with a parameter', () => head('GET /health/live;x=1 HTTP/1.1'), 404],
    ['HTTP of a version that there is not', () => head('GET /health/live HTTP/1.2'), 400],
    ['extensions of chunks without end', () => `${head(POST, 'Authorization: Bearer api-key', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}2;${'x'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`, 400],
    ['a long path', () => head(`GET /${'a'.repeat(20_000)} HTTP/1.1`), 404],
  ])('%s is refused', async (_name, text, status) => {
    const answer = await send(text());
    expect([statusOf(answer), answer]).toEqual([status, expect.not.stringContaining('"ok"')]);
    expect(answer).not.toContain('root:');
  }); // prettier-ignore

  it('a tunnel is not opened, and a protocol not changed', async () => {
    expect(await send('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).toBe('');
    const upgraded = await send(`${LIVE}\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`); // prettier-ignore
    expect(statusOf(upgraded)).not.toBe(101);
  });
});

describe('a body', () => {
  const json = 'Content-Type: application/json';
  const question = JSON.stringify({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
  });

  it.each([json, `${json}; charset=utf-8`, `${json};charset="UTF-8"`])('of the type %s is read', async (type) => {
    expect(statusOf(await send(asClient(POST, question, type)))).toBe(200);
  });

  it.each([
    ['compressed, so that it could be a bomb', gzipSync(question), [json, 'Content-Encoding: gzip'], 400],
    ['of a type of its own', question, ['Content-Type: text/plain'], 400],
    ['of no type', question, [], 400],
    ['of two types', question, ['Content-Type: text/plain, application/json'], 400],
    ['of a form', 'subject=1', ['Content-Type: application/x-www-form-urlencoded'], 400],
    ['of a type as long as can be', question, [`Content-Type: application/${'json'.repeat(5000)}`], 400],
    [
      'in a character set that a proxy would read otherwise',
      question,
      ['Content-Type: application/json; charset=utf-16'],
      400,
    ],
    [
      'in another character set',
      Buffer.from(question.replace('alice', '\xe4'), 'latin1'),
      [`${json}; charset=latin1`],
      400,
    ],
    ['with a prototype', question.replace('{', '{"__proto__":{"admin":true},'), [json], 400],
    [
      'with a prototype within',
      question.replace('"user"', '{"constructor":{"prototype":{"admin":true}}}'),
      [json],
      400,
    ],
    ['with more after its end', `${question}{}`, [json], 400],
    ['of 1 MiB and a byte', `"${'a'.repeat(1024 * 1024)}"`, [json], 413],
  ])('%s is refused', async (_name, body, headers, status) => {
    expect(statusOf(await send(asClient(POST, body, ...headers)))).toBe(status);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('in chunks without end is cut off at 1 MiB', async () => {
    const socket = connect(port, '127.0.0.1');
    const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`;
    const answer = send(head(POST, 'Authorization: Bearer api-key', json, 'Transfer-Encoding: chunked'), socket);
    for (let i = 0; i < 64 && socket.writable; i += 1) socket.write(chunk);
    expect(statusOf(await answer)).toBe(413);
  });

  it.each([
    ['beyond 1 MiB', 'application/json', `10000\r\n${'a'.repeat(0x10000)}\r\n`, 64, 413],
    ['byte by byte', 'application/json', '1\r\n \r\n'.repeat(10_000), 20, 400],
    ['of a type that isn’t read', 'text/plain', '1\r\n \r\n', 1, 400],
  ])('in chunks, %s, is refused once, and what follows is nothing to anyone', async (_what, type, chunks, count, status) => {
    const unheard: unknown[] = [];
    const hear = (error: unknown): number => unheard.push(error);
    process.prependListener('uncaughtExceptionMonitor', hear);
    const socket = connect(port, '127.0.0.1');
    const request = [POST, `Host: 127.0.0.1:${port}`, 'Authorization: Bearer api-key', `Content-Type: ${type}`, 'Transfer-Encoding: chunked', '', ''];
    const answer = send(request.join('\r\n'), socket);
    for (let i = 0; i < count && socket.writable; i += 1) socket.write(chunks);
    expect(statusOf(await answer)).toBe(status);
    await expect.poll(() => remit.app.health.admission.stats().bodyBytes, { timeout: 15_000 }).toBe(0);
    process.off('uncaughtExceptionMonitor', hear);
    expect(unheard).toEqual([]);
  }); // prettier-ignore

  it('of a stranger is not waited for', async () => {
    const answer = await send(head(POST, json, 'Content-Length: 1000000'));
    expect(statusOf(answer)).toBe(401);
  });
});

describe('every answer', () => {
  it.each([
    ['200', () => head(LIVE)],
    ['401', () => head(POST, 'Content-Length: 0')],
    ['404', () => head('GET /nowhere HTTP/1.1')],
    ['421', () => `${LIVE}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`],
    ['400', () => 'nonsense\r\n\r\n'],
    ['431', () => head(LIVE, `X-Test: ${'a'.repeat(40_000)}`)],
  ])('keeps browsers and caches out, and says nothing of what runs here: %s', async (status, text) => {
    const answer = (await send(text())).toLowerCase();
    expect(answer).toMatch(new RegExp(`^http/1.1 ${status} `));
    expect(answer).toContain('cache-control: no-store\r\n');
    expect(answer).toContain('x-content-type-options: nosniff\r\n');
    expect(answer).toContain("content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n");
    expect(answer).not.toMatch(/\r\n(server|x-powered-by|access-control-[a-z-]+|strict-transport-security):/);
  });

  it('to a page of elsewhere is none that it may read', async () => {
    const preflight = await send(head('OPTIONS /access/v1/evaluation HTTP/1.1', 'Origin: https://evil.example', 'Access-Control-Request-Method: POST', 'Access-Control-Request-Headers: authorization')); // prettier-ignore
    expect(statusOf(preflight)).toBe(405);
    expect(preflight.toLowerCase()).not.toContain('access-control-allow');
  });

  it('of /docs may run its own scripts and be in nobody’s frame', async () => {
    const page = await send(head('GET /docs/ HTTP/1.1'));
    expect(statusOf(page)).toBe(200);
    const policy = /content-security-policy: (.*)\r\n/i.exec(page)?.[1] ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|unsafe-eval/);
    expect(page.slice(page.indexOf('<'))).not.toMatch(/<script>|https?:\/\//);
  });
});

describe('TLS', () => {
  let secured: Running;
  let pair: Pair;
  let at: number;
  beforeAll(async () => {
    pair = selfSigned(directory, 'localhost');
    secured = await startWith({
      listen: { port: 0, tls: pair },
      issuers: [],
      clients: [clientNamed('api', 'remit', 'evaluate')],
    });
    await secured.app.listen({ host: '127.0.0.1', port: 0 });
    at = (secured.app.server.address() as AddressInfo).port;
    return () => secured.stop();
  });

  const handshake = (options: { maxVersion?: SecureVersion; minVersion?: SecureVersion; ciphers?: string }): Promise<string> =>
    new Promise((resolve) => {
      const socket: TLSSocket = connectTls(
        { host: '127.0.0.1', port: at, ca: pem(pair).cert, servername: 'localhost', ...options },
        () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        },
      );
      socket.on('error', () => resolve('refused'));
    }); // prettier-ignore

  it('is 1.2 or 1.3', async () => {
    expect(await handshake({})).toBe('TLSv1.3');
    expect(await handshake({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
    expect(await handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).toBe('refused'); // prettier-ignore
  });

  it.each(['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA', 'AES128-SHA', 'AES256-GCM-SHA384'])(
    'doesn’t take the cipher %s',
    async (ciphers) => {
      expect(await handshake({ maxVersion: 'TLSv1.2', ciphers })).toBe('refused');
    },
  );

  it('is remembered by browsers', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: at, ca: pem(pair).cert, servername: 'localhost' });
    const answer = await send(`${LIVE}\r\nHost: 127.0.0.1:${at}\r\nConnection: close\r\n\r\n`, socket);
    expect(answer.toLowerCase()).toContain('strict-transport-security: max-age=63072000\r\n');
  });

  it('that is never spoken is ended', async () => {
    expect(await send('', connect(at, '127.0.0.1'))).toBe('');
  });

  it('is needed where there is a certificate', async () => {
    expect(await send(`${LIVE}\r\nHost: 127.0.0.1:${at}\r\n\r\n`, connect(at, '127.0.0.1'))).not.toContain('200');
  });
});
