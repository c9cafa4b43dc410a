/** Fastify alone: where a check could be forgotten or passed by. */
import compress from 'node:zlib';
import Fastify, { type FastifyInstance } from 'fastify';
import { createClient } from 'remit-client';
import remit from 'remit-node/fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readExchange } from '../../support/read-exchange.js';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const question = { action: 'read', resource: { type: 'employee', id: 'erin' } };
const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
const options = (more: object = {}) => ({
  client: createClient({ url: service.url, key: 'k' }),
  subject: () => ({ type: 'user', id: 'alice' }),
  ...more,
});
async function create(more: object = {}): Promise<FastifyInstance> {
  const app = Fastify();
  await app.register(remit, options(more));
  return app;
}

describe('the start', () => {
  it('is stopped by routes from before the plugin', async () => {
    const app = Fastify();
    app.get('/early', () => 'secret');
    await expect(app.register(remit, options())).rejects.toThrow(/before any route/);
    // Here the route comes first as well: a plugin that isn't awaited is loaded after what follows it.
    const late = Fastify();
    void late.register(remit, options());
    late.get('/late', { config: { public: true } }, () => 'secret');
    await expect(late.ready()).rejects.toThrow(/before any route/);
  });

  it.each<[string, object]>([
    ['nothing', {}],
    ['what is not quite public', { public: 'yes' }],
    ['what is not public', { public: false }],
    ['both', { public: true, remit: question }],
    ['no resource', { remit: { action: 'read' } }],
    ['no action', { remit: { resource: question.resource } }],
    ['an empty question', { remit: null }],
  ])('is stopped by a route that says %s', async (_name, config) => {
    const app = await create();
    expect(() => app.get('/route', { config: config as never }, () => 'secret')).toThrow(TypeError);
  });

  it('is stopped by a route of a plugin within', async () => {
    const app = await create();
    void app.register(async (inner) => {
      inner.get('/inner', () => 'secret');
    });
    await expect(app.ready()).rejects.toThrow('GET /inner');
  });

  it('lets routes of other plugins be public by name, each method of them', async () => {
    const app = await create({ open: ['GET /docs', 'HEAD /docs'] });
    app.get('/docs', () => 'docs');
    expect(() => app.route({ method: ['GET', 'POST'], url: '/docs/', handler: () => '' })).toThrow(/GET,POST/);
    expect(() => app.post('/docs', () => '')).toThrow('POST /docs');
    expect((await app.inject('/docs')).body).toBe('docs');
  });
});

