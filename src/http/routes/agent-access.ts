/** `DELETE /v1/agents/{id}/access`: stops everything that an agent does for a user. */
import { v7 as uuid } from 'uuid';
import { z } from 'zod';
import { BadRequest } from '../../model/faults.js';
import { formatCallerId } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import { idFormat } from '../authzen-formats.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireParty } from '../edge/request-party.js';
import { readPartyReference, requireGrantObjects } from '../grant-parties.js';
import { resolveRevokedParty } from '../revoked-party.js';
import type { TypedApp } from '../typed-app.js';
import { findVisibleDelegation } from '../visible-delegations.js';
import { MAX_REVOCATIONS_BY_USER } from './revocations.js';

const accessParams = z.object({
  id: z.string().min(1).max(4096).describe('The agent: `mail-bot` or `agent:mail-bot`'),
});
const accessQuery = z.strictObject({
  user: idFormat.optional().describe('For admins: the user, `ann` or `user:ann`'),
});

export function agentAccessRoutes(app: TypedApp, service: Service): void {
  app.delete('/v1/agents/:id/access', {
    schema: {
      tags: ['delegations'],
      summary:
        'Stop an agent for a user: its delegation, consents, requests and approvals end and its tokens are revoked, before this is answered',
      params: accessParams,
      querystring: accessQuery,
      response: { 204: z.undefined(), ...inputErrors, 404: problemFormat },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const { userObject, agentObject } = requireGrantObjects(service);
      const { user: named } = request.query;
      if (caller.kind === 'user' && named !== undefined && named !== caller.user)
        throw new BadRequest('There is no such user.', 'user', 404, 'not_found');
      const user = caller.kind === 'user' ? caller.user : named && readNamedUser(named, userObject);
      if (user === undefined) throw new BadRequest('is required: the user for whom the agent is stopped', 'user');
      const pair = {
        giver: { type: userObject, id: user },
        agent: readPartyReference(request.params.id, agentObject, 'id'),
      };
      const by = formatCallerId(caller);
      if (caller.kind === 'user' && (await isBeyondLimit(pair, by)))
        return reply
          .code(429)
          .send(createProblem('too_many', 'You have stopped too many agents that you had delegated nothing to.'));
      const now = service.now();
      const revocation = {
        id: uuid(),
        user,
        agent: pair.agent.id,
        // An issuer's clock may be ahead: a token issued just now may carry a slightly later time.
        issuedBefore: now.getTime() / 1000 + service.trust.issuers.clockLeeway,
        revokedAt: now.toISOString(),
        revokedBy: by,
      };
      await service.delegations.stop(pair, revocation, by);
      await service.elevations.sweepOrLeave();
      return reply.code(204).send();
    },
  });

  /** The user as answers name them, with or without their type. @throws BadRequest where no token can name them */
  function readNamedUser(text: string, type: string): string {
    const { id } = readPartyReference(text, type, 'user');
    return resolveRevokedParty({ id }, 'user', type, service.trust.issuers.list());
  }

  /** Revocations are kept for good. An agent that has a delegation can always be stopped: of those there is a limit. */
  async function isBeyondLimit(pair: Parameters<typeof findVisibleDelegation>[1], by: string): Promise<boolean> {
    if ((await service.revocations.countBy(by)) < MAX_REVOCATIONS_BY_USER) return false;
    return (await findVisibleDelegation(service, pair)) === undefined;
  }
}
