/** The files of a company that all of its MCP servers share. They are made of every server that was imported into it. */
import { encodeId } from '../../model/ids.js';
import { MCP_SERVER, MCP_TOOL } from '../../mcp/resource-id.js';
import { actionsPath } from './server-files.js';
import type { ImportedServer, ImportedTool } from './imported-server.js';
import { formatCedarMember, formatYamlValue } from './quoted-text.js';

const COMPANY_ACTIONS = 'schema/company.cedarschema';

/** @returns the texts by path, relative to the company's directory */
export function companyFiles(servers: readonly ImportedServer[]): Map<string, string> {
  return new Map([
    ['remit.yaml', configurationText(servers)],
    ['schema.zed', RELATIONSHIPS],
    [COMPANY_ACTIONS, companyActionsText(servers)],
    ['policies/agents.cedar', AGENT_POLICIES],
    ['world.yaml', worldText(servers)],
  ]);
}

function configurationText(servers: readonly ImportedServer[]): string {
  const actions = [COMPANY_ACTIONS, ...servers.map(({ server }) => actionsPath(server))];
  return `# yaml-language-server: $schema=.schemas/config.schema.json
#
# Remit's configuration for the tools of MCP servers. Paths are relative to this file. Without \`clients\`, \`remit serve\` is for
# development: it listens on loopback only and creates a development client, and \`remit token\` mints tokens.
schema:
  relationships: schema.zed         # who may call which tool (SpiceDB)
  actions:                          # what the tools do (Cedar)
${actions.map((path) => `    - ${path}\n`).join('')}policies: policies                  # every *.cedar below
world: world.yaml                   # loaded at start if the store is empty
data: .remit
`;
}

const RELATIONSHIPS = `// Who may call the tools of MCP servers. Policies restrict further what an agent may do with its user's rights.
use expiration

/** A person who logs in. */
definition user {}

/** A piece of software that acts for people. */
definition agent {
  // The users who have delegated to this agent. Removing the relationship ends the delegation at the next decision.
  relation delegator: user | user with expiration
}

definition team {
  relation member: user
}

/** An MCP server. */
definition ${MCP_SERVER} {
  // Who may call all of its tools.
  relation user: user | team#member

  // Who says yes to calls that may destroy something.
  relation approver: user | team#member
  permission use = user
  permission approve = approver
}

/** A tool of an MCP server. */
definition ${MCP_TOOL} {
  relation server: ${MCP_SERVER}

  // Who may call this one.
  relation user: user | team#member
  permission call = user + server->use
  permission approve_call = server->approve
}
`;

function companyActionsText(servers: readonly ImportedServer[]): string {
  const classes = [...new Set(servers.flatMap(({ tools }) => tools.flatMap((tool) => tool.classes)))].sort();
  const results = `
    // The classes of the fields of its results. A duty such as "mask:${classes[0] ?? ''}" hides all fields of the class.
    results?: {
${classes.map((className) => `      @class("${className}")\n      ${formatCedarMember(className)}?: String,\n`).join('')}    },
`;
  return `// People, agents, and the tools of MCP servers. Each server has a file of its own with its actions.
entity User;

entity Agent {
  name: String,
  suspended: Bool,
};

namespace MCP {
  // What a server says of its tool. Where it says nothing, the worst holds.
  @object("${MCP_TOOL}")
  entity Tool {
    server: String,
    read_only: Bool,
    destructive: Bool,  // whether it may destroy something, rather than only add to it
    idempotent: Bool,   // whether calling it again changes nothing more
    open_world: Bool,   // whether it reaches things beyond the server's own
${classes.length === 0 ? '' : results}  };
}
`;
}

const AGENT_POLICIES = `// Policies for all agents, at every MCP server. Cedar evaluates them for the acting agent and for each earlier agent of the
// chain, so an agent can't evade them by acting through another one.

@id("suspended-agents-do-nothing")
@title("A suspended agent may do nothing at all.")
forbid (
  principal is Agent,
  action,
  resource
)
when { principal.suspended };

@id("mcp-destructive-calls-need-approval")
@title("An agent calls a tool that may destroy something only after a person has approved the call.")
@remedy("approval:approve_call")
forbid (
  principal is Agent,
  action,
  resource is MCP::Tool
)
when { resource.destructive }
unless { context has approval };

// The depth includes the acting agent: 1 means that a person asked the agent directly.
@id("long-chains-only-read")
@title("Through more than two agents in a row, nothing but reading is possible.")
forbid (
  principal is Agent,
  action,
  resource is MCP::Tool
)
when { context.delegation.depth > 2 }
unless { resource.read_only };
`;

function worldText(servers: readonly ImportedServer[]): string {
  return `# yaml-language-server: $schema=.schemas/world.schema.json
#
# Sample people and agents to try the policies on, and the tools. Loaded at start if the store is empty.
relationships: |
  agent:assistant#delegator@user:ann
  agent:retired#delegator@user:ann
${servers.map(serverRelationships).join('')}
entities:
  - { type: agent, id: assistant, attributes: { name: Assistant, suspended: false } }
  - { type: agent, id: planner, attributes: { name: Planner, suspended: false } }
  - { type: agent, id: reviewer, attributes: { name: Reviewer, suspended: false } }
  - { type: agent, id: retired, attributes: { name: Retired, suspended: true } }
${servers.flatMap(({ server, tools }) => tools.map((tool) => toolEntity(server, tool))).join('')}`;
}

function serverRelationships({ server, tools }: ImportedServer): string {
  const lines = [
    `${MCP_SERVER}:${server}#user@user:ann`,
    `${MCP_SERVER}:${server}#approver@user:ben`,
    ...tools.map(({ id }) => `${MCP_TOOL}:${encodeId(id)}#server@${MCP_SERVER}:${server}`),
  ];
  return lines.map((line) => `  ${line}\n`).join('');
}

function toolEntity(server: string, { id, hints }: ImportedTool): string {
  return `  - ${formatYamlValue({ type: MCP_TOOL, id, attributes: { server, ...hints } })}\n`;
}
