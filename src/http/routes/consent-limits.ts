/** `/v1/consents/limits`: what is left of the limits that a user has set. */
import { z } from 'zod';
import { readConsentState } from '../../govern/consents/consent-state.js';
import { hasEnded } from '../../govern/delegation-keeper.js';
import { toConsentOwner, toDelegationOwner } from '../../govern/limits/grant-limits.js';
import { toStatedQuantity } from '../../govern/limits/judge.js';
import {
  readRemaining,
  splitLimits,
  type GrantLimit,
  type RemainingLimit,
} from '../../govern/limits/list-remaining.js';
import type { EntityRef } from '../../model/ids.js';
import { amountFormat } from '../../policy/schema/limits-format.js';
import { instantFormat } from '../../runtime/instant-format.js';
import type { Service } from '../../service/service.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { inputErrors } from '../edge/errors.js';
import { requireUser } from '../edge/request-party.js';
import { readPartyReference, requireGrantObjects, userReference } from '../grant-parties.js';
import { agentFormat, EXAMPLE_LIMIT } from '../grant-terms.js';
import { MAX_PAGE_LIMIT, nextPageFormat, PageTokens } from '../page-token.js';
import { queryNumber } from '../query-number.js';
import { shownLimitFormat } from '../shown-formats.js';
import type { TypedApp } from '../typed-app.js';

const DEFAULT_LIMITS = 200;
/** Pages that are looked through at one time; one caller alone has half of them. */
const MAX_LIMIT_LISTINGS = 4;

const limitsQuery = z.strictObject({
  agent: agentFormat.optional(),
  limit: queryNumber(1, MAX_PAGE_LIMIT, DEFAULT_LIMITS),
  page_token: z.string().max(4096).optional().describe('`page.next_token` of the page before'),
});
const remainingLimitFormat = z.object({
  consent: z.uuid().optional().describe('The consent that has the limit'),
  delegation: z.string().optional().describe('The agent of the delegation that has the limit'),
  limit: shownLimitFormat.describe('As it was set'),
  remaining: z
    .union([z.int().min(0), amountFormat])
    .describe('How many uses, or how much, there is room for now; what is reserved counts as used'),
  resets_at: instantFormat.optional().describe('When there is more; absent where that never comes, or all is left'),
});
const remainingLimitsFormat = z
  .object({
    limits: z.array(remainingLimitFormat),
    page: nextPageFormat.optional().describe('Absent at the end'),
  })
  .meta({
    id: 'RemainingLimits',
    examples: [
      {
        limits: [
          { delegation: 'mail-bot', limit: EXAMPLE_LIMIT, remaining: 17, resets_at: '2030-03-05T10:00:00.000Z' },
          {
            consent: '4b0c6a1e-6f0d-4d57-9a53-6b8f7d1c2e11',
            limit: { amount: { value: 50000, unit: 'EUR', decimals: 2 }, per: 'P1M', window: 'calendar' },
            remaining: { value: 12550, unit: 'EUR', decimals: 2 },
            resets_at: '2030-04-01T00:00:00.000Z',
          },
        ],
      },
    ],
  });

export function consentLimitRoutes(app: TypedApp, service: Service): void {
  const pageTokens = new PageTokens(service.secret);
  const listings = new CallPlaces(MAX_LIMIT_LISTINGS, service.deadlineMs);

  app.get('/v1/consents/limits', {
    schema: {
      tags: ['consents'],
      summary: 'What is left of the limits in the delegations and consents of the user that are in force',
      querystring: limitsQuery,
      response: { 200: remainingLimitsFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, [], { users: true }),
    handler: async (request) => {
      const { user } = requireUser(request);
      const { agent: named, limit, page_token: token } = request.query;
      const query = { list: 'consent-limits', caller: user, agent: named };
      const after = pageTokens.decode({ token }, query, 'page_token');
      const agent =
        named === undefined ? undefined : readPartyReference(named, requireGrantObjects(service).agentObject, 'agent');
      return listings.run(request, async () => {
        const all = await listGrantLimits(userReference(service, user), agent);
        const rest = after === undefined ? all : all.filter((one) => readPlace(one) > after);
        const shown = rest.slice(0, limit);
        const read = await readRemaining(shown, service.limits, service.now());
        const last = rest.length > shown.length ? shown.at(-1) : undefined;
        return {
          limits: read.map(toRemainingJson),
          ...(last === undefined ? {} : { page: pageTokens.encode(readPlace(last), query) }),
        };
      });
    },
  });

  /** Lists the limits in force by their places. @param agent only those for it */
  async function listGrantLimits(user: EntityRef, agent: EntityRef | undefined): Promise<GrantLimit[]> {
    const now = service.now();
    const { rules } = service.activePolicies;
    const [delegations, consents] = await Promise.all([
      service.delegationStore.list(user),
      service.consents.list(user, agent),
    ]);
    const ofDelegations = delegations.flatMap((stored) => {
      const { bounds, state } = stored;
      if (state !== 'given' || hasEnded(stored, now) || (agent !== undefined && stored.agent.id !== agent.id))
        return [];
      return splitLimits(toDelegationOwner(stored, bounds), bounds.limits);
    });
    const ofConsents = consents
      // What is suspended allows nothing, so nothing is left of it.
      .filter(({ consent }) => readConsentState(consent, now, rules) === 'active')
      .flatMap((stored) => splitLimits(toConsentOwner(stored.consent, stored), stored.consent.limits));
    return [...ofDelegations, ...ofConsents].sort((a, b) => (readPlace(a) < readPlace(b) ? -1 : 1));
  }
}

/** The place of a limit in the list, which stays while others come and go. */
function readPlace({ owner: { grant }, index }: GrantLimit): string {
  return `${grant?.kind === 'delegation' ? 0 : 1} ${grant?.id ?? ''} ${String(index).padStart(2, '0')}`;
}

function toRemainingJson({ owner, stated, room }: RemainingLimit): z.infer<typeof remainingLimitFormat> {
  const { grant, agent } = owner;
  const { charge, remaining, resetsAt } = room;
  return {
    ...(grant?.kind === 'consent' ? { consent: grant.id } : { delegation: agent?.id ?? '' }),
    limit: { ...stated },
    remaining: toStatedQuantity({ ...charge.limit.bound, value: remaining }) as z.infer<
      typeof remainingLimitFormat
    >['remaining'],
    ...(resetsAt === undefined ? {} : { resets_at: resetsAt }),
  };
}
