/** Express alone: where a guard could be forgotten or passed by. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import compression from 'node:zlib';
import express, { type Express, type RequestHandler } from 'express';
import express4 from 'express4';
import { createClient } from 'remit-client';
import { remit } from 'remit-node/express';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readExchange } from '../../support/read-exchange.js';
import { answerJson, StandIn } from '../../support/stand-in.js';
import { sendRaw } from './api.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const question = { action: 'read', resource: { type: 'employee', id: 'erin' } };
const handler: RequestHandler = (_request, response) => void response.json({ salary: 1, name: 'E' });

/** The type check of the packages holds that a handler has the decision, which may be missing. */
export const typedHandler: RequestHandler = (request, response) => {
  // @ts-expect-error a route without a guard has no decision
  const id: string | undefined = request.remit.id;
  const code: string | undefined = request.remit?.code;
  response.json({ id, code });
};

describe.each([
  ['Express 5', express],
  ['Express 4', express4 as typeof express],
])('assertGuarded of %s', (_name, create) => {
  const { guard, open, assertGuarded } = remit({
    client: createClient({ url: 'https://pdp.example', key: 'k' }),
    subject: () => undefined,
  });
  const check = (build: (app: Express) => void): (() => void) => {
    const app = create();
    build(app);
    return () => {
      assertGuarded(app);
    };
  };

  it.each<[string, (app: Express) => void]>([
    ['a guard', (app) => app.get('/a', guard(question), handler)],
    ['open, and open()', (app) => app.get('/a', open, handler).post('/a', open(), handler)],
    [
      'a parser before the guard',
      (app) => app.post('/a', express.json(), express.urlencoded(), guard(question), handler),
    ],
    ['a guard for all methods', (app) => void app.route('/a').all(guard(question)).get(handler).post(handler)],
    ['a router', (app) => app.use('/x', create.Router().get('/a', guard(question), handler))],
    [
      'middleware',
      (app) =>
        app
          .use((_request, _response, next) => {
            next();
          })
          .get('/a', guard(question), handler),
    ],
  ])('takes %s', (_case, build) => {
    expect(check(build)).not.toThrow();
  });

  it.each<[string, (app: Express) => void, string]>([
    ['no guard', (app) => app.get('/a', handler), 'GET /a'],
    ['a guard after the handler', (app) => app.get('/a', handler, guard(question)), 'GET /a'],
    ['another method', (app) => void app.route('/a').get(guard(question), handler).delete(handler), 'DELETE /a'],
    ['all methods', (app) => app.all('/a', handler), ' /a'],
    ['a handler before a guard for all', (app) => void app.route('/a').get(handler).all(guard(question)), 'GET /a'],
    [
      'a router within a router',
      (app) => app.use(create.Router().use('/x', create.Router().put('/a', handler))),
      'PUT /a',
    ],
    ['files', (app) => app.use(express.static('/tmp')), 'express.static'],
    ['an application', (app) => app.use('/x', create().get('/a', handler)), 'mounted application'],
  ])('refuses %s', (_case, build, message) => {
    expect(check(build)).toThrow(message);
  });

  it('refuses what is no application, and questions that are none', () => {
    expect(() => assertGuarded({})).toThrow(TypeError);
    expect(() => guard({ action: '', resource: question.resource })).toThrow(TypeError);
    expect(() => guard({ action: 'read' } as never)).toThrow(TypeError);
  });

  it.each([{ token: true }, { token: 'false' }, { maxMaskedBytes: Number.NaN }, { maxMaskedBytes: '1mb' }, { publicUrl: 'api' }])(
    'refuses options of another type, which no request would meet before it was too late: %o',
    (more) => {
      const client = createClient({ url: service.url, key: 'k' });
      const options = { client, subject: () => ({ type: 'user', id: 'alice' }), ...more };
      expect(() => remit(options as never)).toThrow(/^remit: (?:token|maxMaskedBytes|publicUrl) must be/);
    },
  ); // prettier-ignore
});

