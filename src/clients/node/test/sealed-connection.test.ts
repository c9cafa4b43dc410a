/** What lies beneath a response, the connection or the stream of HTTP/2, sends nothing past the masks; and goes on afterwards. */
import { serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import express from 'express';
import Fastify, { type FastifyInstance } from 'fastify';
import { Hono } from 'hono';
import { once } from 'node:events';
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2,
  type Http2Server,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectTo, type AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createClient } from 'remit-client';
import remitFastify from 'remit-node/fastify';
import { remit as remitExpress } from 'remit-node/express';
import { remit as remitHono } from 'remit-node/hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(async () => {
  await service.start();
  const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
  service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
});
afterAll(() => service.stop());
const question = { action: 'read', resource: { type: 'employee', id: 'erin' } };
const config = { remit: question };
const record = { salary: 1, name: 'E' };
const options = () => ({
  client: createClient({ url: service.url, key: 'k', timeoutMs: 20_000 }),
  subject: () => ({ type: 'user', id: 'alice' }),
});
async function createFastify(): Promise<FastifyInstance> {
  const app = Fastify();
  await app.register(remitFastify, options());
  return app;
}
/** A whole answer, as it would be sent past the masks. */
const PAST = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npast';

/** Sends past the masks in an API of each framework, instead of an answer. */
type SendPast = (response: ServerResponse, request: IncomingMessage) => unknown;
const apis: Readonly<Record<string, (send: SendPast) => Promise<Server>>> = {
  fastify: async (send) => {
    const app = await createFastify();
    app.get('/r', { config }, ({ raw }, reply) => {
      reply.hijack();
      send(reply.raw, raw);
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  express: async (send) => {
    const app = express();
    app.get('/r', remitExpress(options()).guard(question), (request, response) => void send(response, request));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  },
  hono: async (send) => {
    const app = new Hono();
    app.get('/r', remitHono(options()).guard(question), (c) => {
      const { outgoing, incoming } = c.env as { outgoing: ServerResponse; incoming: IncomingMessage };
      send(outgoing, incoming);
      return RESPONSE_ALREADY_SENT;
    });
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    await once(server, 'listening');
    return server;
  },
};

describe.each(Object.entries(apis))('an answer that has to be masked: %s', (_framework, start) => {
  it.each<[string, SendPast]>([
    ['the response’s connection', ({ socket }) => socket?.write(PAST)],
    ['the request’s connection', (_response, { socket }) => socket.end(PAST)],
    ['a method of Node’s own', (response) => ServerResponse.prototype.end.call(response, PAST, 'utf8')],
  ])('is not sent by %s', async (_way, send) => {
    const server = await start(send);
    const socket = connectTo((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('GET /r HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    const text = await readText(socket).catch(() => 'cut');
    expect(text).not.toContain('past');
    server.closeAllConnections();
    server.close();
  });
});

it('a connection is left to the next request, and to the one before', async () => {
  const app = await createFastify();
  app.get('/r', { config }, () => record);
  app.get('/open', { config: { public: true } }, () => 'open');
  await app.listen({ port: 0, host: '127.0.0.1' });
  const socket = connectTo((app.server.address() as AddressInfo).port, '127.0.0.1');
  const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n${more}\r\n`;
  socket.write(get('/r') + get('/open') + get('/r') + get('/r') + get('/open', 'connection: close\r\n'));
  const bodies = (await readText(socket)).match(/^(?:\{.*\}|open)/gm);
  expect(bodies?.map((body) => body.replace(/HTTP.*/, ''))).toEqual(['{"name":"E"}', 'open', '{"name":"E"}', '{"name":"E"}', 'open']); // prettier-ignore
  await app.close();
});

type SendHttp2 = (stream: ServerHttp2Stream, reply: { raw: Http2ServerResponse; hijack: () => unknown }) => unknown;
/** Sends past the masks in an API of each framework by HTTP/2, and then answers. */
const http2Apis: Readonly<Record<string, (send: SendHttp2) => Promise<Http2Server>>> = {
  fastify: async (send) => {
    const app = Fastify({ http2: true });
    await app.register(remitFastify, options());
    app.get('/r', { config }, async (_request, reply) => {
      await send(reply.raw.stream, reply);
      return record;
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  hono: async (send) => {
    const app = new Hono();
    app.get('/r', remitHono(options()).guard(question), async (c) => {
      const { outgoing } = c.env as { outgoing: Http2ServerResponse };
      const hijacked: boolean[] = [];
      await send(outgoing.stream, { raw: outgoing, hijack: () => hijacked.push(true) });
      return hijacked.length > 0 ? RESPONSE_ALREADY_SENT : c.json(record);
    });
    const server = serve({
      fetch: app.fetch,
      port: 0,
      hostname: '127.0.0.1',
      createServer: createHttp2,
    }) as Http2Server;
    await once(server, 'listening');
    return server;
  },
};

describe.each(Object.entries(http2Apis))('by HTTP/2: %s', (_framework, start) => {
  /** @returns all that a client gets: of the answer, before it, and beside it */
  const askHttp2 = async (send: SendHttp2): Promise<string> => {
    const server = await start(send);
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    let text = '';
    const read = (part: unknown): void => void (text += typeof part === 'string' ? part : JSON.stringify(part));
    session.on('stream', (pushed, headers) => {
      read(headers);
      pushed
        .setEncoding('utf8')
        .on('data', read)
        .on('error', () => undefined);
    });
    const request = session.request({ ':path': '/r' }).setEncoding('utf8');
    request
      .on('headers', read)
      .on('trailers', read)
      .on('data', read)
      .on('error', () => undefined);
    await new Promise((resolve) => request.once('close', resolve));
    await new Promise<void>((resolve) => session.close(resolve));
    await new Promise((resolve) => server.close(resolve));
    return text;
  };

  it('is masked', async () => {
    expect(await askHttp2(() => undefined)).toBe('{"name":"E"}');
  });

  it.each<[string, SendHttp2]>([
      ['its stream', (stream, reply) => {
        reply.hijack();
        stream.respond({ ':status': 200 });
        stream.end(PAST);
      }],
      ['its stream, once it is read by another', (stream) => stream.write(PAST)],
      ['a file', (stream, reply) => {
        reply.hijack();
        stream.respondWithFile(fileURLToPath(import.meta.url));
      }],
      ['headers before the answer', (stream) => stream.additionalHeaders({ ':status': 103, 'x-salary': 'past' })],
      ['an answer that is pushed', (stream) => stream.pushStream({ ':path': '/past' }, (_error, pushed) => pushed.end(PAST))],
      ['one that the response pushes', async (_stream, { raw }) => {
        const push = (done: () => void) => raw.createPushResponse({ ':path': '/past' }, (error, pushed) => {
          if (error === null) pushed.end(PAST);
          done();
        });
        await new Promise<void>(push);
      }],
      ['trailers', (_stream, { raw }) => {
        raw.addTrailers({ 'x-salary': 'past' });
        // Node's types don't have it.
        (raw as unknown as { setTrailer: (name: string, value: string) => void }).setTrailer('x-total', 'past');
      }],
      ['trailers, in their turn', (stream) => stream.prependListener('wantTrailers', () => stream.sendTrailers({ 'x-salary': 'past' }))],
      ['a method of the stream’s class', (stream, reply) => {
        reply.hijack();
        const methods = Object.getPrototypeOf(stream) as ServerHttp2Stream;
        methods.respond.call(stream, { ':status': 200 });
        methods.end.call(stream, PAST, 'utf8');
      }],
      ['a method of the stream’s class, once it is read by another', (stream) => {
        (Object.getPrototypeOf(stream) as ServerHttp2Stream).write.call(stream, PAST, 'utf8');
      }],
      ['another method of its class, before the answer', (stream) => {
        (Object.getPrototypeOf(stream) as ServerHttp2Stream).additionalHeaders.call(stream, { ':status': 103, 'x-salary': 'past' });
      }],
      ['another method of its class, beside the answer', (stream) => {
        const methods = Object.getPrototypeOf(stream) as ServerHttp2Stream;
        const push = (error: Error | null, pushed: ServerHttp2Stream): unknown => error === null && pushed.end(PAST);
        methods.pushStream.call(stream, { ':path': '/past' }, {}, push);
      }],
    ])('is not sent past the masks: %s', async (_name, send) => {
      expect(['', '{"name":"E"}']).toContain(await askHttp2(send));
    }); // prettier-ignore
});
