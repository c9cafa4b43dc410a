/** An API with a list, and with a merge that people approve: `node approvals.mjs`, with REMIT_URL and REMIT_KEY. */
import Fastify from 'fastify';
import { createClient } from 'remit-client';
import { tokenSubject } from 'remit-node';
import remit from 'remit-node/fastify';

const app = Fastify();
const client = createClient({
  url: process.env.REMIT_URL,
  key: process.env.REMIT_KEY,
  // The sample's owners hear of each merge into a protected branch: without this line agents can't merge there.
  obligations: { notification: async ({ properties }) => console.log(properties.to.join(), properties.body) },
});
const subject = tokenSubject((request, name) => request.headers[name]);

const tasks = new Map();
const MAX_TASKS = 10_000;
await app.register(remit, {
  client,
  subject,
  // By the id of the deny, which the 403 tells its caller as `decision`.
  onDenied: async (evaluation) => {
    if (evaluation.accessRequest === undefined) return;
    if (tasks.size >= MAX_TASKS) tasks.delete(tasks.keys().next().value);
    tasks.set(evaluation.id, await client.requestAccess(evaluation));
  },
  onError: (error) => console.error(error),
});

const merge = {
  action: ({ body }) => ({ name: 'merge', properties: { branch: body.branch } }),
  resource: ({ params }) => ({ type: 'repository', id: params.id }),
  // An id that another caller was told is of no use: the approval is bound to user, agent and question.
  context: async ({ headers }) => {
    const task = tasks.get(headers['denied-decision']);
    if (task?.state.status === 'pending') await task.refresh();
    const approval = task?.state.approval;
    return approval === undefined ? {} : { approval };
  },
};
app.post('/repositories/:id/merge', { config: { remit: merge } }, ({ params }) => ({ merged: params.id }));

const employees = [
  { type: 'employee', id: 'erin', properties: { name: 'Erin', salary: 125000 } },
  { type: 'employee', id: 'grace', properties: { name: 'Grace', salary: 118000 } },
];
app.get('/employees', { config: { public: true } }, async (request, reply) => {
  const asker = subject(request);
  const [scheme = '', token] = (request.headers.authorization ?? '').split(' ');
  if (asker === undefined || scheme.toLowerCase() !== 'bearer')
    return reply.code(401).header('www-authenticate', 'Bearer').send();
  try {
    const question = { subject: asker, action: 'read', records: employees, context: { token } };
    const { records } = await client.filter(question);
    return records.map(({ id, properties }) => ({ id, ...properties }));
  } catch (error) {
    if (error.kind === 'unavailable') return reply.code(503).send();
    if (error.kind !== 'denied') throw error;
    if (error.reasons[0]?.step !== 'token') return reply.code(403).send();
    return reply.code(401).header('www-authenticate', 'Bearer error="invalid_token"').send();
  }
});
console.log(await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) }));
