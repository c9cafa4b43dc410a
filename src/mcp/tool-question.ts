/**
 * The questions that a call of a tool is: by the mapping that its server declares, or else the action of the tool's own name on
 * the tool. A mapping is written by the party that is asked about, so nothing of it is believed about who asks, and it can't
 * say what Remit's own members of a request say.
 */
import type { EntityRef } from '../model/ids.js';
import { REMIT_CONTEXT_MEMBERS, type Properties } from '../model/question.js';
import { isObject } from '../policy/schema/types.js';
import { writeCanonicalJson } from '../runtime/canonical-json.js';
import { ARGUMENTS_DIGEST, digestArguments } from './argument-digest.js';
import { MappingError, readMapping, type QuestionTemplate, type ToolMapping } from './mapping.js';
import { resolvePart, type ResolvedPart } from './resolve-mapping.js';
import { CALL_TOOL, MCP_SERVER, MCP_TOOL, mcpResourceId, shortenName } from './resource-id.js';
import { MAX_TOOL_NAME_LENGTH, type JsonMembers, type ToolDefinition } from './tool-definition.js';
import { readToolHints } from './tool-hints.js';

export interface ToolCall {
  readonly server: string;
  /** The definition that was accepted, never one that came with the call. */
  readonly tool: ToolDefinition;
  readonly arguments: JsonMembers;
  /** The party that the verified token is for: its user, or the agent where it acts for itself. */
  readonly party: EntityRef;
  /** The token's claims. */
  readonly claims: JsonMembers;
}

export interface ToolQuestion {
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly action: { readonly name: string; readonly properties: Properties };
  /** The properties are the server's word, and count only where nothing is stored; of its own tool they are those accepted. */
  readonly resource: EntityRef & { readonly properties: Properties };
  readonly context: Properties;
}

export interface QuestionOptions {
  /** The deployment's own secret for the digest of arguments. */
  readonly digestKey: Uint8Array;
  /** Whether the schema has an action of the name on `mcp_tool`. */
  readonly hasToolAction: (name: string) => boolean;
}

/** The subject's type by which mappings mean the party that the token is for. */
const IDENTITY = 'identity';
const MCP_TYPES: readonly string[] = [MCP_TOOL, 'mcp_prompt', 'mcp_resource'];
/** The members of a context that Remit reads itself; a purpose is what consents and tokens are held to. */
const OWN_CONTEXT: readonly string[] = [...REMIT_CONTEXT_MEMBERS, 'purpose'];
/** The longest question, as canonical JSON in UTF-16 code units, its arguments aside. */
const MAX_QUESTION_LENGTH = 64 * 1024;
const CONTROL_CHARACTERS = /\p{Cc}/u;

/** @returns at least one; the call may be made where all are allowed. @throws MappingError */
export function questionsOfCall(call: ToolCall, options: QuestionOptions): readonly ToolQuestion[] {
  const { server, tool, arguments: stated } = call;
  const digest = digestArguments(options.digestKey, { server, tool: tool.name, arguments: stated });
  const mapping = readMapping(tool.inputSchema);
  const questions = mapping === undefined ? [askByName(call, options)] : askByMapping(call, mapping);
  return questions.map(({ action, ...question }) => ({
    ...question,
    action: { name: action.name, properties: { ...action.properties, [ARGUMENTS_DIGEST]: digest } },
  }));
}

function askByName(call: ToolCall, { hasToolAction }: QuestionOptions): ToolQuestion {
  const { tool, arguments: properties, party } = call;
  return {
    subject: { ...party, properties: {} },
    action: { name: hasToolAction(tool.name) ? tool.name : CALL_TOOL, properties },
    resource: toolResource(call),
    context: {},
  };
}

/** The tool itself, with what its accepted definition says of it. */
function toolResource({ server, tool }: ToolCall): ToolQuestion['resource'] {
  const properties = { server, ...readToolHints(tool.annotations) };
  return { type: MCP_TOOL, id: mcpResourceId(server, tool.name), properties };
}

