import { serve, type ServerType } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { Readable } from 'node:stream';
import type { AddressInfo } from 'node:net';
import { remit } from 'remit-node/hono';
import { toBytes, type ApiAnswer, type ApiOptions, type ApiRequest, type Framework, writeEvents } from './api.js';

const toApiRequest = (c: Context): ApiRequest => ({
  id: c.req.param('id') ?? '',
  header: (name) => c.req.header(name),
  evaluation: c.get('remit'),
});

function send(c: Context, { status = 200, headers = {}, body, as }: ApiAnswer): Response {
  if (as === 'json') return c.json(body as object, status as 200, { ...headers });
  const merged = { 'content-type': 'application/json', ...headers };
  if (as === 'nothing') return new Response(null, { status, headers: merged });
  const bytes = toBytes(body);
  if (as === 'text')
    return c.body(
      bytes.toString('latin1') === String(body) ? String(body) : bytes.toString('utf8'),
      status as 200,
      merged,
    );
  if (as === 'events')
    return new Response(Readable.toWeb(writeEvents(body)) as ReadableStream, { status, headers: merged });
  if (as === 'bytes') return new Response(new Uint8Array(bytes), { status, headers: merged });
  const stream = new ReadableStream({
    start: (controller) => {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  return new Response(stream, { status, headers: merged });
}

function build(options: ApiOptions, isForgetful: boolean): Hono {
  const app = new Hono();
  const { guard, open, assertGuarded } = remit({
    ...options,
    token: options.token ?? (undefined as never),
    subject: (c) => options.subject(toApiRequest(c)),
  });
  const resource = (c: Context) => ({ type: 'employee', id: c.req.param('id') ?? '' });
  const answer = async (c: Context): Promise<Response> => send(c, await options.answer(toApiRequest(c)));
  app.get('/employees/:id', guard({ action: 'read', resource }), answer);
  app.delete('/employees/:id', guard({ action: { name: 'delete' }, resource }), answer);
  const exporting = async (c: Context) => ({ name: 'export', properties: await c.req.json<Record<string, unknown>>() });
  app.post('/employees/:id/export', guard({ action: exporting, resource }), answer);
  app.get('/health', open, (c) => c.json({ ok: true }));
  if (isForgetful) app.get('/forgotten', (c) => c.text('secret'));
  assertGuarded(app);
  return app;
}

export const honoFramework: Framework = {
  name: 'hono',
  start: async (options) => {
    const app = build(options, false);
    const server = await new Promise<ServerType>((resolve) => {
      const listening = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening));
    });
    const close = (): Promise<unknown> => {
      if ('closeAllConnections' in server) server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
  },
  startUnguarded: async (options) => build(options, true),
};
