/** The files of one MCP server in a company: its actions, policies to begin with, and the tests of both. */
import {
  groupName,
  listEffects,
  namespaceOfServer,
  scopeOfEffect,
  type ImportedServer,
  type ImportedTool,
} from './imported-server.js';
import type { ArgumentMember, ArgumentType } from './argument-types.js';
import { formatCedarMember, quoteCedarText } from './quoted-text.js';
import { serverTestsText } from './server-tests.js';

export function actionsPath(server: string): string {
  return `schema/mcp-${server}.cedarschema`;
}

/** @returns the texts by path, relative to the company's directory */
export function serverFiles(imported: ImportedServer): Map<string, string> {
  const { server } = imported;
  return new Map([
    [actionsPath(server), actionsText(imported)],
    [`policies/mcp-${server}.cedar`, policiesText(imported)],
    [`policies/mcp-${server}_test.yaml`, serverTestsText(imported)],
  ]);
}

function actionsText({ server, tools }: ImportedServer): string {
  const effects = listEffects(tools);
  return `// The tools of the MCP server "${server}", each an action on the tool itself. Which effect a tool has is what the server says
// of it; a tool of which it says nothing counts as one that deletes.
namespace ${namespaceOfServer(server)} {
  // Groups, for policies to name.
${effects.map((effect) => `  action ${quoteCedarText(groupName(effect))};\n`).join('')}${tools.map((tool) => actionText(server, tool)).join('')}}
`;
}

function actionText(server: string, tool: ImportedTool): string {
  const { definition, effect, title } = tool;
  return `
  @effect("${effect}")
  @permission("call")
  @scope("${scopeOfEffect(server, effect)}")
  @title(${quoteCedarText(title)})
  action ${quoteCedarText(definition.name)} in [${quoteCedarText(groupName(effect))}] appliesTo {
    principal: [Agent, User],
    resource: [MCP::Tool],
    context: {
      delegation: Remit::Delegation,
      approval?: Remit::Approval,
${tool.arguments.length === 0 ? '' : `      action: ${recordText(tool.arguments, '      ')},\n`}    },
  };
`;
}

function recordText(members: readonly ArgumentMember[], indent: string): string {
  const lines = members.map(
    ({ name, required, type }) =>
      `${indent}  ${formatCedarMember(name)}${required ? '' : '?'}: ${typeText(type, `${indent}  `)},\n`,
  );
  return `{\n${lines.join('')}${indent}}`;
}

function typeText(type: ArgumentType, indent: string): string {
  if (type.kind === 'Set') return `Set<${typeText(type.element, indent)}>`;
  return type.kind === 'Record' ? recordText(type.members, indent) : type.kind;
}

function policiesText({ server, tools }: ImportedServer): string {
  const namespace = namespaceOfServer(server);
  const actions = listActions(namespace, listEffects(tools).map(groupName));
  const classes = [...new Set(tools.flatMap((tool) => tool.classes))].sort();
  return `// The tools of the MCP server "${server}". Relationships say who may call which of them; what holds for agents at every
// server is in agents.cedar.

@id("mcp-${server}-people")
@title("People may call the tools of ${server} that they have access to.")
permit (
  principal is User,
  action in ${actions},
  resource is MCP::Tool
);

@id("mcp-${server}-agents")
@title("Agents may call the tools of ${server} for the people who have access to them.")
permit (
  principal is Agent,
  action in ${actions},
  resource is MCP::Tool
);
${classes.map((className) => maskText(server, className, tools)).join('')}`;
}

/** Hides a class from agents in the results of the tools that have it; other results need no hiding. */
function maskText(server: string, className: string, tools: readonly ImportedTool[]): string {
  const names = tools.filter((tool) => tool.classes.includes(className)).map((tool) => tool.definition.name);
  return `
@id("mcp-${server}-hides-${className}")
@title("What results of ${server} have of the class ${className} is hidden from agents.")
@duty("mask:${className}")
permit (
  principal is Agent,
  action in ${listActions(namespaceOfServer(server), names)},
  resource is MCP::Tool
);
`;
}

function listActions(namespace: string, names: readonly string[]): string {
  const uids = names.map((name) => `${namespace}::Action::${quoteCedarText(name)}`);
  return uids.length === 1 ? `[${uids[0] ?? ''}]` : `[\n${uids.map((uid) => `    ${uid}`).join(',\n')}\n  ]`;
}
