import Fastify from 'fastify';
import { createClient } from 'remit-client';
import { tokenSubject } from 'remit-node';
import remit from 'remit-node/fastify';

const app = Fastify();
await app.register(remit, {
  client: createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY }),
  subject: tokenSubject((request, name) => request.headers[name]),
});
const resource = (request) => ({ type: 'employee', id: request.params.id });
app.get('/employees/:id', { config: { remit: { action: 'read', resource } } }, (request) => ({
  id: request.params.id,
  name: 'Erin',
  salary: 125000,
}));
app.delete('/employees/:id', { config: { remit: { action: 'delete', resource } } }, (request, reply) =>
  reply.code(204).send(),
);
app.get('/health', { config: { public: true } }, () => ({ ok: true }));
console.log(await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) }));
