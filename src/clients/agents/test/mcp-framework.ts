import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { guard } from 'remit-agents/mcp';
import { readResult, toSchema, type AgentOptions, type AgentRun, type Arguments, type Framework } from './framework.js';

async function connect({ tools }: AgentOptions): Promise<Client> {
  const { server } = new McpServer({ name: 'server', version: '1' });
  server.registerCapabilities({ tools: {} });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, takes }) => ({ name, inputSchema: toSchema(takes) })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    const execute = tools.find(({ name }) => name === params.name)?.run;
    const result = await execute?.(params.arguments ?? {});
    return { content: [{ type: 'text', text: typeof result === 'string' ? result : JSON.stringify(result) }] };
  });
  const client = new Client({ name: 'client', version: '1' });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  return client;
}

async function callAll(options: AgentOptions, calls: AgentOptions['calls']): Promise<AgentRun> {
  const mcp = await connect(options);
  const { listTools, callTool } = guard(mcp, options.client, options.guard);
  const { tools } = await listTools();
  const results: Record<string, unknown> = {};
  for (const { id, tool, args } of calls) {
    const result = await callTool({ name: tool, arguments: { ...args } }).catch((error: unknown) => ({
      content: [{ type: 'text', text: String(error) }],
    }));
    results[id] = readResult(result.content[0]?.text);
  }
  await mcp.close();
  const isStopped = Object.values(results).some((result) => (result as { code?: string } | null)?.code === 'approval_required'); // prettier-ignore
  return {
    shown: tools.map(({ name }) => name),
    results,
    isStopped,
    resume: (answer, changed?: Arguments) =>
      answer === 'reject'
        ? callAll(options, [])
        : callAll(options, changed === undefined ? calls : calls.map((call) => ({ ...call, args: changed }))),
  };
}

export const mcpFramework: Framework = {
  name: 'mcp',
  stops: false,
  start: (options) => callAll(options, options.calls),
  guardStranger: async (client, options) => {
    const twice = { listTools: async () => ({ tools: [{ name: 'x' }, { name: 'x' }] }), callTool: async () => ({}) };
    return guard(twice, client, { ...options, question: () => undefined }).listTools();
  },
  guardTwice: async (options) => {
    const twice = { ...options, tools: [...options.tools, ...options.tools] };
    return guard(await connect(twice), options.client, options.guard).listTools();
  },
};
