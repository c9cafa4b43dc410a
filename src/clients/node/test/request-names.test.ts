/** A request names one thing, or is answered 400: a guard that asks about one of two values would let the other through. */
import { serve } from '@hono/node-server';
import express, { type Request } from 'express';
import express4 from 'express4';
import fc from 'fast-check';
import Fastify, { type FastifyRequest } from 'fastify';
import { Hono, type Context } from 'hono';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'remit-client';
import remitFastify from 'remit-node/fastify';
import { remit as remitExpress } from 'remit-node/express';
import { remit as remitHono } from 'remit-node/hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const options = () => ({
  client: createClient({ url: service.url, key: 'k', timeoutMs: 20_000 }),
  subject: () => ({ type: 'user', id: 'alice' }),
  outcome: false,
});
const read = { action: 'read' } as const;
const employee = (id: unknown) => ({ type: 'employee', id: id as string });

const startExpress = async (create: () => express.Express): Promise<Server> => {
  const app = create();
  const { guard } = remitExpress(options());
  const answer = ((_request, response) => void response.json({ ran: true })) as express.RequestHandler;
  app.get('/r', guard({ ...read, resource: ({ query }: Request) => employee(query['id']) }), answer);
  app.get('/r/:id', guard({ ...read, resource: ({ params }: Request) => employee(params['id']) }), answer);
  app.post('/r', express.json(), guard({ ...read, resource: ({ body }: Request) => employee((body as { id: unknown }).id) }), answer);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}; // prettier-ignore
const apis: Readonly<Record<string, () => Promise<Server>>> = {
  fastify: async () => {
    const app = Fastify();
    await app.register(remitFastify, options());
    const route = (read_: (request: FastifyRequest) => unknown) => ({
      config: { remit: { ...read, resource: (request: FastifyRequest) => employee((read_(request) as { id: unknown }).id) } },
    }); // prettier-ignore
    const answer = () => ({ ran: true });
    app.get('/r', route(({ query }) => query), answer); // prettier-ignore
    app.get('/r/:id', route(({ params }) => params), answer); // prettier-ignore
    app.post('/r', route(({ body }) => body), answer); // prettier-ignore
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  express: () => startExpress(() => express()),
  'express 4': () => startExpress(() => (express4 as typeof express)()),
  hono: async () => {
    const app = new Hono();
    const { guard } = remitHono(options());
    const answer = (c: Context) => c.json({ ran: true });
    app.get('/r', guard({ ...read, resource: (c) => employee(c.req.query('id')) }), answer);
    app.get('/r/:id', guard({ ...read, resource: (c) => employee(c.req.param('id')) }), answer);
    app.post('/r', guard({ ...read, resource: async (c) => employee((await c.req.json<{ id: unknown }>()).id) }), answer);
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    await once(server, 'listening');
    return server;
  }, // prettier-ignore
};

describe.each(Object.entries(apis))('%s', (_name, start) => {
  let server: Server;
  beforeAll(async () => {
    server = await start();
    service.react(answerJson({ decision: true }));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const ask = async (path: string, init: RequestInit = {}): Promise<readonly [number, string]> => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, init);
    return [response.status, await response.text()];
  };
  const post = (id: unknown) =>
    ask('/r', { method: 'POST', body: JSON.stringify({ id }), headers: { 'content-type': 'application/json' } });

  it.each(['/r?id=a&id=b', '/r?id=a&x=1&id=b', '/r?%69d=b&id=a', '/r?id=&id=a', '/r?id=a&id=a'])(
    'answers 400 to a parameter that is given twice, and names it: %s',
    async (path) => {
      service.requests.length = 0;
      const [status, text] = await ask(path);
      expect([status, JSON.parse(text)]).toEqual([
        400,
        {
          error: {
            code: 'bad_request',
            message: expect.stringMatching(/"id" must be given once|does not say what/) as string,
          },
        },
      ]);
      expect(service.requests).toEqual([]);
    },
  );

  it('answers 400 to one that is empty or missing, and to a list in the body', async () => {
    const answers = [await ask('/r?id='), await ask('/r'), await ask('/r?id[a]=b'), await post(['a', 'b']), await post('')];
    expect(answers.map(([status]) => status)).toEqual([400, 400, 400, 400, 400]);
  }); // prettier-ignore

  it('lets through what names one thing, whatever is given twice beside it', async () => {
    expect(await ask('/r?id=a&tag=x&tag=y')).toEqual([200, '{"ran":true}']);
    expect(await ask('/r/a%20b?tag=a%20b&tag=c')).toEqual([200, '{"ran":true}']);
    expect(await post('a')).toEqual([200, '{"ran":true}']);
  });

  it('never asks about one of two values, however they are written', async () => {
    const value = fc.constantFrom('a', 'b', 'a b', 'é', 'x[y]', '');
    const name = fc.constantFrom('id', '%69d', 'i%64', 'tag');
    const pairs = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pairs, async (parameters) => {
        service.requests.length = 0;
        const query = parameters.map(([key, text]) => `${key}=${encodeURIComponent(text)}`).join('&');
        const ids = parameters.flatMap(([key, text]) => (decodeURIComponent(key) === 'id' ? [text] : []));
        const [status] = await ask(`/r?${query}`);
        const isOne = ids.length === 1 && ids[0] !== '';
        // The same value may stand in another parameter twice, which is then taken for its own.
        if (isOne) expect([200, 400]).toContain(status);
        else expect([status, service.requests]).toEqual([400, []]);
      }),
      { numRuns: 60 },
    );
  });
});
