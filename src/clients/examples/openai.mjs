/** An agent that reads records for Alice: `node openai.mjs`, with REMIT_URL, REMIT_KEY and AGENT_TOKEN. A script is in its model's place. */
import { Agent, run, setTracingDisabled, tool } from '@openai/agents';
import { assistantMessage, functionCall, modelResponse, ScriptedModel } from '@openai/agents/testing';
import { withSubject } from 'remit-agents';
import { guard } from 'remit-agents/openai';
import { createClient } from 'remit-client';

setTracingDisabled(true);
const parameters = {
  type: 'object',
  properties: { id: { type: 'string' } },
  required: ['id'],
  additionalProperties: false,
};
const readEmployee = tool({
  name: 'read_employee',
  description: 'Reads the record of an employee',
  parameters,
  execute: ({ id }) => ({ id, name: 'Erin', salary: 125000 }),
});
const deleteEmployee = tool({
  name: 'delete_employee',
  description: 'Deletes the record of an employee',
  parameters,
  execute: () => 'deleted',
});
const model = new ScriptedModel([
  modelResponse(['erin', 'grace'].map((id) => functionCall('read_employee', { id }, { callId: id }))),
  modelResponse([assistantMessage('Erin may be read, Grace may not.')]),
]);

const client = createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY });
const question = {
  read_employee: { action: 'read', resource: { type: 'employee', id: ({ id }) => id } },
  delete_employee: { action: 'delete', resource: { type: 'employee', id: ({ id }) => id } },
};
const request = { subject: { type: 'user', id: 'alice' }, token: process.env.AGENT_TOKEN };
const result = await withSubject(request, async () => {
  const tools = await guard([readEmployee, deleteEmployee], client, { question });
  console.log('shown', tools.map(({ name }) => name).join());
  return run(new Agent({ name: 'reader', model, tools }), 'Read the records of Erin and Grace');
});
for (const { type, output } of result.history) if (type === 'function_call_result') console.log(output.text);
console.log(result.finalOutput);
