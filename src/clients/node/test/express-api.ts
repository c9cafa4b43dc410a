import express, { type Express, type Request, type Response } from 'express';
import express4 from 'express4';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { remit, type GuardedRequest } from 'remit-node/express';
import { toBytes, type ApiAnswer, type ApiOptions, type ApiRequest, type Framework, writeEvents } from './api.js';

const toApiRequest = (request: GuardedRequest): ApiRequest => ({
  id: String(request.params['id']),
  header: (name) => request.get(name),
  evaluation: request.remit,
});

function send(response: Response, { status = 200, headers = {}, body, as }: ApiAnswer): void {
  response.status(status).set({ ...headers });
  if (as === 'json') response.json(body);
  else if (as === 'nothing') response.end();
  else if (as === 'events') {
    const events = writeEvents(body);
    response.once('close', () => events.destroy());
    events.pipe(response);
  } else {
    if (response.get('content-type') === undefined) response.type('application/json');
    if (as === 'text') response.send(String(body));
    else if (as === 'bytes') response.send(toBytes(body));
    else Readable.from([...toBytes(body)].map((byte) => Buffer.of(byte))).pipe(response);
  }
}

function build(create: () => Express, options: ApiOptions, isForgetful: boolean): Express {
  const app = create();
  const { guard, open, assertGuarded } = remit({
    ...options,
    token: options.token ?? (undefined as never),
    subject: (request) => options.subject(toApiRequest(request)),
  });
  const resource = (request: Request) => ({ type: 'employee', id: String(request.params['id']) });
  const answer = (request: GuardedRequest, response: Response, next: (error: unknown) => void): void => {
    Promise.resolve(options.answer(toApiRequest(request)))
      .then((value) => send(response, value))
      .catch(next);
  };
  app.get('/employees/:id', guard({ action: 'read', resource }), answer);
  app.delete('/employees/:id', guard({ action: { name: 'delete' }, resource }), answer);
  const exporting = (request: Request) => ({ name: 'export', properties: request.body as Record<string, unknown> });
  app.post('/employees/:id/export', express.json(), guard({ action: exporting, resource }), answer);
  app.get('/health', open, (_request, response) => {
    response.json({ ok: true });
  });
  if (isForgetful) app.get('/forgotten', (_request, response) => void response.send('secret'));
  assertGuarded(app);
  return app;
}

const createFramework = (name: string, create: () => Express): Framework => ({
  name,
  start: async (options) => {
    const app = build(create, options, false);
    const server = await new Promise<Server>((resolve) => {
      const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
    });
    const close = (): Promise<unknown> => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
  },
  startUnguarded: async (options) => build(create, options, true),
});
export const expressFramework = createFramework('express', () => express());
export const express4Framework = createFramework('express 4', () => (express4 as typeof express)());
