/**
 * The limits of a question: those of its action, of each delegation that it came over, and of the consent that it rests on.
 * Which consent that is depends on what is left of each, so what may be charged is read first, and planned then.
 */
import {
  combinePlans,
  planCharges,
  planOwnerCharges,
  type ChargePlan,
  type LimitOwner,
} from '../govern/limits/charges.js';
import { toConsentOwner, toDelegationOwner } from '../govern/limits/grant-limits.js';
import { findRooms, hasRoom } from '../govern/limits/judge.js';
import type { Consent } from '../model/consents.js';
import type { Charge, LimitState } from '../model/limits.js';
import { findConsentEnd } from '../govern/consents/consent-state.js';
import type { ConsentFinding } from '../govern/consents/find-consent.js';
import { memoizeByObjects } from '../runtime/memoize.js';
import type { BoundQuestion } from './bound-question.js';
import { listDelegationLinks } from './delegation-links.js';
import type { Facts } from './step.js';

/** The grants that were read for a question. */
export type ReadGrants = Pick<Facts, 'delegationPath' | 'delegation' | 'delegationsFault' | 'consents'>;

/** The plan of what the question uses, resting on the consent that was found. */
export function planUse(bound: BoundQuestion, grants: ReadGrants, consent: ConsentFinding | undefined): ChargePlan {
  const rests = consent?.kind === 'found' || consent?.kind === 'used_up';
  const found = rests ? planConsent(bound, consent.consent) : undefined;
  const ofDelegations = listDelegationOwners(bound, grants).map((owner) => planOwnerCharges(owner, bound));
  return combinePlans([planCharges(bound), ...ofDelegations, ...(found === undefined ? [] : [found])]);
}

/** All charges to grants that the question could have, whichever consent it rests on. */
export function listPossibleCharges(bound: BoundQuestion, grants: ReadGrants): Charge[] {
  const ofDelegations = listDelegationOwners(bound, grants).flatMap((owner) => planOwnerCharges(owner, bound).charges);
  return [...ofDelegations, ...listConsentCharges(bound, grants)];
}

/** The charges of the consents that the question could rest on. Those that have ended are left out. */
export function listConsentCharges(bound: BoundQuestion, { consents }: Pick<ReadGrants, 'consents'>): Charge[] {
  if (consents === undefined || 'fault' in consents) return [];
  return consents
    .filter((consent) => findConsentEnd(consent, bound.now) === undefined)
    .flatMap((consent) => planConsent(bound, consent)?.charges ?? []);
}

/** Whether enough is left of a consent's limits. Where that isn't known, or nothing is charged, another isn't looked for. */
export function hasRoomFor(bound: BoundQuestion, consent: Consent, limits: Facts['limits']): boolean {
  const plan = planConsent(bound, consent);
  if (plan === undefined || limits === undefined || 'fault' in limits) return true;
  if (plan.problem !== undefined) return false;
  return findRooms(plan, limits).every(hasRoom);
}

/** Takes a later reading of some limits, and an earlier one of all others. */
export function renewLimits(before: Facts['limits'], later: LimitState): LimitState {
  if (before === undefined || 'fault' in before) return later;
  return { ...before, ...later, readings: { ...before.readings, ...later.readings } };
}

function listDelegationOwners(bound: BoundQuestion, grants: Omit<ReadGrants, 'consents'>): LimitOwner[] {
  if (grants.delegationsFault !== undefined) return [];
  return listDelegationLinks(bound, grants.delegationPath).flatMap((link) => {
    const state = grants.delegation(link);
    return state?.state === 'given' ? (toDelegationOwner(link, state) ?? []) : [];
  });
}

/** The plan of a question that rests on the consent; undefined where that has no limits. Finding, reading and reserving ask for it. */
const planConsent = memoizeByObjects((bound: BoundQuestion, consent: Consent): ChargePlan | undefined => {
  const { acting } = bound;
  const owner = acting.mode === 'delegated' ? toConsentOwner(consent, acting) : undefined;
  return owner === undefined ? undefined : planOwnerCharges(owner, bound);
});
