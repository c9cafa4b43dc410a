/** The tests that an import begins with: each tool is called by a person, and by an agent as far as the policies let it. */
import { MCP_TOOL } from '../../mcp/resource-id.js';
import { sampleArguments } from './argument-types.js';
import { listEffects, scopeOfEffect, type ImportedServer, type ImportedTool } from './imported-server.js';
import { formatYamlValue, quoteYamlText } from './quoted-text.js';

/** Names that a test file can give without doubt; other tools are numbered. */
const LABEL_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

interface NamedTool {
  readonly label: string;
  readonly tool: ImportedTool;
}

export function serverTestsText({ server, tools }: ImportedServer): string {
  const named = tools.map((tool, i) => ({
    label: LABEL_NAME.test(tool.definition.name) ? tool.definition.name : `tool ${i + 1}`,
    tool,
  }));
  const scopes = listEffects(tools).map((effect) => scopeOfEffect(server, effect));
  return `# yaml-language-server: $schema=../.schemas/test.schema.json
#
# Who may call the tools of the MCP server "${server}". Run the tests with \`remit test --config remit.yaml\`.
world: ../world.yaml
now: 2030-03-04T10:00:00Z

tokens:
  assistant: { user: ann, agent: assistant, scope: ${formatYamlValue(scopes)} }
  no-scope: { user: ann, agent: assistant }
  retired: { user: ann, agent: retired, scope: ${formatYamlValue(scopes)} }
  third-in-a-row: { user: ann, agent: assistant, chain: [planner, reviewer], scope: ${formatYamlValue(scopes)} }

actions:
${named.map(actionLine).join('')}
resources:
${named.map(({ label, tool }) => `  ${quoteYamlText(label)}: ${formatYamlValue({ type: MCP_TOOL, id: tool.id })}\n`).join('')}
tests:
${named.map(toolTests).join('\n')}`;
}

function actionLine({ label, tool }: NamedTool): string {
  const properties = sampleArguments(tool.arguments);
  return `  ${quoteYamlText(label)}: ${formatYamlValue({ name: tool.definition.name, properties })}\n`;
}

function toolTests({ label, tool }: NamedTool): string {
  const question = `    actions: ${quoteYamlText(label)}\n    resources: ${quoteYamlText(label)}\n`;
  const others = `      - { who: [no-scope, retired, "user:eve"], decision: deny }\n`;
  const obligations = obligationsText(tool);
  if (tool.effect !== 'delete') {
    const later = tool.effect === 'read' ? `decision: allow, ${obligations}` : 'decision: deny';
    return `  - name: ${quoteYamlText(label)}
    who: [assistant, "user:ann", no-scope, retired, third-in-a-row, "user:eve"]
${question}    expect:
      - { who: assistant, decision: allow, ${obligations} }
      - { who: "user:ann", decision: allow, obligations: {} }
      - { who: third-in-a-row, ${later} }
${others}`;
  }
  return `  - name: ${quoteYamlText(`${label}, which may destroy something`)}
    who: [assistant, "user:ann", no-scope, retired, third-in-a-row, "user:eve"]
${question}    expect:
      - who: assistant
        decision: deny
        policies: [mcp-destructive-calls-need-approval]
        remedies: ["approval:approve_call"]
      - { who: "user:ann", decision: allow, obligations: {} }
      - { who: third-in-a-row, decision: deny }
${others}
  - name: ${quoteYamlText(`${label}, approved`)}
    who: assistant
${question}    approvals: [{ by: ben }]
    expect: { decision: allow, ${obligations} }
`;
}

function obligationsText({ classes }: ImportedTool): string {
  if (classes.length === 0) return 'obligations: {}';
  return `obligations: ${formatYamlValue({ mask: { fields: classes.map((className) => `results.${className}`) } })}`;
}
