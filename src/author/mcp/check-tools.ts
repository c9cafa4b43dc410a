/**
 * `remit mcp check`: finds what of a call no policy can see. An argument that isn't in the question decides nothing, so a call
 * with another value of it is decided the same.
 */
import { MappingError, readMapping, type PartTemplate, type ToolMapping } from '../../mcp/mapping.js';
import { CALL_TOOL, MCP_TOOL } from '../../mcp/resource-id.js';
import { isObject, type CedarType } from '../../policy/schema/types.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import type { Vocabulary } from '../../policy/schema/vocabulary.js';
import type { ImportedServer, ImportedTool } from './imported-server.js';

export type ToolRule = 'mapping-invalid' | 'action-unknown' | 'scope-missing' | 'argument-dropped';

export interface ToolFinding {
  readonly server: string;
  readonly tool: string;
  readonly severity: 'error' | 'warning';
  readonly rule: ToolRule;
  /** The argument that it is about; undefined for the tool as a whole. */
  readonly argument?: string;
  /** The rest of a sentence that begins with the tool. */
  readonly message: string;
}

type ToolProblem = Omit<ToolFinding, 'server' | 'tool'>;

/** @param ignored arguments that are dropped on purpose, as `server/tool.argument` */
export function checkTools(
  servers: readonly ImportedServer[],
  vocabulary: Pick<Vocabulary, 'find'>,
  ignored: ReadonlySet<string>,
): ToolFinding[] {
  return servers.flatMap(({ server, tools }) =>
    tools.flatMap((tool) => {
      const { name } = tool.definition;
      return checkTool(tool, vocabulary)
        .filter(({ argument }) => argument === undefined || !ignored.has(`${server}/${name}.${argument}`))
        .map((problem) => ({ server, tool: name, ...problem }));
    }),
  );
}

function checkTool({ definition }: ImportedTool, vocabulary: Pick<Vocabulary, 'find'>): ToolProblem[] {
  const { name, inputSchema } = definition;
  const declared = isObject(inputSchema['properties']) ? Object.keys(inputSchema['properties']).sort() : [];
  try {
    const mapping = readMapping(inputSchema);
    return mapping === undefined
      ? checkNamedTool(name, declared, vocabulary)
      : [...checkMappedActions(mapping, vocabulary), ...checkMappedArguments(mapping, declared)];
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    const message = `declares a mapping that can't be used, so it can't be called: ${error.message}`;
    return [{ severity: 'error', rule: 'mapping-invalid', message }];
  }
}

/** Checks a tool without a mapping: its arguments are the properties of the action of its own name. */
function checkNamedTool(
  name: string,
  declared: readonly string[],
  vocabulary: Pick<Vocabulary, 'find'>,
): ToolProblem[] {
  const own = vocabulary.find(name, MCP_TOOL);
  const target = own ?? vocabulary.find(CALL_TOOL, MCP_TOOL);
  if (target === undefined)
    return [
      { severity: 'error', rule: 'action-unknown', message: `has no action "${name}" on ${MCP_TOOL} in the schema, and there is no "${CALL_TOOL}"` },
    ]; // prettier-ignore
  const readable = readableArguments(target.action.context['action']?.type);
  return [
    ...(own === undefined
      ? [{ severity: 'warning', rule: 'action-unknown', message: `has no action of its own on ${MCP_TOOL}: it is decided as "${CALL_TOOL}"` } as const]
      : []),
    ...checkScope(target),
    ...declared
      .filter((argument) => !readable.includes(argument))
      .map((argument) => dropArgument(argument, `the action "${target.action.name}" does not declare it in context.action`)),
  ]; // prettier-ignore
}

function readableArguments(type: CedarType | undefined): string[] {
  return type?.kind === 'Record' ? Object.keys(type.members) : [];
}

function checkMappedActions({ questions }: ToolMapping, vocabulary: Pick<Vocabulary, 'find'>): ToolProblem[] {
  return questions.flatMap(({ action, resource }) => {
    const [name, type] = [literalText(action, 'name'), literalText(resource, 'type')];
    // A name that is computed is known only of a call.
    if (name === undefined || type === undefined) return [];
    const target = vocabulary.find(name, type);
    if (target !== undefined) return checkScope(target);
    const message = `is mapped to the action "${name}" on ${type}, which the schema does not have`;
    return [{ severity: 'error', rule: 'action-unknown', message } as const];
  });
}

function checkMappedArguments({ reads }: ToolMapping, declared: readonly string[]): ToolProblem[] {
  return declared
    .filter((argument) => !reads.some((path) => readsArgument(path, argument)))
    .map((argument) => dropArgument(argument, 'its mapping does not read it'));
}

/** Whether a path leads to the argument or into it. One that ends at all arguments reads each only where it is the whole value. */
function readsArgument([variable, group, name]: readonly string[], argument: string): boolean {
  return variable === 'params' && group === 'arguments' && name === argument;
}

function checkScope({ action }: ActionOnResource): ToolProblem[] {
  if (action.scope !== undefined) return [];
  const message = `is the action "${action.name}", which has no @scope: only authorization_details can cover it`;
  return [{ severity: 'warning', rule: 'scope-missing', message }];
}

function dropArgument(argument: string, why: string): ToolProblem {
  const message = `takes the argument ${JSON.stringify(argument)}, which no policy can read: ${why}`;
  return { severity: 'warning', rule: 'argument-dropped', argument, message };
}

function literalText({ members }: PartTemplate, member: string): string | undefined {
  const template = members.get(member);
  return template?.kind === 'literal' && typeof template.value === 'string' ? template.value : undefined;
}
