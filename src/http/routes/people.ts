/** `DELETE /v1/people/{type}/{id}`: erases a person, for an admin or for the person themselves. */
import { z } from 'zod';
import type { Service } from '../../service/service.js';
import { idFormat, nameFormat } from '../authzen-formats.js';
import { authenticate } from '../edge/authentication.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { hasSignedInLately, sendSignInNeeded } from '../edge/recent-sign-in.js';
import { requireParty } from '../edge/request-party.js';
import type { TypedApp } from '../typed-app.js';

const personParams = z.object({
  type: nameFormat.describe('The type of users, or one that is marked `@person`'),
  id: idFormat,
});

export function personRoutes(app: TypedApp, service: Service): void {
  app.delete('/v1/people/:type/:id', {
    schema: {
      tags: ['administration'],
      summary:
        'Erase a person: what is stored of them goes, and records no longer say whose they were. People who erase themselves need a sign-in of the last five minutes (401 `insufficient_user_authentication` asks for it). Asking again finishes what was interrupted',
      params: personParams,
      response: { 204: z.undefined().describe('Erased'), ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const { userObject, personObjects } = service.activePolicies.rules.vocabulary;
      const person = request.params;
      const isOwn = caller.kind === 'user' && person.type === userObject && person.id === caller.user;
      // Others' ids are to a user as if there were none.
      if (!(caller.kind === 'client' || isOwn) || !personObjects.has(person.type))
        return reply.code(404).send(createProblem('not_found', 'There is no such person.'));
      // It can't be undone, so that a token which somehow got about isn't enough.
      if (caller.kind === 'user' && !hasSignedInLately(caller, service.now())) return sendSignInNeeded(reply);
      await service.personEraser.erase(person, caller.kind === 'client' ? caller.client.id : undefined);
      return reply.code(204).send();
    },
  });
}
