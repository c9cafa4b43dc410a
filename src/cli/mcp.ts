/** `remit mcp`: the commands about the tools of MCP servers. */
import { defineCommandGroup } from './command/define-command.js';
import { mcpImportCommand } from './mcp-import.js';

export const mcpCommand = defineCommandGroup({
  name: 'mcp',
  description: `
    Makes actions, policies and tests of the tools of an MCP server. docs/guide/mcp.md says more.`,
  commands: { import: mcpImportCommand },
  summaries: { import: "makes a company of a server's tools, or adds them to one" },
  defaultCommand: 'import',
});
