/** `/v1/revocations` and `/v1/sessions/{id}`: revoke tokens and end sessions, with immediate effect. */
import { v7 as uuid } from 'uuid';
import { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { parseInstant } from '../../model/instants.js';
import { formatCallerId } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import type { Revocation } from '../../model/revocations.js';
import { requireIssuer, resolveRevokedParty, revokedPartyFormat } from '../revoked-party.js';
import { INSTANT_PROBLEM } from '../../runtime/instant-format.js';
import { authenticate } from '../edge/authentication.js';
import { requireParty } from '../edge/request-party.js';
import { createProblem, inputErrors } from '../edge/errors.js';
import { queryNumber } from '../query-number.js';

const textFormat = z
  .string()
  .min(1)
  .max(1024)
  .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), 'must not contain control characters');
const revocationMembers = {
  issuer: textFormat.optional().describe('The `iss` of the token: a configured issuer'),
  jti: textFormat.optional(),
  session: textFormat.optional().describe('`sid` or `txn`: the session ends'),
  issued_before: z.string().optional().describe('RFC 3339: tokens issued later are not revoked'),
};
const revocationBody = z
  .strictObject({
    ...revocationMembers,
    user: revokedPartyFormat.optional(),
    agent: revokedPartyFormat.optional().describe('The acting agent, or any before it in the chain'),
    reason: z.string().max(1000).optional(),
  })
  .describe('Revokes the tokens that match every member: a user with an agent means that pair')
  .meta({
    id: 'RevocationRequest',
    example: { user: 'ann', agent: 'helper', reason: 'The laptop was lost' },
  });
const revocationFormat = z
  .object({
    id: z.uuid(),
    ...revocationMembers,
    user: z.string().optional().describe('The id as the graph has it'),
    agent: z.string().optional(),
    reason: z.string().optional(),
    revoked_at: z.string(),
    revoked_by: z.string(),
  })
  .meta({ id: 'Revocation' });
const revocationsQuery = z.strictObject({ limit: queryNumber(1, 1000, 100) });
const sessionParams = z.object({ id: textFormat });

/** Revocations are kept for good, so the number that a user may add is limited. */
export const MAX_REVOCATIONS_BY_USER = 1000;
const USER_ISSUER_PROBLEM =
  'is not the "issuer" of the revocation, and a token names a user of the issuer that signs it';
const REVOCATION_SELECTORS = ['issuer', 'jti', 'user', 'agent', 'session'] as const;

export function revocationRoutes(app: TypedApp, service: Service): void {
  const admin = authenticate(app, service, ['admin']);

  app.post('/v1/revocations', {
    schema: {
      tags: ['administration'],
      summary: 'Revoke tokens: in force when it is answered',
      body: revocationBody,
      response: { 201: revocationFormat, ...inputErrors },
    },
    onRequest: admin,
    handler: async (request, reply) => {
      const body = request.body;
      const { issued_before: issuedBefore, reason, user, agent, ...requested } = body;
      const { userObject, agentObject } = service.activePolicies.rules.vocabulary;
      const issuers = service.trust.issuers.list();
      // The user is of the issuer that signed; an agent may be of another.
      const userIssuers = body.issuer === undefined ? issuers : [requireIssuer(body.issuer, 'issuer', issuers)];
      if (typeof user === 'object' && 'sub' in user && body.issuer !== undefined && user.issuer !== body.issuer)
        throw new BadRequest(USER_ISSUER_PROBLEM, 'user.issuer');
      const selectors = {
        ...requested,
        user: user === undefined ? undefined : resolveRevokedParty(user, 'user', userObject, userIssuers),
        agent: agent === undefined ? undefined : resolveRevokedParty(agent, 'agent', agentObject, issuers),
      };
      if (REVOCATION_SELECTORS.every((s) => body[s] === undefined) && issuedBefore === undefined)
        throw new BadRequest(`needs one of ${REVOCATION_SELECTORS.join(', ')} or issued_before`);
      const instant = issuedBefore === undefined ? undefined : parseInstant(issuedBefore);
      if (issuedBefore !== undefined && instant === undefined) throw new BadRequest(INSTANT_PROBLEM, 'issued_before');
      const now = service.now();
      // One token or session is revoked for good; for a user, agent or issuer only the tokens issued until now.
      const isPermanent = body.jti !== undefined || body.session !== undefined;
      // An issuer's clock may be ahead: a token issued just now may carry a slightly later time.
      const defaultLimit = isPermanent ? undefined : now.getTime() / 1000 + service.trust.issuers.clockLeeway;
      const revocation: Revocation = {
        id: uuid(),
        ...selectors,
        issuedBefore: instant === undefined ? defaultLimit : instant.getTime() / 1000,
        reason,
        revokedAt: now.toISOString(),
        revokedBy: formatCallerId(requireParty(request)),
      };
      await service.revocations.add(revocation);
      return reply.code(201).send(toRevocationJson(revocation));
    },
  });

  app.get('/v1/revocations', {
    schema: {
      tags: ['administration'],
      summary: 'Revocations, the newest first',
      querystring: revocationsQuery,
      response: { 200: z.object({ revocations: z.array(revocationFormat) }), ...inputErrors },
    },
    onRequest: admin,
    handler: async (request) => {
      const { limit } = request.query;
      return { revocations: (await service.revocations.list(limit)).map(toRevocationJson) };
    },
  });
}

export function sessionRoutes(app: TypedApp, service: Service): void {
  app.delete('/v1/sessions/:id', {
    schema: {
      tags: ['administration'],
      summary: 'End a session: a user’s own, or any for an admin; ending it again, or one unknown, is fine',
      params: sessionParams,
      response: { 204: z.undefined(), ...inputErrors },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const { id: session } = request.params;
      // A user ends only their own session; another user's session of the same name goes on.
      const selectors = { session, ...(caller.kind === 'user' ? { user: caller.user } : {}) };
      if (service.revocations.isRevokedForGood(selectors)) return reply.code(204).send();
      if (
        caller.kind === 'user' &&
        (await service.revocations.countBy(formatCallerId(caller))) >= MAX_REVOCATIONS_BY_USER
      )
        return reply
          .code(429)
          .send(
            createProblem(
              'too_many',
              `You have ended ${MAX_REVOCATIONS_BY_USER} sessions; ask to have all your tokens revoked.`,
            ),
          );
      await service.revocations.add({
        id: uuid(),
        ...selectors,
        revokedAt: service.now().toISOString(),
        revokedBy: formatCallerId(caller),
      });
      return reply.code(204).send();
    },
  });
}

function toRevocationJson({
  issuedBefore,
  revokedAt,
  revokedBy,
  ...rest
}: Revocation): z.infer<typeof revocationFormat> {
  return {
    ...rest,
    ...(issuedBefore === undefined ? {} : { issued_before: new Date(issuedBefore * 1000).toISOString() }),
    revoked_at: revokedAt,
    revoked_by: revokedBy,
  };
}
