/** `/v1/usage`: how agents used what they were granted, for the user who granted it and for administrators. */
import { z } from 'zod';
import type { DecisionRecord } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import type { EntityRef } from '../../model/ids.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { AuthenticatedParty } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import { idFormat } from '../authzen-formats.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { inputErrors, problemFormat } from '../edge/errors.js';
import { requireParty } from '../edge/request-party.js';
import type { UsageParties } from '../granted-rights.js';
import { readPartyReference, requireGrantObjects } from '../grant-parties.js';
import { queryNumber } from '../query-number.js';
import type { TypedApp } from '../typed-app.js';
import { usageFormat } from '../usage-json.js';
import { reportUsage } from '../usage-report.js';
import { toOwnDecision } from '../user-decision-json.js';
import { requireReadValues } from '../values-permission.js';

const MAX_USAGE_DAYS = 365;
const DEFAULT_USAGE_DAYS = 30;
const USAGE_DAY_MS = 86_400_000;
/** Reports that are made at one time; one caller has one made. */
const MAX_USAGE_CALLS = 2;
/** The longest that a report takes. It reads and decides many times what one decision does, beside all others. */
const USAGE_MS = 10_000;

const usageQuery = z.strictObject({
  user: idFormat.optional().describe('For admins: the user, as `ann` or `user:ann`'),
  agent: idFormat.optional().describe('The agent, as `notes-bot` or `agent:notes-bot`'),
  days: queryNumber(1, MAX_USAGE_DAYS, DEFAULT_USAGE_DAYS).describe('The days up to now that it is about'),
});

export function usageRoutes(app: TypedApp, service: Service): void {
  const places = new CallPlaces(MAX_USAGE_CALLS, USAGE_MS);

  app.get('/v1/usage', {
    schema: {
      tags: ['decisions'],
      summary:
        'How agents used what they were granted: what they never used, did for the first time and were denied, and the narrowest details that would have covered what they did. A user’s own, or, for an admin that may `read_values`, that of a user or an agent',
      querystring: usageQuery,
      response: { 200: usageFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest: authenticate(app, service, ['admin'], { users: true }),
    handler: async (request) => {
      const caller = requireParty(request);
      const isUser = caller.kind === 'user';
      // The report names people and things of the records' values.
      if (caller.kind === 'client') requireReadValues(caller.client);
      const { days } = request.query;
      const question = {
        ...readUsageParties(service, caller, request.query),
        periodMs: days * USAGE_DAY_MS,
        readsOwnOnly: isUser,
        tellReason: isUser ? tellUserReason : tellAdminReason,
        withinMs: USAGE_MS,
      };
      return places.run(request, () => reportUsage(service, question), { rests: true });
    },
  });
}

/** @throws BadRequest where an admin names neither; 404 where a user names another */
function readUsageParties(
  service: Service,
  caller: AuthenticatedParty,
  query: { readonly user?: string | undefined; readonly agent?: string | undefined },
): UsageParties {
  const { userObject, agentObject } = requireGrantObjects(service);
  const read = (text: string | undefined, type: string, place: string): EntityRef | undefined =>
    text === undefined ? undefined : readPartyReference(text, type, place);
  const [user, agent] = [read(query.user, userObject, 'user'), read(query.agent, agentObject, 'agent')];
  if (caller.kind !== 'user') {
    if (user === undefined && agent === undefined) throw new BadRequest('is required, or "agent" is', 'user');
    return { user, agent };
  }
  if (user !== undefined && user.id !== caller.user)
    throw new BadRequest('There is no such user.', 'user', 404, 'not_found');
  return { user: { type: userObject, id: caller.user }, agent };
}

function tellAdminReason({ reasons }: DecisionRecord): ReasonCode | undefined {
  return reasons[0]?.code;
}

/** A user is told no more than by the record itself. */
function tellUserReason(record: DecisionRecord): ReasonCode | undefined {
  return toOwnDecision(record, undefined, () => undefined).reasons?.[0]?.code;
}
