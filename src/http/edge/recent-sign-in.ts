/**
 * A requirement of what is dangerous to grant: that the user has signed in lately (RFC 9470), so that a token that somehow
 * got about isn't enough.
 */
import type { FastifyReply } from 'fastify';
import type { AuthenticatedUser } from '../../model/question.js';
import { CLOCK_SKEW_SECONDS } from '../../tokens/reading-rules.js';
import { createProblem } from './errors.js';
import { buildChallenges } from './unauthorized.js';

/** The seconds since when the user must have signed in. */
const MAX_SIGN_IN_AGE = 300;

/** Whether the user's token says that they have signed in within the last five minutes. */
export function hasSignedInLately({ authenticatedAt }: Pick<AuthenticatedUser, 'authenticatedAt'>, now: Date): boolean {
  if (authenticatedAt === undefined) return false;
  const age = now.getTime() / 1000 - authenticatedAt;
  // An issuer's clock may be a little ahead; what lies further in the future says nothing.
  return age >= -CLOCK_SKEW_SECONDS && age <= MAX_SIGN_IN_AGE;
}

/** Answers 401, with the challenge that has the application ask the user to sign in again. */
export function sendSignInNeeded(reply: FastifyReply): FastifyReply {
  const problem = createProblem(
    'insufficient_user_authentication',
    `This needs a token whose "auth_time" lies within the last ${MAX_SIGN_IN_AGE} seconds: sign in again.`,
  );
  const challenge = `Bearer error="insufficient_user_authentication", error_description="sign in again", max_age="${MAX_SIGN_IN_AGE}"`;
  return reply
    .code(401)
    .header('www-authenticate', buildChallenges(reply, challenge))
    .send({ error: { ...problem.error, max_age: MAX_SIGN_IN_AGE } });
}
