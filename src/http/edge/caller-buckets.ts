/** The token buckets that a known caller takes from: its own, and those that it shares with others. */
import type { FastifyRequest } from 'fastify';
import { formatCallerId, type AuthenticatedParty } from '../../model/question.js';
import { requireParty } from './request-party.js';
import type { RateBucket } from './token-bucket.js';

/** The callers of one issuer, by their own tokens, that may each ask at their full rate at one time. */
const FULL_RATE_CALLERS_AN_ISSUER = 10;

/**
 * The caller's own bucket, with its kind, since a client and an agent may have the same id; that of its narrowest group,
 * which all agents of a user share; and that of its issuer, which can name any number of either.
 * @param agentRate of a caller that is no client, in requests a second
 */
export function listCallerBuckets(request: FastifyRequest, agentRate: number): readonly RateBucket[] {
  const caller = requireParty(request);
  const rate = getCallerRate(caller, agentRate);
  const { callerGroups: groups = [] } = request;
  const narrow = new Set([`${caller.kind} ${formatCallerId(caller)}`, ...groups.slice(-1)]);
  const wide = groups.slice(0, -1);
  return [
    ...[...narrow].map((key) => ({ key, rate })),
    ...wide.map((key) => ({ key, rate: FULL_RATE_CALLERS_AN_ISSUER * rate })),
  ];
}

export function getCallerRate(caller: AuthenticatedParty, agentRate: number): number {
  return caller.kind === 'client' ? caller.client.rate : agentRate;
}
