/**
 * The key of a retry: the request's `Idempotency-Key` made one with its question. A token may have been refreshed meanwhile,
 * so of a token only its user, agent and session count.
 */
import { formatRef } from '../../model/ids.js';
import type { RetryKey } from '../../model/limits.js';
import { formatCallerId, type Question } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import { sha256 } from '../../runtime/sha256.js';
import type { LimitedQuestion } from './charges.js';

/** The time for which a key is known. */
const KEY_LIFETIME_MS = 24 * 3_600_000;

/** @returns undefined where the request has no key */
export function planRetryKey({
  question,
  acting,
  now,
}: Pick<LimitedQuestion, 'acting' | 'now'> & { readonly question: Question }): RetryKey | undefined {
  if (question.idempotencyKey === undefined) return undefined;
  const { caller, subject, action, resource, context } = question;
  const { mode, user, agent, grant } = acting;
  const parts = [
    [caller.kind, formatCallerId(caller), question.idempotencyKey],
    [mode, user && formatRef(user), agent && formatRef(agent), grant?.issuer, grant?.session],
    [subject.properties, action.name, action.properties, resource.type, resource.id, resource.properties, context],
  ];
  return { key: sha256(JSON.stringify(parts, sortMembers)), since: now.getTime() - KEY_LIFETIME_MS };
}

/** Writes the members of objects by their names: their order says nothing. */
function sortMembers(_name: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
