/** Asks about one record for an agent, and prints what may be seen of it: `node client.mjs`, with REMIT_URL, REMIT_KEY and AGENT_TOKEN. */
import { createClient } from 'remit-client';

const remit = createClient({
  url: process.env.REMIT_URL,
  key: process.env.REMIT_KEY,
  obligations: { mask: true },
});
const question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
  context: { token: process.env.AGENT_TOKEN },
};
const answer = await remit.can(question);
console.log(answer.allowed ? answer.mask({ name: 'Erin', salary: 125000 }) : answer.message);

const denied = await remit.can({ ...question, action: 'delete' });
console.log(denied.allowed, denied.code);

for await (const { id } of remit.search.resources({ ...question, resource: { type: 'employee' } })) console.log(id);
