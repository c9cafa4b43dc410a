/** The refusals of a request without a good credential: 401 with its challenges, and 429 after too many. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ReasonCode } from '../../model/reasons.js';
import { buildChallenge } from '../../policy/remedies.js';
import { SIGNATURE_ALGORITHMS } from '../../tokens/algorithms.js';
import { createProblem, sendTooManyRequests } from './errors.js';

export function sendUnauthorized(
  request: FastifyRequest,
  reply: FastifyReply,
  message: string,
  code: ReasonCode,
): FastifyReply {
  const failures = reply.server.rateLimiter.countFailure(request);
  if (!failures.allowed) return sendTooManyRequests(reply, failures);
  return reply
    .code(401)
    .header('www-authenticate', buildChallenges(reply, buildChallenge(code)))
    .send(createProblem('unauthorized', message));
}

/** The challenges of a 401: the cause, the URL of the metadata, and that DPoP is accepted as well. */
export function buildChallenges(reply: FastifyReply, challenge: string): string {
  const metadata = `resource_metadata="${reply.server.getAskedUrl(reply.request)}/.well-known/oauth-protected-resource"`;
  const algorithms = `algs="${SIGNATURE_ALGORITHMS.join(' ')}"`;
  const [scheme = '', ...parameters] = challenge.split(/ (.*)/s).filter((p) => p !== '');
  const withParameter = (parameter: string): string => `${scheme} ${[...parameters, parameter].join(', ')}`;
  return scheme === 'DPoP'
    ? withParameter(`${algorithms}, ${metadata}`)
    : `${withParameter(metadata)}, DPoP ${algorithms}`;
}
