/** Hono alone: where a guard could be forgotten or passed by. */
import { serve, type ServerType } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { compress } from 'hono/compress';
import { etag } from 'hono/etag';
import { createClient } from 'remit-client';
import { remit } from 'remit-node/hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readExchange } from '../../support/read-exchange.js';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const question = { action: 'read', resource: { type: 'employee', id: 'erin' } };
const create = (url = service.url) =>
  remit({ client: createClient({ url, key: 'k' }), subject: () => ({ type: 'user', id: 'alice' }) });
const validator: MiddlewareHandler = (_c, next) => next();

describe('assertGuarded', () => {
  const { guard, open, assertGuarded } = create('https://pdp.example');
  it.each<[string, (app: Hono) => unknown]>([
    ['a guard', (app) => app.get('/a', guard(question), (c) => c.text(''))],
    ['open, and open()', (app) => app.get('/a', open, (c) => c.text('')).post('/a', open(), (c) => c.text(''))],
    [
      'middleware',
      (app) =>
        app
          .use(validator)
          .use('/a', validator)
          .get('/a', guard(question), (c) => c.text('')),
    ],
    ['a validator before the guard', (app) => app.post('/a', validator, guard(question), (c) => c.text(''))],
    ['a guard for all methods', (app) => app.all('/a', guard(question)).get('/a', (c) => c.text(''))],
    [
      'an application within',
      (app) =>
        app.route(
          '/x',
          new Hono().get('/a', guard(question), (c) => c.text('')),
        ),
    ],
    [
      'one with an error handler',
      (app) =>
        app.route(
          '/x',
          new Hono().onError((_e, c) => c.text('')).get('/a', guard(question), (c) => c.text('')),
        ),
    ],
  ])('takes %s', (_name, build) => {
    const app = new Hono();
    build(app);
    expect(() => assertGuarded(app)).not.toThrow();
  });

  it.each<[string, (app: Hono) => unknown, string]>([
    ['no guard', (app) => app.get('/a', (c) => c.text('')), 'GET /a'],
    ['a guard after the handler', (app) => app.get('/a', (c) => c.text(''), guard(question)), 'GET /a'],
    [
      'another method',
      (app) => app.get('/a', guard(question), (c) => c.text('')).delete('/a', (c) => c.text('')),
      'DELETE /a',
    ],
    ['another path', (app) => app.get('/a', guard(question), (c) => c.text('')).get('/b', (c) => c.text('')), 'GET /b'],
    ['all methods', (app) => app.all('/a', (c) => c.text('')), 'ALL /a'],
    ['a handler that takes next', (app) => app.get('/a', validator), 'GET /a'],
    [
      'an application within',
      (app) =>
        app.route(
          '/x',
          new Hono().get('/a', (c) => c.text('')),
        ),
      'GET /x/a',
    ],
    [
      'one with an error handler',
      (app) =>
        app.route(
          '/x',
          new Hono().onError((_e, c) => c.text('')).get('/a', (c) => c.text('')),
        ),
      'GET /x/a',
    ],
  ])('refuses %s', (_name, build, message) => {
    const app = new Hono();
    build(app);
    expect(() => assertGuarded(app)).toThrow(message);
  });
});

describe('an answer that has to be masked', () => {
  const ask = async (build: (app: Hono, guard: MiddlewareHandler) => unknown, headers: Record<string, string> = {}) => {
    const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const app = new Hono();
    build(app, create().guard(question));
    const response = await app.request('/a', { headers });
    return [response.status, await response.text(), response.headers.get('etag')] as const;
  };
  const record = { salary: 1, name: 'E' };

  it('is hashed after it is masked, and before it tells nothing', async () => {
    const [, text, hash] = await ask((app, guard) => app.use(etag()).get('/a', guard, (c) => c.json(record)));
    const [, , own] = await ask((app) => app.use(etag()).get('/a', (c) => c.json({ name: 'E' })));
    expect([text, hash]).toEqual(['{"name":"E"}', own]);
    const inner = await ask((app, guard) => app.get('/a', guard, etag(), (c) => c.json(record)));
    expect(inner).toEqual([200, '{"name":"E"}', null]);
    const [, , unmasked] = await ask((app) => app.use(etag()).get('/a', (c) => c.json(record)));
    const guessed = await ask((app, guard) => app.get('/a', guard, etag(), (c) => c.json(record)), {
      'if-none-match': unmasked ?? '',
    });
    expect(guessed).toEqual([200, '{"name":"E"}', null]);
  });

  it('is masked where the handler has failed, and not sent where it is compressed already', async () => {
    const failed = await ask((app, guard) => {
      app.onError((_error, c) => c.json({ error: record }, 418));
      app.get('/a', guard, () => Promise.reject(new Error('x')));
    });
    expect(failed).toEqual([418, '{"error":{"name":"E"}}', null]);
    const long = { ...record, text: 'x'.repeat(5_000) };
    const inner = await ask((app, guard) => app.get('/a', guard, compress(), (c) => c.json(long)), {
      'accept-encoding': 'gzip',
    });
    expect([inner[0], JSON.parse(inner[1])]).toEqual([
      500,
      expect.objectContaining({ error: expect.objectContaining({ code: 'not_shown' }) as object }),
    ]);
  });

  const start = async (build: (app: Hono, guard: MiddlewareHandler) => unknown) => {
    const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const app = new Hono();
    build(app, create().guard(question));
    const server = await new Promise<ServerType>((resolve) => {
      const listening = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening));
    });
    const exchange = await readExchange(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a`);
    await new Promise((resolve) => server.close(resolve));
    return exchange;
  };
  const outgoingOf = (c: Context): ServerResponse => (c.env as { outgoing: ServerResponse }).outgoing;

  it('has nothing beside it: no reason and no early hint of its own, and only headers from before', async () => {
    const exchange = await start((app, guard) =>
      app
        .use(async (c, next) => {
          c.header('x-before', 'stays');
          c.header('x-changed', 'first');
          await next();
          c.header('x-after', 'stays');
        })
        .get('/a', guard, (c) => {
          const outgoing = outgoingOf(c);
          outgoing.writeEarlyHints({ link: '</x?salary=61000>; rel=preload' }, () => undefined);
          outgoing.statusMessage = 'salary 61000';
          outgoing.setHeader('x-salary', '61000');
          outgoing.addTrailers({ 'x-sum': '61000' });
          return c.json(record, 202, { 'x-changed': '61000', 'x-total': '61000' });
        }),
    );
    expect(exchange).toMatchObject({ status: 202, reason: 'Accepted', hints: [], trailers: {}, text: '{"name":"E"}' });
    expect(exchange).toMatchObject({ headers: { 'x-before': 'stays', 'x-after': 'stays' } });
    expect(JSON.stringify(exchange)).not.toContain('61000');
  });

  it('is not sent by Node’s response, past the masks', async () => {
    const exchange = await start((app, guard) =>
      app.get('/a', guard, (c) => {
        outgoingOf(c).end(JSON.stringify(record));
        return RESPONSE_ALREADY_SENT;
      }),
    );
    expect(exchange).toBe('cut');
  });
});
