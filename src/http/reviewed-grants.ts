/** Ends what a decision rested on, where a review has found it wrong. */
import type { Service } from '../service/service.js';
import type { StoredReview } from '../store/reviews.js';
import { findVisibleDelegation } from './visible-delegations.js';

/** Ends the user's delegations to the agents that acted, and the consent that the decision names. @throws Fault */
export async function endBehind(service: Service, review: StoredReview | undefined, by: string): Promise<void> {
  if (review?.user === undefined) return;
  const { user, agents, decision } = review;
  for (const agent of agents) {
    const pair = { giver: user, agent };
    if ((await findVisibleDelegation(service, pair)) !== undefined) await service.delegations.end(pair, by);
  }
  const record = (await service.decisions.find(decision))?.record;
  // The record of a list has no steps.
  const steps = record !== undefined && 'rationale' in record ? record.rationale.steps : [];
  const consent = steps.find(({ step }) => step === 'consent')?.evidence['consent'];
  if (typeof consent === 'string') await service.consents.withdraw(user, consent, service.now(), by);
}
