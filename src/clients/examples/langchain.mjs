/** An agent that reads records for Alice: `node langchain.mjs`, with REMIT_URL, REMIT_KEY and AGENT_TOKEN. A script is in its model's place. */
import { createAgent, fakeModel, tool } from 'langchain';
import { AIMessage } from '@langchain/core/messages';
import { withSubject } from 'remit-agents';
import { guard } from 'remit-agents/langchain';
import { createClient } from 'remit-client';

const schema = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };
const readEmployee = tool(({ id }) => ({ id, name: 'Erin', salary: 125000 }), { name: 'read_employee', schema });
const deleteEmployee = tool(() => 'deleted', { name: 'delete_employee', schema });
const model = fakeModel()
  .respondWithTools(['erin', 'grace'].map((id) => ({ id, name: 'read_employee', args: { id } })))
  .respond(new AIMessage('Erin may be read, Grace may not.'));

const client = createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY });
const question = {
  read_employee: { action: 'read', resource: { type: 'employee', id: ({ id }) => id } },
  delete_employee: { action: 'delete', resource: { type: 'employee', id: ({ id }) => id } },
};
const request = { subject: { type: 'user', id: 'alice' }, token: process.env.AGENT_TOKEN };
const messages = await withSubject(request, async () => {
  const tools = await guard([readEmployee, deleteEmployee], client, { question });
  console.log('shown', tools.map(({ name }) => name).join());
  const agent = createAgent({ model, tools });
  const state = await agent.invoke({ messages: [{ role: 'user', content: 'Read the records of Erin and Grace' }] });
  return state.messages;
});
for (const { content, type } of messages) if (type === 'tool') console.log(content);
console.log(messages.at(-1).content);
