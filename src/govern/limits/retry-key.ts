/**
 * The key of a retry: the request's `Idempotency-Key` made one with its question. A token may have been refreshed meanwhile,
 * so of a token only its user, agents and session count. Of equal questions in one request each is a use of its own: the n-th
 * of them retries the n-th of an earlier request.
 */
import { formatRef } from '../../model/ids.js';
import type { DelegationToken } from '../../model/delegation-token.js';
import type { RetryKey, RetryState } from '../../model/limits.js';
import { formatCallerId, type Question } from '../../model/question.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { sha256 } from '../../runtime/sha256.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { LimitedQuestion } from './required-amount.js';

/** The time for which a key is known. */
const KEY_LIFETIME_MS = 24 * 3_600_000;

/** @returns undefined where the request has no key */
export function planRetryKey({
  question,
  acting,
  now,
}: Pick<LimitedQuestion, 'acting' | 'now'> & { readonly question: Question }): RetryKey | undefined {
  if (question.idempotencyKey === undefined) return undefined;
  const { caller, subject, action, resource, context, idempotencyKey } = question;
  const { mode, user, agent, chain, grant } = acting;
  const parts = [
    [caller.kind, formatCallerId(caller), idempotencyKey.text],
    // Another chain is charged for other agents, so it retries nothing.
    [mode, user && formatRef(user), agent && formatRef(agent), chain.map(formatRef), grant?.issuer, grant?.session],
    [subject.properties, action.name, action.properties, resource.type, resource.id, resource.properties, context],
  ];
  const key = sha256(formatCanonicalJson(parts));
  const equalBefore = idempotencyKey.countEqualBefore(key);
  return {
    key: equalBefore === 0 ? key : sha256(`${key} ${equalBefore}`),
    since: now.getTime() - KEY_LIFETIME_MS,
  };
}

/** The earlier decision with the key whose approval serves the retry too: it holds what it used, or has failed. */
export function findEarlierUser(retry: RetryState | undefined): string | undefined {
  switch (retry?.kind) {
    case 'held':
      return retry.decision;
    case 'new':
      return retry.released;
    case 'executed':
    case undefined:
      return undefined;
  }
}

/** A list that is asked for, with the token as it was verified; undefined where the client vouches for the parties. */
export interface RepeatedList {
  readonly question: Question;
  readonly token: DelegationToken | undefined;
  readonly records: readonly object[];
}

/**
 * Plans the key of a whole list: all records of a filter are one question. They may be long, so others have their turn between.
 * @param text the request's `Idempotency-Key`
 */
export async function planListRetryKey(
  { question, token, records }: RepeatedList,
  text: string,
  now: Date,
): Promise<RetryKey> {
  const { caller, subject, action, context, assertedAgent, assertedChain = [], statedAgent, statedMode } = question;
  const parties =
    token === undefined
      ? [assertedAgent, assertedChain, statedMode]
      : [token.user, token.actors.map(({ id }) => id), token.issuer, token.session];
  const hashes: string[] = [];
  for (const record of records) {
    await yieldToEventLoop();
    hashes.push(sha256(formatCanonicalJson(record)));
  }
  const parts = [
    ['list', caller.kind, formatCallerId(caller), text],
    [...parties, statedAgent],
    [subject.type, subject.id, subject.properties, action.name, action.properties, context],
    hashes,
  ];
  return { key: sha256(formatCanonicalJson(parts)), since: now.getTime() - KEY_LIFETIME_MS };
}

/**
 * Makes the key that a list is held by: where other records are permitted meanwhile it is another list, so that what was
 * reserved for some hands out no others.
 * @param permitted the places of the records that the list hands out if there is room
 */
export function bindListRetryKey(
  retry: RetryKey,
  permitted: readonly number[],
): RetryKey & { readonly permitted: string } {
  return { ...retry, permitted: sha256(`${retry.key} ${permitted.join(' ')}`) };
}