function askByMapping(call: ToolCall, mapping: ToolMapping): ToolQuestion[] {
  const inputs = { params: { name: call.tool.name, arguments: call.arguments }, token: call.claims };
  const subject = resolveSubject(resolvePart(mapping.subject, inputs), call);
  return mapping.questions.map((template) => {
    const question = { subject, ...resolveQuestion(template, inputs, call) };
    if (writeCanonicalJson(question).length > MAX_QUESTION_LENGTH)
      throw new MappingError(`makes a question of more than ${MAX_QUESTION_LENGTH} characters`, '');
    return question;
  });
}

/** @throws MappingError where the mapping means another than the token does */
function resolveSubject({ path, values }: ResolvedPart, { party, claims }: ToolCall): ToolQuestion['subject'] {
  const { type = IDENTITY, id = party.id } = values;
  if (type !== IDENTITY && type !== party.type)
    throw new MappingError(`must be "${IDENTITY}" or "${party.type}": the token is for no other`, `${path}.type`);
  if (typeof id !== 'string' || (id !== party.id && id !== claims['sub']))
    throw new MappingError('must be who the token is for', `${path}.id`);
  const properties = readProperties(values, path);
  if (Object.hasOwn(properties, 'act')) throw new MappingError('is not for a mapping to say', `${path}.properties.act`);
  return { ...party, properties };
}

function resolveQuestion(
  template: QuestionTemplate,
  inputs: Parameters<typeof resolvePart>[1],
  call: ToolCall,
): Omit<ToolQuestion, 'subject'> {
  const action = resolvePart(template.action, inputs);
  const properties = readProperties(action.values, action.path);
  if (Object.hasOwn(properties, ARGUMENTS_DIGEST))
    throw new MappingError('is for the digest of the arguments', `${action.path}.properties.${ARGUMENTS_DIGEST}`);
  return {
    action: { name: readPartName(action, 'name'), properties },
    resource: resolveResource(resolvePart(template.resource, inputs), call),
    context: resolveContext(resolvePart(template.context, inputs)),
  };
}

/** @throws MappingError also where the mapping names what another server has */
function resolveResource(part: ResolvedPart, call: ToolCall): ToolQuestion['resource'] {
  const type = readPartName(part, 'type');
  const { id } = part.values;
  if (typeof id !== 'string' || id === '')
    throw new MappingError('must be a text that is not empty', `${part.path}.id`);
  const own = toolResource(call);
  if (type === own.type && id === own.id) return own;
  if (MCP_TYPES.includes(type)) return { type, id: readOwnId(id, part.path, call), properties: {} };
  if (type !== MCP_SERVER) return { type, id: shortenName(id), properties: readProperties(part.values, part.path) };
  if (id !== call.server) throw new MappingError(`must be "${call.server}"`, `${part.path}.id`);
  return { type, id, properties: {} };
}

/** Reads the id of a tool, prompt or resource of the server itself; only what was accepted says what it is like. */
function readOwnId(id: string, path: string, { server }: ToolCall): string {
  if (!id.startsWith(`${server}/`)) throw new MappingError(`must begin with "${server}/"`, `${path}.id`);
  return mcpResourceId(server, id.slice(server.length + 1));
}

/** `agent` is left out: the token says who the agent is. @throws MappingError for what else a server may not say */
function resolveContext({ path, values }: ResolvedPart): Properties {
  const { agent: _, ...context } = values;
  const name = Object.keys(context).find((member) => OWN_CONTEXT.includes(member));
  if (name !== undefined) throw new MappingError('is not for a mapping to say', `${path}.${name}`);
  return context;
}

function readPartName({ path, values }: ResolvedPart, member: 'name' | 'type'): string {
  const name = values[member];
  if (typeof name !== 'string' || name === '' || name.length > MAX_TOOL_NAME_LENGTH || CONTROL_CHARACTERS.test(name))
    throw new MappingError(`must be a text of at most ${MAX_TOOL_NAME_LENGTH} characters`, `${path}.${member}`);
  return name;
}

function readProperties({ properties = {} }: JsonMembers, path: string): Properties {
  if (!isObject(properties)) throw new MappingError('must be an object', `${path}.properties`);
  return properties;
}
