/** `remit mcp`: the commands about the tools of MCP servers. */
import { defineCommandGroup } from './command/define-command.js';
import { mcpCheckCommand } from './mcp-check.js';
import { mcpImportCommand } from './mcp-import.js';

export const mcpCommand = defineCommandGroup({
  name: 'mcp',
  description: `
    Makes actions, policies and tests of the tools of an MCP server, and checks what of their calls policies can see.
    docs/guide/mcp.md says more.`,
  commands: { import: mcpImportCommand, check: mcpCheckCommand },
  summaries: {
    import: "makes a company of a server's tools, or adds them to one",
    check: 'finds arguments that no policy can see, and tools that can not be called',
  },
  defaultCommand: 'import',
});
