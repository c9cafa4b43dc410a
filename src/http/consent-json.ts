/** Consents in the API's JSON: what a request may say of one, and how one is answered. */
import { z } from 'zod';
import { hasConsentEnded, readConsentState } from '../govern/consents/consent-state.js';
import type { ConsentTerms } from '../model/consents.js';
import { BadRequest } from '../model/faults.js';
import type { Rules } from '../policy/load.js';
import { instantFormat, utcInstantFormat } from '../runtime/instant-format.js';
import type { StoredConsent } from '../store/consent-rows.js';
import { grantLimitsFormat } from '../policy/schema/limits-format.js';
import { detailSchema } from '../tokens/claims.js';
import { agentFormat, endMembers, EXAMPLE_LIMIT, MAX_GRANTED_DETAILS } from './grant-terms.js';
import { shownConditionsFormat, shownDetailFormat, shownLimitFormat } from './shown-formats.js';

const MAX_CONDITIONS = 8;
const EXAMPLE_DETAILS = [
  { type: 'remit', actions: ['read'], resources: { type: 'calendar', permission: 'owner' }, purpose: 'scheduling' },
];

/** A text that people read: no control characters. */
export const shortTextFormat = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');
export const consentDetailsFormat = z
  .array(detailSchema)
  .min(1)
  .max(MAX_GRANTED_DETAILS)
  .describe('Entries of the type `remit` as in `authorization_details`, of which one must cover each question');
export const accessFormat = z
  .enum(['online', 'background'])
  .describe('What the agent does while the user is there, or what it does while they are not: never both');
export const confirmFormat = z.enum(['never', 'each']).describe('`each`: the user is asked each time');
const whenFormat = z
  .record(shortTextFormat, z.union([z.boolean(), z.number(), shortTextFormat]))
  .refine((when) => Object.keys(when).length > 0, 'must name a member')
  .refine((when) => Object.keys(when).length <= MAX_CONDITIONS, `must have at most ${MAX_CONDITIONS} members`)
  .describe('Members of the context that a client with `asserts_confirmation` has to state so');
export const textHashFormat = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')
  .describe(
    'The hash that came with the text that the user has read. It is of the text and of what the schemas say of its actions; another is 409 `text_changed`',
  );

export const consentBody = z
  .strictObject({
    agent: agentFormat,
    details: consentDetailsFormat,
    access: accessFormat.default('online'),
    confirm: confirmFormat.default('never'),
    when: whenFormat.optional(),
    limits: grantLimitsFormat.optional(),
    starts: utcInstantFormat.optional().describe('RFC 3339; absent: at once'),
    ...endMembers,
    purpose: shortTextFormat.optional(),
    task: shortTextFormat.optional().describe('Groups consents; decides nothing'),
    text_sha256: textHashFormat.optional(),
  })
  .meta({
    id: 'ConsentRequest',
    examples: [
      { agent: 'helper', details: EXAMPLE_DETAILS, ends: '2030-04-03T00:00:00Z' },
      { agent: 'helper', details: EXAMPLE_DETAILS, limits: [EXAMPLE_LIMIT], ends: '2030-04-03T00:00:00Z' },
    ],
  });
export type ConsentBody = z.infer<typeof consentBody>;

export const narrowedConsentBody = z
  .strictObject({
    details: consentDetailsFormat.optional(),
    confirm: confirmFormat.optional(),
    when: whenFormat.optional(),
    limits: grantLimitsFormat.optional(),
    starts: utcInstantFormat.optional(),
    ends: utcInstantFormat.optional(),
  })
  .describe('What is not said stays. Nothing can become wider: give a new consent for that')
  .meta({ id: 'ConsentChange', examples: [{ ends: '2030-03-10T00:00:00Z' }, { confirm: 'each' }] });

const evidenceFormat = z.object({
  surface: z.string().describe('The application that the user’s token was issued to'),
  text_sha256: z.string(),
  locale: z.string(),
  decided_at: instantFormat,
});

export const consentFormat = z
  .object({
    id: z.uuid(),
    agent: z.string(),
    details: z.array(shownDetailFormat),
    access: accessFormat,
    confirm: confirmFormat,
    when: shownConditionsFormat.optional(),
    limits: z.array(shownLimitFormat),
    starts: instantFormat,
    ends: instantFormat.optional(),
    until_ended: z.literal(true).optional(),
    purpose: z.string().optional(),
    task: z.string().optional(),
    evidence: evidenceFormat,
    state: z.enum(['active', 'suspended', 'withdrawn', 'expired']),
  })
  .meta({
    id: 'Consent',
    examples: [
      {
        id: '4b0c6a1e-6f0d-4d57-9a53-6b8f7d1c2e11',
        agent: 'helper',
        details: EXAMPLE_DETAILS,
        access: 'online',
        confirm: 'never',
        limits: [],
        starts: '2030-03-04T10:00:00.000Z',
        ends: '2030-04-03T00:00:00.000Z',
        evidence: {
          surface: 'portal',
          text_sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
          locale: 'en',
          decided_at: '2030-03-04T10:00:00.000Z',
        },
        state: 'active',
      },
    ],
  });
export type ConsentJson = z.infer<typeof consentFormat>;

export const consentTextFormat = z
  .object({ text: z.string(), text_sha256: z.string(), locale: z.string().describe('Of the text: `en`') })
  .meta({ id: 'ConsentText' });

/** A language tag (BCP 47). Texts are rendered in the nearest language that there is. */
export const localeFormat = z
  .string()
  .min(1)
  .max(64)
  .refine((tag) => isLanguageTag(tag), 'must be a language tag such as "en" or "de-AT"');

function isLanguageTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

export function toConsentJson({ agent, consent, evidence }: StoredConsent, now: Date, rules: Rules): ConsentJson {
  const { id, details, access, confirm, when, limits = [], starts, ends, purpose, task } = consent;
  return {
    id,
    agent: agent.id,
    details: details.map((detail) => ({ ...detail })),
    access,
    confirm,
    ...(when === undefined ? {} : { when: { ...when } }),
    limits: limits.map((limit) => ({ ...limit })),
    starts,
    ...(ends === undefined ? { until_ended: true } : { ends }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(task === undefined ? {} : { task }),
    evidence,
    state: readConsentState(consent, now, rules),
  };
}

/** @throws BadRequest where it would end before it begins */
export function checkConsentPeriod({ starts, ends }: Pick<ConsentTerms, 'starts' | 'ends'>): void {
  if (ends !== undefined && Date.parse(ends) <= Date.parse(starts))
    throw new BadRequest('must lie before the end', 'starts');
}

/** Whether nothing can change the consent any more. */
export function isOver({ consent }: StoredConsent, now: Date, rules: Rules): boolean {
  return hasConsentEnded(readConsentState(consent, now, rules));
}

/** Refuses what the database can't store and people can't read. @throws BadRequest naming the member */
export function checkPlainTexts(value: unknown, place: string): void {
  if (typeof value === 'string' && /\p{Cc}/u.test(value))
    throw new BadRequest('must not contain control characters', place);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (/\p{Cc}/u.test(name)) throw new BadRequest('must not have a member with control characters in its name', place);
    checkPlainTexts(member, Array.isArray(value) ? `${place}[${name}]` : `${place}.${name}`);
  }
}
