/** The outcome of a decision is told of a response that was sent whole, over HTTP/1 and HTTP/2; a caller that has left gets nothing unmasked. */
import { serve } from '@hono/node-server';
import express from 'express';
import Fastify, { type FastifyInstance } from 'fastify';
import { Hono } from 'hono';
import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2 } from 'node:http2';
import { connect as connectTo, type AddressInfo, type Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { createClient, type Outcome } from 'remit-client';
import type { GuardClient } from 'remit-node';
import remitFastify from 'remit-node/fastify';
import { remit as remitExpress } from 'remit-node/express';
import { remit as remitHono } from 'remit-node/hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(async () => {
  await service.start();
  const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
  service.react(answerJson({ decision: true, context: { id: 'd1', obligations: [mask] } }));
});
afterAll(() => service.stop());

const reports: Outcome[] = [];
beforeEach(() => void (reports.length = 0));
function createOptions() {
  const real = createClient({ url: service.url, key: 'k', timeoutMs: 20_000 });
  const client: GuardClient = {
    can: (...call) => real.can(...call),
    outcome: (id, outcome) => {
      reports.push(outcome);
      return real.outcome(id, outcome);
    },
  };
  return { client, subject: () => ({ type: 'user', id: 'alice' }) };
}
const question = { action: 'read', resource: { type: 'employee', id: 'erin' } };
const config = { remit: question };
/** More than a connection takes at once, and more than a stream of HTTP/2 does. */
const createRecord = (isHttp2: boolean) => ({
  salary: 61000,
  name: 'E',
  text: 'x'.repeat(isHttp2 ? 1_000_000 : 12_000_000),
});
/** What the handler of `/slow` does before it answers. */
let meanwhile: (response: ServerResponse) => Promise<unknown>;

const listen = async (server: Server): Promise<Server> => {
  if (!server.listening) await once(server, 'listening');
  return server;
};
async function startFastify(isHttp2: boolean): Promise<Server> {
  const record = createRecord(isHttp2);
  // They are one to those who write routes.
  const app = (isHttp2 ? Fastify({ http2: true }) : Fastify()) as unknown as FastifyInstance;
  await app.register(remitFastify, createOptions());
  app.get('/short', { config }, () => ({ name: 'E' }));
  app.get('/slow', { config }, async (_request, reply) => {
    await meanwhile(reply.raw);
    return record;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server;
}
function startHono(isHttp2: boolean): Promise<Server> {
  const record = createRecord(isHttp2);
  const app = new Hono();
  const { guard } = remitHono(createOptions());
  app.get('/short', guard(question), (c) => c.json({ name: 'E' }));
  app.get('/slow', guard(question), async (c) => {
    await meanwhile((c.env as { outgoing: ServerResponse }).outgoing);
    return c.json(record);
  });
  const common = { fetch: app.fetch, port: 0, hostname: '127.0.0.1' };
  return listen(serve(isHttp2 ? { ...common, createServer: createHttp2 } : common) as Server);
}
function startExpress(): Promise<Server> {
  const app = express();
  const { guard } = remitExpress(createOptions());
  app.get('/short', guard(question), (_request, response) => void response.json({ name: 'E' }));
  app.get('/slow', guard(question), async (_request, response) => {
    await meanwhile(response);
    response.json(createRecord(false));
  });
  return listen(app.listen(0, '127.0.0.1'));
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe.each<[string, () => Promise<Server>]>([
  ['fastify', () => startFastify(false)],
  ['express', startExpress],
  ['hono', () => startHono(false)],
])('%s', (_name, start) => {
  const ask = (server: Server, path: string, allowHalfOpen = false): Socket =>
    connectTo({ port: portOf(server), host: '127.0.0.1', allowHalfOpen }).setEncoding('utf8').on('error', () => undefined)
      .on('connect', function (this: Socket) { this.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`); }); // prettier-ignore

  it('tells nothing of a response whose caller has left before it, or while it is sent', async () => {
    const server = await start();
    let leave = (): void => undefined;
    const closed = async (response: ServerResponse): Promise<void> => {
      const over = once(response, 'close');
      leave();
      await over;
    };
    meanwhile = closed;
    const before = ask(server, '/slow');
    await new Promise<void>((resolve) => {
      leave = () => {
        before.destroy();
        resolve();
      };
    });
    let over: Promise<unknown> = Promise.resolve();
    meanwhile = async (response) => {
      over = once(response, 'close');
      await Promise.resolve();
    };
    const during = ask(server, '/slow');
    await once(during, 'data');
    during.destroy();
    await over;
    expect(await readText(ask(server, '/short'))).toContain('{"name":"E"}');
    await vi.waitFor(() => expect(reports).toEqual([{ outcome: 'executed' }]), { timeout: 30_000 });
    server.closeAllConnections();
    server.close();
  });

  it.each([false, true])('answers one that sends no more, where the server allows that (%s), and only masked', async (isAllowed) => {
    const server = Object.assign(await start(), { httpAllowHalfOpen: isAllowed });
    const caller = ask(server, '/slow', true);
    meanwhile = async (response) => {
      const ended = once(response.req.socket, 'end');
      caller.end();
      await ended;
    };
    const text = await readText(caller);
    expect(text.slice(text.indexOf('{'))).toBe(isAllowed ? JSON.stringify({ ...createRecord(false), salary: undefined }) : '');
    expect(await readText(ask(server, '/short'))).toContain('{"name":"E"}');
    const expected = Array.from({ length: isAllowed ? 2 : 1 }, () => ({ outcome: 'executed' }));
    await vi.waitFor(() => expect(reports).toEqual(expected), { timeout: 30_000 });
    server.closeAllConnections();
    server.close();
  }); // prettier-ignore
});

describe.each<[string, () => Promise<Server>]>([
  ['fastify', () => startFastify(true)],
  ['hono', () => startHono(true)],
])('%s by HTTP/2', (_name, start) => {
  it.each([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL])('tells nothing of a response that was cut off (%i)', async (code) => {
    const server = await start();
    const session = connectHttp2(`http://127.0.0.1:${portOf(server)}`);
    const ask = (path: string) => session.request({ ':path': path }).setEncoding('utf8').on('error', () => undefined);
    let over: Promise<unknown> = Promise.resolve();
    meanwhile = (response) => {
      over = once(response, 'close');
      before.close(code);
      return over;
    };
    const before = ask('/slow');
    await once(before, 'close');
    await over;
    meanwhile = async (response) => {
      over = once(response, 'close');
      await Promise.resolve();
    };
    const during = ask('/slow');
    await once(during, 'data');
    during.close(constants.NGHTTP2_CANCEL);
    await over;
    expect(await readText(ask('/short'))).toBe('{"name":"E"}');
    await vi.waitFor(() => expect(reports).toEqual([{ outcome: 'executed' }]), { timeout: 30_000 });
    session.destroy();
    server.close();
  }); // prettier-ignore
});
