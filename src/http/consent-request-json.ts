/** Requests for consent in the API's JSON: what is asked, and how it is answered and decided. */
import { z } from 'zod';
import { describeNeed, type NeededItem, type SortedNeeds } from '../govern/consents/sort-needs.js';
import type { Rules } from '../policy/load.js';
import { grantLimitsFormat } from '../policy/schema/limits-format.js';
import { instantFormat } from '../runtime/instant-format.js';
import type { StoredConsentRequest } from '../store/consent-requests.js';
import { MAX_CONFIGURED_TOKEN_BYTES } from '../tokens/reading-rules.js';
import { idFormat } from './authzen-formats.js';
import { accessFormat, confirmFormat, consentDetailsFormat, shortTextFormat, textHashFormat } from './consent-json.js';
import { agentFormat, endMembers } from './grant-terms.js';
import { shownDetailFormat } from './shown-formats.js';

/** The actions that one request can be about. */
export const MAX_NEEDED_ITEMS = 64;
const EXAMPLE_NEED = { type: 'remit', actions: ['read'], resources: { type: 'calendar', permission: 'owner' } };
const EXAMPLE_ITEM = { titles: ['Read a calendar'], detail: EXAMPLE_NEED };
const EXAMPLE_ID = '4b0c6a1e-6f0d-4d57-9a53-6b8f7d1c2e11';

export const consentNeedsBody = z
  .strictObject({
    needs: consentDetailsFormat,
    purpose: shortTextFormat.optional().describe('What it is for, in the words of the agent: the user reads them'),
    task: shortTextFormat.optional(),
    access: accessFormat.default('online'),
    token: z
      .string()
      .min(1)
      .max(MAX_CONFIGURED_TOKEN_BYTES)
      .optional()
      .describe('For clients: the agent’s delegation token'),
    user: idFormat.optional().describe('For clients with `asserts_subject`, instead of a token'),
    agent: agentFormat.optional().describe('For clients with `asserts_subject`, instead of a token'),
  })
  .meta({ id: 'ConsentNeeds', examples: [{ needs: [EXAMPLE_NEED], purpose: 'Plan the week', access: 'online' }] });

const itemFormat = z.object({
  titles: z.array(z.string()).describe('As the schema has them'),
  detail: shownDetailFormat,
});
export const sortedNeedsFormat = z
  .object({
    id: z.uuid().optional().describe('Of the request; absent where nothing is missing'),
    have: z.array(itemFormat).describe('Consented to already'),
    missing: z.array(itemFormat).describe('What the user is asked for'),
    never: z.array(itemFormat).describe('Forbidden whatever the user says'),
    review_url: z
      .string()
      .optional()
      .describe('The address of the request: JSON, for the page at which the user reads and decides'),
  })
  .meta({
    id: 'ConsentNeedsAnswer',
    examples: [
      {
        id: EXAMPLE_ID,
        have: [],
        missing: [EXAMPLE_ITEM],
        never: [],
        review_url: `http://127.0.0.1:7480/v1/consents/requests/${EXAMPLE_ID}`,
      },
    ],
  });

export const consentRequestFormat = z
  .object({
    id: z.uuid(),
    user: z.string(),
    agent: z.string(),
    state: z.enum(['pending', 'granted', 'denied']),
    missing: z.array(itemFormat),
    access: accessFormat,
    purpose: z.string().optional(),
    task: z.string().optional(),
    asked_at: instantFormat,
    expires_at: instantFormat.describe('When it is forgotten'),
    consent: z.uuid().optional().describe('The consent that was given'),
    text: z.string().optional().describe('For the user: what they are to read'),
    text_sha256: z.string().optional(),
    locale: z.string().optional(),
  })
  .meta({
    id: 'ConsentRequestState',
    examples: [
      {
        id: EXAMPLE_ID,
        user: 'ann',
        agent: 'helper',
        state: 'pending',
        missing: [EXAMPLE_ITEM],
        access: 'online',
        asked_at: '2030-03-04T10:00:00Z',
        expires_at: '2030-03-11T10:00:00Z',
      },
    ],
  });
export type ConsentRequestJson = z.infer<typeof consentRequestFormat>;

export const consentDecisionBody = z
  .strictObject({
    decision: z.enum(['grant', 'deny']),
    items: z
      .array(
        z
          .int()
          .min(0)
          .max(MAX_NEEDED_ITEMS - 1),
      )
      .min(1)
      .max(MAX_NEEDED_ITEMS)
      .optional()
      .describe('The indexes of what is granted of `missing`; absent: all'),
    text_sha256: textHashFormat.optional().describe('The hash of the whole text, which a grant has to repeat'),
    ...endMembers,
    confirm: confirmFormat.optional(),
    limits: grantLimitsFormat.optional(),
  })
  .meta({
    id: 'ConsentDecision',
    examples: [{ decision: 'grant', items: [0], text_sha256: 'f'.repeat(64), ends: '2030-04-03T00:00:00Z' }],
  });
export type ConsentDecisionBody = z.infer<typeof consentDecisionBody>;

export function toItemsJson(items: readonly NeededItem[]): z.infer<typeof itemFormat>[] {
  return items.map(({ titles, detail }) => ({ titles: [...titles], detail: { ...detail } }));
}

export function toSortedNeedsJson(
  { have, never, missing }: SortedNeeds,
  request?: { readonly id: string; readonly url: string },
): z.infer<typeof sortedNeedsFormat> {
  return {
    ...(request === undefined ? {} : { id: request.id }),
    have: toItemsJson(have),
    missing: toItemsJson(missing),
    never: toItemsJson(never),
    ...(request === undefined ? {} : { review_url: request.url }),
  };
}

export function toConsentRequestJson(stored: StoredConsentRequest, rules: Rules): ConsentRequestJson {
  const { id, user, agent, state, request, asked, expires, consent } = stored;
  const { items, access, purpose, task } = request;
  return {
    id,
    user: user.id,
    agent: agent.id,
    state,
    missing: toItemsJson(items.map((detail) => describeNeed(detail, rules))),
    access,
    ...(purpose === undefined ? {} : { purpose }),
    ...(task === undefined ? {} : { task }),
    asked_at: asked,
    expires_at: expires,
    ...(consent === undefined ? {} : { consent }),
  };
}
