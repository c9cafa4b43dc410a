/**
 * What has no end, or unfolds to something that hasn't: it is left as soon as it is longer than an answer, long before the deadline. The
 * calls would time out here if it were read on.
 */
import { createClient, oauthCredential, type RemitError } from 'remit-client';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { constants, createGzip, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../../support/collect.js';
import { answerJson, StandIn, type Reaction } from '../../support/stand-in.js';

const question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
};
const timeoutMs = 100_000;
const fail = async (work: Promise<unknown>): Promise<RemitError> =>
  work.then(
    (value) => Promise.reject(new Error(`no error: ${JSON.stringify(value)}`)),
    (error: unknown) => error as RemitError,
  );

describe('an answer that unfolds without end', () => {
  const service = new StandIn();
  beforeAll(() => service.start());
  afterAll(() => service.stop());
  /** Sends it compressed, a thousandth of what it unfolds to, until its reader goes. */
  const unfold =
    (head: string, status = 200, type = 'application/json'): Reaction =>
    (_request, response) => {
      response.writeHead(status, { 'content-type': type, 'content-encoding': 'gzip' });
      const gzip = createGzip({ flush: constants.Z_NO_FLUSH });
      const filler = Buffer.alloc(1024 * 1024, 'x');
      const fill = (): void => {
        while (!response.destroyed && gzip.write(filler)) continue;
      };
      gzip.on('drain', fill).pipe(response);
      response.on('close', () => gzip.destroy());
      gzip.write(head);
      fill();
    };
  const connect = (more: object = {}) => createClient({ url: service.url, key: 'k', timeoutMs, ...more });
  const stream = () =>
    collect(
      connect().filterStream(
        { subject: question.subject, action: 'read', records: [question.resource] },
        { idleMs: timeoutMs },
      ),
    );

  it.each<[string, Reaction, () => Promise<unknown>, object]>([
    ['an answer', unfold('{"decision": true, "x": "'), () => connect().can(question), { code: 'too_long' }],
    ['a batch', unfold('{"evaluations": ["'), () => connect().canAll([question]), { code: 'too_long' }],
    ['metadata', unfold('{"x": "'), () => connect({ discovery: true }).can(question), { code: 'too_long' }],
    ['capabilities', unfold('{"x": "'), () => connect().capabilities(), { code: 'too_long' }],
    ['a problem', unfold('{"x": "', 400), () => connect().can(question), { kind: 'setup', status: 400 }],
    ['a page', unfold('<p>', 200, 'text/html'), () => connect().can(question), { code: 'answer' }],
    ['a line of a stream', unfold('{"record": "', 200, 'application/x-ndjson'), stream, { code: 'too_long' }],
    ['a problem of a stream', unfold('{"x": "', 400), stream, { kind: 'setup', status: 400 }],
  ])('%s', async (_name, reaction, work, expected) => {
    service.react(reaction);
    expect(await fail(work())).toMatchObject(expected);
  });

  it.each([200, 400, 500])('an issuer’s answer with status %i', async (status) => {
    service.react(unfold('{"access_token": "', status));
    const credential = oauthCredential({ tokenEndpoint: `${service.url}/t`, clientId: 'c', clientSecret: 's', timeoutMs });
    expect(['unavailable', 'setup']).toContain((await fail(createClient({ url: service.url, credential, timeoutMs }).can(question))).kind);
  }); // prettier-ignore

  it('in layers: a few bytes that unfold four times', async () => {
    const bomb = [1, 2, 3].reduce<Buffer>((bytes) => gzipSync(bytes), gzipSync(Buffer.alloc(64 * 1024 * 1024, ' ')));
    service.react((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip, gzip, gzip, gzip' });
      response.end(bomb);
    });
    expect(await fail(connect().can(question))).toMatchObject({ code: 'too_long' });
  });

  it('and one that is compressed as it should be is an answer', async () => {
    service.react((_request, response) => {
      const body = gzipSync('{"decision": true}');
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body);
    });
    expect(await connect().can(question)).toMatchObject({ allowed: true });
    service.react(answerJson({ decision: true }));
    expect(await connect().can(question)).toMatchObject({ allowed: true });
  });
});

describe('a head of an answer that has no end', () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());
  const serve = async (head: string, piece: string): Promise<string> => {
    const listening = createServer((socket: Socket) => {
      const more = (): void => {
        while (socket.writable && socket.write(piece)) continue;
      };
      socket
        .on('error', () => undefined)
        .once('data', () => {
          socket.write(head);
          socket.on('drain', more);
          more();
        });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  };
  const field = `x-a: ${'b'.repeat(100)}\r\n`;

  it.each([
    ['headers', 'HTTP/1.1 200 OK\r\n', field],
    ['one header', 'HTTP/1.1 200 OK\r\nx-a: ', 'b'.repeat(1_000)],
    ['the name of a header', 'HTTP/1.1 200 OK\r\n', 'b'.repeat(1_000)],
    ['trailers', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n12\r\n{"decision": true}\r\n0\r\n', field],
  ])('%s', async (_name, head, piece) => {
    const url = await serve(head, piece);
    expect(await fail(createClient({ url, key: 'k', timeoutMs }).can(question))).toMatchObject({ code: 'transport' });
    const credential = oauthCredential({ tokenEndpoint: `${url}/t`, clientId: 'c', clientSecret: 's', timeoutMs });
    expect(await fail(createClient({ url, credential, timeoutMs }).can(question))).toMatchObject({ code: 'credential' });
  }); // prettier-ignore

  it.each([
    ['the reason of its status', 'HTTP/1.1 200 ', 'b'.repeat(1_000)],
    ['hints before it', '', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'],
    ['the extension of a chunk', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1;', 'b'.repeat(1_000)],
  ])('%s: nothing of it is kept, and the deadline ends it', async (_name, head, piece) => {
    const url = await serve(head, piece);
    expect(await fail(createClient({ url, key: 'k', timeoutMs: 300 }).can(question))).toMatchObject({ code: 'timeout' });
  }); // prettier-ignore
});
