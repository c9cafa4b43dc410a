/**
 * The keyed digest of a call's arguments. A mapping may leave arguments out of the question, so two calls can be one question;
 * the digest keeps what was approved and what is on record to the one call. It is keyed, or a short argument could be guessed
 * from it.
 */
import { createHmac } from 'node:crypto';
import { writeCanonicalJson } from '../runtime/canonical-json.js';
import type { JsonMembers } from './tool-definition.js';

/** The action's property that has the digest. No argument and no mapping can give it. */
export const ARGUMENTS_DIGEST = 'mcp_arguments';

export interface CallIdentity {
  readonly server: string;
  readonly tool: string;
  readonly arguments: JsonMembers;
}

/** @param key the deployment's own secret, for this use alone. @returns base64url of HMAC-SHA256 over RFC 8785 */
export function digestArguments(key: Uint8Array, call: CallIdentity): string {
  const { server, tool, arguments: stated } = call;
  return createHmac('sha256', key)
    .update(writeCanonicalJson({ server, tool, arguments: stated }))
    .digest('base64url');
}
