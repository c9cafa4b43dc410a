/** The guards’ types with each framework’s own: the type check of the packages holds them. */
import { tool as langChainTool } from '@langchain/core/tools';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { Agent, tool as openaiTool } from '@openai/agents';
import { generateText, tool, type LanguageModel } from 'ai';
import { generateText as generateText7, tool as tool7, type LanguageModel as LanguageModel7 } from 'ai7';
import { createAgent, type FakeToolCallingModel } from 'langchain';
import { createClient } from 'remit-client';
import { withSubject, type ToolGuardOptions } from 'remit-agents';
import { guard as guardAi } from 'remit-agents/ai';
import { guard as guardLangChain } from 'remit-agents/langchain';
import { guard as guardMcp } from 'remit-agents/mcp';
import { guard as guardOpenai } from 'remit-agents/openai';
import { z } from 'zod';
declare const model: LanguageModel, model7: LanguageModel7, fake: FakeToolCallingModel, mcp: Client;
const client = createClient({ url: 'https://pdp.example', key: 'k' });
const options: ToolGuardOptions = {
  question: { read: { action: 'read', resource: { type: 't', id: ({ id }) => id } } },
  approvals: new Map(),
};
const inputSchema = z.object({ id: z.string() });
export const answer = withSubject({ subject: { type: 'user', id: 'a' } }, async () => {
  const tools = await guardAi({ read: tool({ inputSchema, execute: ({ id }) => id }) }, client, options);
  const tools7 = await guardAi({ read: tool7({ inputSchema, execute: ({ id }) => id }) }, client, options);
  await generateText7({ model: model7, tools: tools7, prompt: 'p' });
  const read = langChainTool(({ id }) => id, { name: 'read', schema: inputSchema });
  createAgent({ model: fake, tools: await guardLangChain([read], client, options) });
  const own = openaiTool({ name: 'read', description: '', parameters: inputSchema, execute: ({ id }) => id });
  new Agent({ name: 'x', tools: await guardOpenai([own], client, options) });
  const list = await guardMcp(mcp, client, options).listTools();
  return [list.tools[0]?.inputSchema, (await generateText({ model, tools, prompt: 'p' })).text];
});
// @ts-expect-error a request has a subject
withSubject({ token: 'x' }, () => 1);
// @ts-expect-error a question has a resource
export const bad: ToolGuardOptions = { question: { read: { action: 'read' } } };
