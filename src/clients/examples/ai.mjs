/** An agent that reads records for Alice: `node ai.mjs`, with REMIT_URL, REMIT_KEY and AGENT_TOKEN. A script is in its model's place. */
import { generateText, jsonSchema, stepCountIs } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { withSubject } from 'remit-agents';
import { guard } from 'remit-agents/ai';
import { createClient } from 'remit-client';

const tools = {
  read_employee: {
    description: 'Reads the record of an employee',
    inputSchema: jsonSchema({ type: 'object', properties: { id: { type: 'string' } }, required: ['id'] }),
    execute: ({ id }) => ({ id, name: 'Erin', salary: 125000 }),
  },
  delete_employee: {
    description: 'Deletes the record of an employee',
    inputSchema: jsonSchema({ type: 'object', properties: { id: { type: 'string' } }, required: ['id'] }),
    execute: () => 'deleted',
  },
};
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const say = (content, unified) => ({ content, finishReason: { unified, raw: unified }, usage, warnings: [] });
const call = (id) => ({ type: 'tool-call', toolCallId: id, toolName: 'read_employee', input: JSON.stringify({ id }) });
const model = new MockLanguageModelV3({
  doGenerate: [
    say([call('erin'), call('grace')], 'tool-calls'),
    say([{ type: 'text', text: 'Erin may be read, Grace may not.' }], 'stop'),
  ],
});

const client = createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY });
const question = {
  read_employee: { action: 'read', resource: { type: 'employee', id: ({ id }) => id } },
  delete_employee: { action: 'delete', resource: { type: 'employee', id: ({ id }) => id } },
};
// The session, or the token, says who it is for. What the model says doesn't.
const request = { subject: { type: 'user', id: 'alice' }, token: process.env.AGENT_TOKEN };
const { steps, text } = await withSubject(request, async () =>
  generateText({
    model,
    tools: await guard(tools, client, { question }),
    prompt: 'Read the records of Erin and Grace',
    stopWhen: stepCountIs(3),
  }),
);
console.log('shown', model.doGenerateCalls[0].tools.map(({ name }) => name).join());
for (const { output } of steps[0].toolResults) console.log(JSON.stringify(output));
console.log(text);