describe('an answer that has to be masked', () => {
  /** @param read reads the answer of the address */
  const serve = async <T>(answer: RequestHandler, before: RequestHandler | undefined, read: (url: string) => Promise<T>, unmaskedHeaders: string[] = []) => {
    const mask = { id: 'mask', type: 'mask', properties: { fields: ['salary'] } };
    service.react(answerJson({ decision: true, context: { obligations: [mask] } }));
    const client = createClient({ url: service.url, key: 'k' });
    const { guard } = remit({ client, subject: () => ({ type: 'user', id: 'alice' }), unmaskedHeaders });
    const app = express();
    if (before !== undefined) app.use(before);
    app.get('/a', guard(question), answer);
    app.use(
      ((_error, _request, response, _next) =>
        void response.status(418).json({ salary: 1 })) as express.ErrorRequestHandler,
    );
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const result = await read(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a`);
    server.closeAllConnections();
    server.close();
    return result;
  }; // prettier-ignore
  const ask = (answer: RequestHandler, before?: RequestHandler): Promise<unknown> =>
    serve(answer, before, async (url) => {
      const response = await fetch(url);
      for (const name of ['location', 'x-salary', 'trailer']) expect(response.headers.get(name)).toBeNull();
      // What stands before the guard may send it in pieces.
      if (before === undefined) expect(response.headers.get('transfer-encoding')).toBeNull();
      return [response.status, await response.text()];
    });

  it('is masked in whatever way Node can write it', async () => {
    const body = { salary: 1, name: 'é' };
    expect(
      await ask((_request, response) => {
        sendRaw(response, { as: 'stream', body });
      }),
    ).toEqual([200, '{"name":"é"}']);
    expect(await ask((_request, response) => void response.jsonp(body))).toEqual([200, '{"name":"é"}']);
    expect(
      await ask((_request, response) => {
        response.writeHead(201, 'Made', ['Content-Type', 'application/json', 'Content-Length', '999']);
        response.write(JSON.stringify(body).slice(0, 5), 'utf8', () => undefined);
        response.end(Buffer.from(JSON.stringify(body)).subarray(5));
        response.end();
      }),
    ).toEqual([201, '{"name":"é"}']);
    expect(
      await ask((_request, response) => void response.type('json').end('7b2273616c617279223a317d', 'hex')),
    ).toEqual([200, '{}']);
  });

  it('keeps each cookie of a list of headers, whatever was set before', async () => {
    const cookies = ['a=1', 'b=2'];
    const pairs = cookies.map((cookie) => ['Set-Cookie', cookie] as const);
    for (const headers of [
      ['Content-Type', 'application/json', ...pairs.flat()],
      [['content-type', 'application/json'], ...pairs],
      ['Content-Type', 'application/json', 'Set-Cookie', cookies],
      { 'content-type': 'application/json', 'set-cookie': cookies },
    ] as unknown as OutgoingHttpHeaders[]) {
      const answer: RequestHandler = (_request, response) => {
        response.setHeader('set-cookie', 'replaced=1');
        response.writeHead(200, headers).end('{"salary":1,"name":"E"}');
      };
      const exchange = await serve(answer, undefined, readExchange);
      expect(exchange).toMatchObject({ text: '{"name":"E"}', headers: { 'set-cookie': cookies } });
    }
  });

  it('is masked in Express’s own ways, or not sent', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-files-'));
    const write = (name: string): string => {
      writeFileSync(join(directory, name), '{"salary":61000,"name":"E"}');
      return join(directory, name);
    };
    const refused = [500, expect.stringContaining('not_shown')];
    const masked = [200, '{"name":"E"}'];
    const ways: [RequestHandler, unknown[]][] = [
      [(_request, response) => response.sendFile(write('r.json')), masked],
      [(_request, response) => response.download(write('d.json'), 'salary-61000.json'), masked],
      [(_request, response) => response.sendFile(write('r.txt')), refused],
      [(_request, response) => response.download(write('d.csv')), refused],
      [(_request, response) => response.redirect('/x?salary=61000'), refused],
      [(_request, response) => response.sendStatus(200), [200, 'OK']],
      [(_request, response) => response.sendStatus(404), [404, 'Not Found']],
      [(_request, response) => response.sendStatus(204), [204, '']],
      [(_request, response) => response.type('txt').send('OK61000'), refused],
      [
        (_request, response) => response.status(409).type('txt').send('OK'),
        [409, expect.stringContaining('not_shown')],
      ],
    ];
    for (const [answer, expected] of ways) {
      const exchange = await serve(answer, undefined, readExchange);
      expect(JSON.stringify(exchange)).not.toContain('61000');
      expect([Reflect.get(Object(exchange), 'status'), Reflect.get(Object(exchange), 'text')]).toEqual(expected);
    }
    rmSync(directory, { recursive: true });
  });

  it('leads elsewhere without a text, where the API says that the address may be sent', async () => {
    const answer: RequestHandler = (_request, response) => {
      response.redirect(303, '/next');
    };
    const exchange = await serve(answer, undefined, readExchange, ['Location']);
    expect(exchange).toMatchObject({ status: 303, text: '', headers: { location: '/next' } });
  });

  it('is sent in one way, whichever the handler says, and without trailers', async () => {
    for (const headers of [
      { 'transfer-encoding': 'chunked' },
      { trailer: 'x-sum' },
      { 'transfer-encoding': 'chunked', trailer: 'x-sum' },
    ])
      // prettier-ignore
      expect(
        await ask((_request, response) => {
          response.set(headers);
          response.json({ salary: 1, name: 'E' });
        }),
      ).toEqual([200, '{"name":"E"}']);
  });

  it('has nothing beside it: no trailer, no early hint, no reason of its own, and only headers from before', async () => {
    const before: RequestHandler = (_request, response, next) => {
      response.set({ 'x-before': 'stays', 'x-changed': 'first' });
      // What compresses sends in pieces, and then trailers would be sent.
      const end = response.end.bind(response);
      response.end = ((text: Buffer) => {
        response.removeHeader('content-length');
        response.write(text);
        return end();
      }) as typeof response.end;
      next();
    };
    const answer: RequestHandler = (_request, response) => {
      response.writeEarlyHints({ link: '</x?salary=61000>; rel=preload' }, () => undefined);
      response.addTrailers({ 'x-salary': '61000' });
      response.set({ 'x-changed': '61000', 'x-before': 'stays', 'x-salary': '61000' });
      response.writeHead(200, 'salary 61000', { 'content-type': 'application/json', link: '</61000>' });
      response.end('{"salary":1,"name":"E"}');
    };
    const exchange = await serve(answer, before, readExchange);
    expect(exchange).toMatchObject({ status: 200, reason: 'OK', hints: [], trailers: {}, text: '{"name":"E"}' });
    expect(exchange).toMatchObject({ headers: { 'x-before': 'stays', 'transfer-encoding': 'chunked' } });
    expect(JSON.stringify(exchange)).not.toContain('61000');
  });

  it('has no header of the handler’s where it can not be shown', async () => {
    const answer: RequestHandler = (_request, response) => {
      response.set({ location: '/x?salary=61000', 'x-salary': '61000', trailer: 'x-sum' }).type('html').send('<p>');
    };
    expect(await ask(answer)).toEqual([500, expect.stringContaining('not_shown')]);
  });

  it('is not sent as a script', async () => {
    const answer: RequestHandler = (_request, response) => {
      response.type('text/javascript').send('callback({"salary": 1})');
    };
    expect(await ask(answer)).toEqual([500, expect.not.stringContaining('salary')]);
  });

  it('is not sent in part by a handler that fails halfway', async () => {
    const answer: RequestHandler = (_request, response, next) => {
      response.type('json').write('{"salary": 1');
      next(new Error('halfway'));
    };
    expect(await ask(answer)).toEqual([418, expect.not.stringContaining('salary')]);
  });

  it('is masked before it is compressed by what stands before the guard', async () => {
    const before: RequestHandler = (_request, response, next) => {
      const end = response.end.bind(response);
      response.end = ((text: Buffer) => {
        response.removeHeader('content-length');
        response.setHeader('content-encoding', 'gzip');
        return end(compression.gzipSync(text));
      }) as typeof response.end;
      next();
    };
    expect(await ask(handler, before)).toEqual([200, '{"name":"E"}']);
  });
});
