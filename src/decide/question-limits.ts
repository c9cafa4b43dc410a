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
import { findRooms } from '../govern/limits/judge.js';
import type { Consent } from '../model/consents.js';
import type { Charge, LimitState } from '../model/limits.js';
import type { ConsentFinding } from '../govern/consents/find-consent.js';
import type { BoundQuestion } from './bound-question.js';
import { listDelegationLinks } from './delegation-links.js';
import type { Facts } from './step.js';

/** The grants that were read for a question. */
export type ReadGrants = Pick<Facts, 'delegationPath' | 'delegation' | 'delegationsFault' | 'consents'>;

/** The plan of what the question uses, resting on the consent that was found. */
export function planUse(bound: BoundQuestion, grants: ReadGrants, consent: ConsentFinding | undefined): ChargePlan {
  const found = consent?.kind === 'found' ? findConsentOwner(bound, consent.consent) : undefined;
  const owners = [...listDelegationOwners(bound, grants), ...(found === undefined ? [] : [found])];
  return combinePlans([planCharges(bound), ...owners.map((owner) => planOwnerCharges(owner, bound))]);
}

/** All charges to grants that the question could have, whichever consent it rests on. */
export function listPossibleCharges(bound: BoundQuestion, grants: ReadGrants): Charge[] {
  const owners = [...listDelegationOwners(bound, grants), ...listConsentOwners(bound, grants)];
  return owners.flatMap((owner) => planOwnerCharges(owner, bound).charges);
}

/** The charges of the consents that the question could rest on. */
export function listConsentCharges(bound: BoundQuestion, grants: Pick<ReadGrants, 'consents'>): Charge[] {
  return listConsentOwners(bound, grants).flatMap((owner) => planOwnerCharges(owner, bound).charges);
}

/** Whether enough is left of a consent's limits. Where that isn't known, or nothing is charged, another isn't looked for. */
export function hasRoomFor(bound: BoundQuestion, consent: Consent, limits: Facts['limits']): boolean {
  const owner = findConsentOwner(bound, consent);
  if (owner === undefined || limits === undefined || 'fault' in limits || limits.retry?.kind === 'held') return true;
  const plan = planOwnerCharges(owner, bound);
  if (plan.problem !== undefined) return false;
  return findRooms(plan, limits).every(({ charge, remaining }) => charge.required <= remaining);
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

/** Those that have ended are left out: a question can't rest on them. */
function listConsentOwners(bound: BoundQuestion, { consents }: Pick<ReadGrants, 'consents'>): LimitOwner[] {
  if (consents === undefined || 'fault' in consents) return [];
  const now = bound.now.getTime();
  return consents.flatMap((consent) => {
    const { withdrawn, ends } = consent;
    const hasEnded = withdrawn !== undefined || (ends !== undefined && Date.parse(ends) <= now);
    return hasEnded ? [] : (findConsentOwner(bound, consent) ?? []);
  });
}

function findConsentOwner({ acting }: BoundQuestion, consent: Consent): LimitOwner | undefined {
  return acting.mode === 'delegated' ? toConsentOwner(consent, acting) : undefined;
}
