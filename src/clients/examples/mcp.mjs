/** A client of an MCP server that reads records for Alice: `node mcp.mjs`, with REMIT_URL, REMIT_KEY and AGENT_TOKEN. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { withSubject } from 'remit-agents';
import { guard } from 'remit-agents/mcp';
import { createClient } from 'remit-client';
import { z } from 'zod';

const server = new McpServer({ name: 'employees', version: '1.0.0' });
const inputSchema = { id: z.string() };
const toText = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
server.registerTool('read_employee', { inputSchema }, ({ id }) => toText({ id, name: 'Erin', salary: 125000 }));
server.registerTool('delete_employee', { inputSchema }, () => toText('deleted'));
const mcp = new Client({ name: 'agent', version: '1.0.0' });
const [near, far] = InMemoryTransport.createLinkedPair();
await Promise.all([server.connect(far), mcp.connect(near)]);

const client = createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY });
const question = (tool) => ({
  action: tool.replace('_employee', ''),
  resource: { type: 'employee', id: ({ id }) => id },
});
const request = { subject: { type: 'user', id: 'alice' }, token: process.env.AGENT_TOKEN };
await withSubject(request, async () => {
  const { listTools, callTool } = guard(mcp, client, { question });
  const { tools } = await listTools();
  console.log('shown', tools.map(({ name }) => name).join());
  for (const id of ['erin', 'grace']) {
    const { content } = await callTool({ name: 'read_employee', arguments: { id } });
    console.log(content[0].text);
  }
});
await mcp.close();
