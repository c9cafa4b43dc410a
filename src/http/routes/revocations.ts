/** `/v1/revocations` and `/v1/sessions/{id}`: taking back tokens and ending sessions, at once. */
import type { FastifyInstance } from 'fastify';
import { v7 as uuid } from 'uuid';
import { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { decodeId } from '../../model/ids.js';
import { instantOf } from '../../model/instants.js';
import { callerId } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { Revocation } from '../../model/revocations.js';
import { CLOCK_SKEW_SECONDS } from '../../tokens/verify.js';
import { id } from '../authzen-request.js';
import { partyOf, admitted } from '../edge/authentication.js';
import { problem, problemBody } from '../edge/errors.js';

const text = z
  .string()
  .min(1)
  .max(1024)
  .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), 'must not contain control characters');
const members = {
  issuer: text.optional().describe('The `iss` of the token'),
  jti: text.optional(),
  user: id.optional().describe('As the graph knows it, with the issuer’s alias where it has one: `ann` or `user:ann`'),
  agent: id.optional().describe('The acting agent, or any before it in the chain'),
  session: text.optional().describe('`sid` or `txn`: the session ends'),
  issued_before: z.string().optional().describe('RFC 3339: tokens that were issued later are not meant'),
};
const body = z
  .strictObject({ ...members, reason: z.string().max(1000).optional() })
  .describe('All that is given must fit a token: a user with an agent means that pair')
  .meta({ id: 'RevocationRequest' });
const revocation = z
  .object({ id: z.uuid(), ...members, reason: z.string().optional(), revoked_at: z.string(), revoked_by: z.string() })
  .meta({ id: 'Revocation' });
const query = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(100) });
const params = z.object({ id: text });

const TAG = ['administration'];
const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 503: problemBody };
/** What is revoked is kept for good, so nobody outside may add to it without end. */
export const MAX_OF_A_USER = 1000;
const SELECTORS = ['issuer', 'jti', 'user', 'agent', 'session'] as const;

export function revocationRoutes(app: FastifyInstance, service: Service): void {
  const admin = admitted(app, service, ['admin']);

  app.post('/v1/revocations', {
    schema: {
      tags: TAG,
      summary: 'Take tokens back: in force when it is answered',
      body,
      response: { 201: revocation, ...errors },
    },
    onRequest: admin,
    handler: async (request, reply) => {
      const asked = request.body as z.infer<typeof body>;
      const { issued_before: before, reason, ...named } = asked;
      const { userObject, agentObject } = service.rules().vocabulary;
      const selectors = { ...named, user: idOf(asked.user, userObject), agent: idOf(asked.agent, agentObject) };
      if (SELECTORS.every((s) => asked[s] === undefined) && before === undefined)
        throw new BadRequest(`needs one of ${SELECTORS.join(', ')} or issued_before`);
      const at = before === undefined ? undefined : instantOf(before);
      if (before !== undefined && at === undefined) throw new BadRequest('must be an RFC 3339 time', 'issued_before');
      const now = service.now();
      // One token and one session are over for good; of people and agents it is the tokens that are out now.
      const final = asked.jti !== undefined || asked.session !== undefined;
      // An issuer's clock may be ahead: a token that was issued just now may be dated a little later.
      const soon = final ? undefined : now.getTime() / 1000 + CLOCK_SKEW_SECONDS;
      const stored: Revocation = {
        id: uuid(),
        ...selectors,
        issuedBefore: at === undefined ? soon : at.getTime() / 1000,
        reason,
        revokedAt: now.toISOString(),
        revokedBy: callerId(partyOf(request)),
      };
      await service.revocations.add(stored);
      return reply.code(201).send(toJson(stored));
    },
  });

  app.get('/v1/revocations', {
    schema: {
      tags: TAG,
      summary: 'Revocations, the newest first',
      querystring: query,
      response: { 200: z.object({ revocations: z.array(revocation) }), ...errors },
    },
    onRequest: admin,
    handler: async (request) => {
      const { limit } = request.query as z.infer<typeof query>;
      return { revocations: (await service.revocations.list(limit)).map(toJson) };
    },
  });
}

export function sessionRoutes(app: FastifyInstance, service: Service): void {
  app.delete('/v1/sessions/:id', {
    schema: {
      tags: TAG,
      summary: 'End a session: a user’s own, or any for an admin; ending it again, or one unknown, is fine',
      params,
      response: { 204: z.undefined(), 429: problemBody, ...errors },
    },
    onRequest: admitted(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = partyOf(request);
      const { id: session } = request.params as z.infer<typeof params>;
      // A user ends what is theirs: of a session of the same name of somebody else's nothing changes.
      const selectors = { session, ...(caller.kind === 'user' ? { user: caller.user } : {}) };
      if (service.revocations.has(selectors)) return reply.code(204).send();
      if (caller.kind === 'user' && (await service.revocations.countBy(callerId(caller))) >= MAX_OF_A_USER)
        return reply
          .code(429)
          .send(problem('too_many', `You have ended ${MAX_OF_A_USER} sessions; ask to have all your tokens revoked.`));
      await service.revocations.add({
        id: uuid(),
        ...selectors,
        revokedAt: service.now().toISOString(),
        revokedBy: callerId(caller),
      });
      return reply.code(204).send();
    },
  });
}

/** `user:ann`, as rationales and relationships have it, means `ann`. */
function idOf(given: string | undefined, object: string | undefined): string | undefined {
  const prefix = `${object ?? ''}:`;
  if (given === undefined || object === undefined || !given.startsWith(prefix)) return given;
  const id = given.slice(prefix.length);
  try {
    return decodeId(id);
  } catch {
    return id;
  }
}

function toJson({ issuedBefore, revokedAt, revokedBy, ...rest }: Revocation): z.infer<typeof revocation> {
  return {
    ...rest,
    ...(issuedBefore === undefined ? {} : { issued_before: new Date(issuedBefore * 1000).toISOString() }),
    revoked_at: revokedAt,
    revoked_by: revokedBy,
  };
}
