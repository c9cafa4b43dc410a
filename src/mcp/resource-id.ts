/** The ids of an MCP server's tools, prompts and resources in questions, relationships and policies. */
import { findIdProblem } from '../model/ids.js';
import { sha256 } from '../runtime/sha256.js';

export const MCP_TOOL = 'mcp_tool';
export const MCP_SERVER = 'mcp_server';
/** The action of tools that have none of their own. */
export const CALL_TOOL = 'tools/call';

/** Lower-case words of letters and digits with hyphens between them: no two servers make one namespace of the schema. */
const SERVER_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_SERVER_NAME_LENGTH = 40;
const DIGEST_PREFIX = 'sha256-';

export const SERVER_NAME_RULE = `must be lower-case letters and digits with hyphens between them, at most ${MAX_SERVER_NAME_LENGTH}, the first a letter`;

export function isServerName(text: string): boolean {
  return text.length <= MAX_SERVER_NAME_LENGTH && SERVER_NAME.test(text);
}

/** `<server>/<name>`, with the name as it makes an id. */
export function mcpResourceId(server: string, name: string): string {
  return `${server}/${shortenName(name, `${server}/${name}`)}`;
}

/**
 * The name as it stands in an id. One that makes none, such as one that is too long, stands as `sha256-` and its digest; so does a
 * name that begins as if it were one, or a server could give one thing the id of another.
 * @param id that it makes, which is itself unless it is a part of one
 */
export function shortenName(name: string, id = name): string {
  if (findIdProblem(id) === undefined && !name.startsWith(DIGEST_PREFIX)) return name;
  // Strict JSON has no lone surrogates, which would all be the same bytes.
  return `${DIGEST_PREFIX}${sha256(name)}`;
}