describe('an answer that has to be masked', () => {
  const record = { salary: 1, name: 'E' };
  const ask = async (build: (app: FastifyInstance) => void | Promise<void>, path = '/r') => {
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const app = await create();
    await build(app);
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const result = await fetch(url + path).then(
      async (response) => {
        for (const name of ['location', 'x-salary', 'trailer', 'transfer-encoding'])
          expect(response.headers.get(name)).toBeNull();
        return [response.status, await response.text()] as const;
      },
      () => 'cut' as const,
    );
    await app.close();
    return result;
  };
  const config = { remit: question };

  it('is not sent by a reply that is hijacked', async () => {
    const result = await ask((app) => {
      app.get('/r', { config }, (_request, reply) => {
        reply.hijack();
        reply.raw.end(JSON.stringify(record));
      });
    });
    expect(result).toBe('cut');
  });

  it.each(['write', 'writeHead', 'flushHeaders'] as const)('is not sent by raw.%s', async (way) => {
    const result = await ask((app) => {
      app.get('/r', { config }, async (_request, reply) => {
        if (way === 'write') reply.raw.write(JSON.stringify(record));
        else if (way === 'writeHead') reply.raw.writeHead(200, { salary: '1' });
        else reply.raw.flushHeaders();
        return record;
      });
    });
    expect(result).toBe('cut');
  });

  it('is masked by the schema’s serializer, from HEAD’s route, and from an error handler', async () => {
    const schema = {
      response: { 200: { type: 'object', properties: { salary: { type: 'number' }, name: { type: 'string' } } } },
    };
    expect(await ask((app) => void app.get('/r', { config, schema }, () => record))).toEqual([200, '{"name":"E"}']);
    expect(
      await ask((app) => {
        app.setErrorHandler((_error, _request, reply) => reply.code(418).send({ error: record }));
        app.get('/r', { config }, () => Promise.reject(new Error('x')));
      }),
    ).toEqual([418, '{"error":{"name":"E"}}']);
  });

  it('is masked before what later hooks do with it, and not sent where earlier ones have compressed it', async () => {
    const later = await ask((app) => {
      app.addHook('onSend', async (_request, _reply, payload) => `${String(payload)}!`);
      app.get('/r', { config }, () => record);
    });
    expect(later).toEqual([200, '{"name":"E"}!']);
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const app = Fastify();
    app.addHook('onSend', async (_request, reply, payload) => {
      reply.header('content-encoding', 'gzip');
      return compress.gzipSync(payload as string);
    });
    await app.register(remit, options());
    app.get('/r', { config }, () => record);
    expect((await app.inject('/r')).statusCode).toBe(500);
  });

  it('is masked in a Response, with its status', async () => {
    const answer = (): Response => Response.json(record, { status: 201, headers: { etag: '"x"' } });
    expect(await ask((app) => void app.get('/r', { config }, answer))).toEqual([201, '{"name":"E"}']);
  });

  it('is sent in one way, whichever the handler says, and without trailers', async () => {
    for (const headers of [{ 'transfer-encoding': 'chunked' }, { trailer: 'x-sum' }])
      expect(
        await ask((app) => void app.get('/r', { config }, (_request, reply) => reply.headers(headers).send(record))),
      ).toEqual([200, '{"name":"E"}']);
  });

  it('has nothing beside it: no trailer, no early hint, no reason of its own, and only headers from before', async () => {
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const app = await create();
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ 'x-before': 'stays', 'x-changed': 'first' }).raw.setHeader('x-raw', 'stays');
      reply.trailer('x-early', async () => '61000');
    });
    app.get('/r', { config }, async (_request, reply) => {
      reply.writeEarlyHints({ link: '</x?salary=61000>; rel=preload' }, () => undefined);
      reply.trailer('x-sum', async () => '61000').raw.addTrailers({ 'x-salary': '61000' });
      reply.raw.statusMessage = 'salary 61000';
      reply.raw.setHeader('x-salary', '61000');
      return reply.header('x-changed', '61000').header('x-before', 'stays').send(record);
    });
    const exchange = await readExchange(`${await app.listen({ port: 0, host: '127.0.0.1' })}/r`);
    await app.close();
    expect(exchange).toMatchObject({ status: 200, reason: 'OK', hints: [], trailers: {}, text: '{"name":"E"}' });
    expect(exchange).toMatchObject({ headers: { 'x-before': 'stays', 'x-raw': 'stays' } });
    expect(JSON.stringify(exchange)).not.toContain('61000');
  });

  it('has no header of the handler’s where it can not be shown', async () => {
    const headers = { location: '/x?salary=61000', 'x-salary': '61000', 'content-type': 'text/html' };
    expect(
      await ask((app) => void app.get('/r', { config }, (_request, reply) => reply.headers(headers).send('<p>'))),
    ).toEqual([500, expect.stringContaining('not_shown')]);
  });

  it('has no header of Node’s response, and no text of an error', async () => {
    expect(
      await ask((app) => {
        app.get('/r', { config }, (_request, reply) => {
          reply.raw.setHeader('location', '/x?salary=61000');
          throw new Error('salary: 61000');
        });
      }),
    ).toEqual([500, expect.not.stringContaining('61000')]);
  });

  it('is not known to the next request', async () => {
    const app = await create();
    app.get('/r', { config }, () => record);
    service.reactInTurn(
      answerJson({ decision: true, context: { obligations: [mask] } }),
      answerJson({ decision: true }),
    );
    expect((await app.inject('/r')).json()).toEqual({ name: 'E' });
    expect((await app.inject('/r')).json()).toEqual(record);
  });
});

describe('a wrong set-up, which the caller is not told,', () => {
  const build = async (more: object = {}) => {
    service.react(answerJson({}, 401));
    const app = await create(more);
    app.get('/r/:id', { config: { remit: { ...question, action: 'read-wrongly' } } }, () => 'secret');
    return async () => (await app.inject('/r/123')).statusCode;
  };

  it('is one line on stderr, once, or is told to the hook', async () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const ask = await build();
    expect([await ask(), await ask()]).toEqual([500, 500]);
    const lines = write.mock.calls.splice(0).map(([text]) => text);
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    expect(await (await build({ onError }))()).toBe(500);
    const more = write.mock.calls.length;
    write.mockRestore();
    expect(lines).toEqual([
      'remit: a route that asks for "read-wrongly": the authorization service does not accept the credential of this client (status 401)\n',
    ]);
    expect([more, errors]).toMatchObject([0, [{ kind: 'setup', code: 'credential' }]]);
  });
});
