/** Delegations in the API's JSON: what a request may say of one, and how one is answered. */
import { z } from 'zod';
import { DELEGATOR_RELATION, type DelegationBounds, type DelegationPair } from '../model/delegations.js';
import { BadRequest } from '../model/faults.js';
import type { Relationship } from '../model/relationships.js';
import { instantFormat } from '../runtime/instant-format.js';
import type { StoredDelegation } from '../store/delegations.js';
import { countWithin } from '../govern/narrow-delegation.js';
import { completeLimits, grantLimitsFormat } from '../policy/schema/limits-format.js';
import { detailSchema } from '../tokens/claims.js';
import { idFormat } from './authzen-formats.js';
import { agentFormat, endMembers, EXAMPLE_LIMIT, MAX_GRANTED_DETAILS, readEnd } from './grant-terms.js';
import { shownDetailFormat, shownLimitFormat } from './shown-formats.js';

const EXAMPLE_DETAIL = {
  type: 'remit',
  actions: ['read'],
  resources: { type: 'employee', permission: 'manage' },
};
const EXAMPLE = { agent: 'mail-bot', ends: '2030-04-03T00:00:00Z', online: true, background: false };

const detailsFormat = z
  .array(detailSchema)
  .min(1, 'must name something: without "details" the delegation is for everything')
  .max(MAX_GRANTED_DETAILS)
  .describe('Entries of `authorization_details`, of which one must cover each question; absent: everything');
const boundsMembers = {
  ...endMembers,
  online: z.boolean().optional().describe('Whether the agent may act while the user is there; default true'),
  background: z.boolean().optional().describe('Whether it may while the user is not; default false'),
  details: detailsFormat.optional(),
  limits: grantLimitsFormat.optional(),
};

export const givenDelegationBody = z
  .strictObject({
    agent: agentFormat,
    user: idFormat.optional().describe('For clients that may `delegate`: the user in whose name'),
    ...boundsMembers,
  })
  .meta({
    id: 'DelegationRequest',
    examples: [EXAMPLE, { ...EXAMPLE, details: [EXAMPLE_DETAIL], limits: [EXAMPLE_LIMIT] }],
  });
export type GivenDelegationBody = z.infer<typeof givenDelegationBody>;

export const narrowedDelegationBody = z
  .strictObject(boundsMembers)
  .describe('What is not said stays. Nothing can become wider: give the delegation anew for that')
  .meta({ id: 'DelegationChange', examples: [{ ends: '2030-03-10T00:00:00Z' }, { background: false }] });
export type NarrowedDelegationBody = z.infer<typeof narrowedDelegationBody>;

export const delegationFormat = z
  .object({
    agent: z.string(),
    user: z.string(),
    ends: instantFormat.optional(),
    until_ended: z.literal(true).optional(),
    online: z.boolean(),
    background: z.boolean(),
    details: z.array(shownDetailFormat).optional(),
    limits: z.array(shownLimitFormat).optional().describe('Absent where there are none'),
    given_by: z
      .string()
      .describe('`user`, the id of the client (`client:portal`), or `administrator` for a mere relationship'),
    given_at: instantFormat.optional(),
    conditional: z.literal(true).optional().describe('Whether it depends on a condition that an administrator made'),
  })
  .meta({
    id: 'Delegation',
    examples: [{ ...EXAMPLE, user: 'ann', given_by: 'user', given_at: '2030-03-04T10:00:00Z' }],
  });
export type DelegationJson = z.infer<typeof delegationFormat>;

/** A delegation as its user sees it: a row of the database, or a relationship alone, which narrows nothing. */
export interface VisibleDelegation extends DelegationPair {
  readonly bounds: DelegationBounds;
  /** undefined for a relationship alone. */
  readonly stored: StoredDelegation | undefined;
  /** The version of the row that a change takes the place of, a mark of what was ended among them; undefined: there is none. */
  readonly version: string | undefined;
  /** Whether the relationship has a caveat. */
  readonly conditional: boolean;
}

export function fromStored(stored: StoredDelegation): VisibleDelegation {
  return {
    giver: stored.giver,
    agent: stored.agent,
    bounds: stored.bounds,
    stored,
    version: stored.version,
    conditional: false,
  };
}

/** @returns undefined where the relationship is none of a user to an agent */
export function fromRelationship(relationship: Relationship): VisibleDelegation | undefined {
  const { resource, relation, subject, wildcard, caveat, expiresAt } = relationship;
  if (relation !== DELEGATOR_RELATION || subject.relation !== undefined || wildcard === true) return undefined;
  const bounds = { ...(expiresAt === undefined ? {} : { ends: expiresAt }), online: true, background: true };
  const giver = { type: subject.type, id: subject.id };
  return { giver, agent: resource, bounds, stored: undefined, version: undefined, conditional: caveat !== undefined };
}

export function toDelegationJson({ giver, agent, bounds, stored, conditional }: VisibleDelegation): DelegationJson {
  const { ends, online, background, details, limits } = bounds;
  return {
    agent: agent.id,
    user: giver.id,
    ...(ends === undefined ? { until_ended: true } : { ends }),
    online,
    background,
    ...(details === undefined ? {} : { details: details.map((detail) => ({ ...detail })) }),
    ...(limits === undefined ? {} : { limits: limits.map((limit) => ({ ...limit })) }),
    given_by: describeMaker(stored?.madeBy),
    ...(stored === undefined ? {} : { given_at: stored.madeAt }),
    ...(conditional ? { conditional } : {}),
  };
}

function describeMaker(madeBy: string | undefined): string {
  if (madeBy === undefined) return 'administrator';
  return madeBy.startsWith('user:') ? 'user' : `client:${madeBy}`;
}

/** The bounds that a request gives. @throws BadRequest naming the member */
export function readBounds(body: GivenDelegationBody, now: Date): DelegationBounds {
  const { online = true, background = false, details, limits = [] } = body;
  const ends = readEnd(body, now);
  return requireAccess({
    ...(ends === undefined ? {} : { ends }),
    online,
    background,
    ...(details === undefined ? {} : { details }),
    ...countWithin(completeLimits(limits)),
  });
}

/** @throws BadRequest where the agent could never act */
export function requireAccess(bounds: DelegationBounds): DelegationBounds {
  if (!bounds.online && !bounds.background)
    throw new BadRequest('and "background" can not both be false: end the delegation for that', 'online');
  return bounds;
}
