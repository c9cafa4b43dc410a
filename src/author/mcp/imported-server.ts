/** A server's tools as the actions that they become; a tool that can't become one is refused by name. */
import { effectOfTool, readToolHints, type ToolHints } from '../../mcp/tool-hints.js';
import { CALL_TOOL, mcpResourceId } from '../../mcp/resource-id.js';
import { readToolList, type JsonMembers, type RefusedTool, type ToolDefinition } from '../../mcp/tool-definition.js';
import { readArguments, type ArgumentMember } from './argument-types.js';
import { flattenText } from './quoted-text.js';
import { ToolRefused } from './tool-refused.js';
import { isObject } from '../../policy/schema/types.js';

export const EFFECTS = ['read', 'write', 'delete'] as const;
export type ToolEffect = (typeof EFFECTS)[number];

export interface ImportedTool {
  readonly definition: ToolDefinition;
  /** The id of the tool as a resource. */
  readonly id: string;
  readonly title: string;
  readonly hints: ToolHints;
  readonly effect: ToolEffect;
  readonly arguments: readonly ArgumentMember[];
  /** The classes of its results (`x-remit-class`), sorted. */
  readonly classes: readonly string[];
}

export interface ImportedServer {
  readonly server: string;
  readonly tools: readonly ImportedTool[];
}

/** The most tools of a server: each takes one or two tests, of which a file has no more than 1,000. */
export const MAX_TOOLS = 400;
const MAX_TITLE_LENGTH = 80;
/** Cedar refuses policies with names that may be taken for others; the protocol asks for less than ASCII, too. */
const POLICY_NAME = /^[\x20-\x7e]+$/;
const CLASS_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
/** The attributes of every tool, of which no class may have the name. */
const TOOL_ATTRIBUTES = ['server', 'read_only', 'destructive', 'idempotent', 'open_world', 'results'];

/** The effects that tools have, in the order of {@link EFFECTS}. */
export function listEffects(tools: readonly ImportedTool[]): ToolEffect[] {
  return EFFECTS.filter((effect) => tools.some((tool) => tool.effect === effect));
}

/** The scope that covers a server's tools with an effect. */
export function scopeOfEffect(server: string, effect: ToolEffect): string {
  return `mcp.${server}.${effect}`;
}

/** The group of a server's actions with an effect. No tool can have its name. */
export function groupName(effect: ToolEffect): string {
  return `all ${effect}s`;
}

/** The Cedar namespace of a server's actions: `MCP::Code_search` for `code-search`. */
export function namespaceOfServer(server: string): string {
  return `MCP::${server.charAt(0).toUpperCase()}${server.slice(1).replaceAll('-', '_')}`;
}

/**
 * @param entries of the server's `tools/list` answer
 * @param taken the tools of the company's other servers, by name: an action is found by its name and the type of its resource,
 *   so no two servers can have one of the same name
 */
export function importTools(
  server: string,
  entries: readonly unknown[],
  taken: ReadonlyMap<string, string> = new Map(),
): ImportedServer & { readonly refused: readonly RefusedTool[] } {
  const list = readToolList(entries);
  const refused = [...list.refused];
  const tools = list.tools.flatMap((definition) => {
    try {
      const owner = taken.get(definition.name);
      if (owner !== undefined) throw new ToolRefused(`has the name of a tool of the server "${owner}"`);
      return [importTool(server, definition)];
    } catch (error) {
      if (!(error instanceof ToolRefused)) throw error;
      refused.push({ tool: definition.name, problem: error.message });
      return [];
    }
  });
  return { server, tools, refused };
}

/** @throws ToolRefused */
export function importTool(server: string, definition: ToolDefinition): ImportedTool {
  const { name, title = '', inputSchema, outputSchema, annotations } = definition;
  // It would decide about every tool that has no action of its own.
  if (name === CALL_TOOL) throw new ToolRefused('has the name of the action that stands for all tools');
  if (EFFECTS.some((effect) => groupName(effect) === name)) throw new ToolRefused('has the name of a group of actions');
  if (!POLICY_NAME.test(name))
    throw new ToolRefused('has a name that policies can not name: it has other characters than those of ASCII');
  const hints = readToolHints(annotations);
  return {
    definition,
    id: mcpResourceId(server, name),
    title: `${flattenText(title, MAX_TITLE_LENGTH) || flattenText(name, MAX_TITLE_LENGTH)} (${server})`,
    hints,
    effect: effectOfTool(hints),
    arguments: readArguments(inputSchema),
    classes: outputSchema === undefined ? [] : [...new Set(listClasses(outputSchema))].sort(),
  };
}

/** Lists the classes anywhere in an output schema. @throws ToolRefused where one can't be named */
function listClasses(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const below = Object.values(schema).flatMap(listClasses);
  return isObject(schema) && 'x-remit-class' in schema ? [readClass(schema), ...below] : below;
}

function readClass({ 'x-remit-class': className }: JsonMembers): string {
  if (typeof className === 'string' && CLASS_NAME.test(className) && !TOOL_ATTRIBUTES.includes(className))
    return className;
  throw new ToolRefused(
    `has an x-remit-class in its outputSchema that is no class: lower-case letters, digits, "_" and "-" make one, and not ${TOOL_ATTRIBUTES.join(', ')}`,
  );
}
