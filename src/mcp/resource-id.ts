/** The ids of an MCP server's tools, prompts and resources in questions, relationships and policies. */
import { createHash } from 'node:crypto';
import { findIdProblem } from '../model/ids.js';

export const MCP_TOOL = 'mcp_tool';
export const MCP_SERVER = 'mcp_server';
/** The action of tools that have none of their own. */
export const CALL_TOOL = 'tools/call';

/** Lower-case words of letters and digits with hyphens between them: no two servers make one namespace of the schema. */
const SERVER_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_SERVER_NAME_LENGTH = 40;
export const DIGEST_PREFIX = 'sha256-';

export const SERVER_NAME_RULE = `must be lower-case letters and digits with hyphens between them, at most ${MAX_SERVER_NAME_LENGTH}, the first a letter`;

export function isServerName(text: string): boolean {
  return text.length <= MAX_SERVER_NAME_LENGTH && SERVER_NAME.test(text);
}

/**
 * `<server>/<name>`. A name that makes no id, such as one that is too long, stands as `sha256-` and its digest; so does a
 * name that begins as if it were one, or a server could give one thing the id of another.
 */
export function mcpResourceId(server: string, name: string): string {
  const id = `${server}/${name}`;
  if (findIdProblem(id) === undefined && !name.startsWith(DIGEST_PREFIX)) return id;
  // Strict JSON has no lone surrogates, which would all be the same bytes.
  return `${server}/${DIGEST_PREFIX}${createHash('sha256').update(name).digest('hex')}`;
}
