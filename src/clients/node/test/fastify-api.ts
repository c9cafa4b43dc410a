import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import remit from 'remit-node/fastify';
import { toBytes, type ApiAnswer, type ApiOptions, type ApiRequest, type Framework, writeEvents } from './api.js';

const toApiRequest = (request: FastifyRequest): ApiRequest => ({
  id: (request.params as { id?: string }).id ?? '',
  header: (name) => [request.headers[name]].flat()[0],
  evaluation: request.remit ?? undefined,
});

function send(reply: FastifyReply, { status = 200, headers = {}, body, as }: ApiAnswer): FastifyReply {
  reply.code(status).headers({ ...headers });
  if (as === 'json') return reply.send(body);
  if (reply.getHeader('content-type') === undefined) reply.type('application/json');
  if (as === 'nothing') return reply.send();
  if (as === 'events') return reply.send(writeEvents(body));
  if (as === 'text') return reply.serializer((text: unknown) => text as string).send(String(body));
  if (as === 'bytes') return reply.send(toBytes(body));
  return reply.send(Readable.from([...toBytes(body)].map((byte) => Buffer.of(byte))));
}

async function build(options: ApiOptions) {
  const app = Fastify();
  await app.register(remit, {
    ...options,
    token: options.token ?? (undefined as never),
    subject: (request) => options.subject(toApiRequest(request)),
  });
  const resource = (request: FastifyRequest) => ({ type: 'employee', id: (request.params as { id: string }).id });
  const answer = async (request: FastifyRequest, reply: FastifyReply) =>
    send(reply, await options.answer(toApiRequest(request)));
  app.get('/employees/:id', { config: { remit: { action: 'read', resource } } }, answer);
  app.delete('/employees/:id', { config: { remit: { action: { name: 'delete' }, resource } } }, answer);
  const exporting = (request: FastifyRequest) => ({
    name: 'export',
    properties: request.body as Record<string, unknown>,
  });
  app.post('/employees/:id/export', { config: { remit: { action: exporting, resource } } }, answer);
  app.get('/health', { config: { public: true } }, () => ({ ok: true }));
  return app;
}

export const fastifyFramework: Framework = {
  name: 'fastify',
  start: async (options) => {
    const app = await build(options);
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return { url, close: () => app.close() };
  },
  startUnguarded: async (options) => {
    const app = await build(options);
    app.get('/forgotten', () => 'secret');
    await app.ready();
  },
};
