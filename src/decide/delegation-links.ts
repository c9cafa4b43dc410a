/** The links that a delegation came over, from the user to the acting agent: what is read of each, before it is judged. */
import type { ActingParties } from '../model/acting.js';
import type { CheckRequest } from '../model/checks.js';
import { DELEGATOR_RELATION, delegationKey, type DelegationPair } from '../model/delegations.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import { parseCheckKey } from '../graph/relationship-text.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { BoundQuestion } from './bound-question.js';
import { buildDetailChecks } from './permission-checks.js';
import type { Facts } from './step.js';

/** The check that the user has delegated to the agent directly; undefined where no agent acts for a user. */
export function buildDelegationCheck(acting: ActingParties): CheckRequest | undefined {
  if (acting.mode !== 'delegated') return undefined;
  return { resource: acting.agent, permission: DELEGATOR_RELATION, subject: acting.user };
}

/** The links of the path; the one from the user to the acting agent where the user has delegated to it directly. */
export function listDelegationLinks(
  { acting }: Pick<BoundQuestion, 'acting'>,
  delegationPath: DelegationPathResult | undefined,
): DelegationPair[] {
  if (acting.mode !== 'delegated') return [];
  if (delegationPath?.kind !== 'path') return [{ giver: acting.user, agent: acting.agent }];
  return delegationPath.path.map((text) => {
    const check = parseCheckKey(text);
    if (check === undefined) throw new TypeError(`${text} is no link of a delegation`);
    return { giver: check.subject, agent: check.resource };
  });
}

/**
 * The agents of whom none may be one that the user has stopped: those that the token says the question came through, and those
 * that the delegation was passed on over, the acting agent among them. Whom the user has delegated to directly isn't one.
 */
export function listPassingAgents(
  acting: ActingParties,
  delegationPath: DelegationPathResult | undefined,
): EntityRef[] {
  if (acting.mode !== 'delegated') return [];
  const passedOn =
    delegationPath?.kind === 'path' ? listDelegationLinks({ acting }, delegationPath).map(({ agent }) => agent) : [];
  return [...new Map([...acting.chain, ...passedOn].map((agent) => [formatRef(agent), agent])).values()];
}

/** All delegations to read: the links, and what the user has to do directly with each agent that passes something on. */
export function listDelegationPairs(
  bound: Pick<BoundQuestion, 'acting'>,
  delegationPath: DelegationPathResult | undefined,
): DelegationPair[] {
  const { acting } = bound;
  const links = listDelegationLinks(bound, delegationPath);
  if (acting.mode !== 'delegated') return links;
  const direct = listPassingAgents(acting, delegationPath).map((agent) => ({ giver: acting.user, agent }));
  return [...new Map([...links, ...direct].map((pair) => [delegationKey(pair), pair])).values()];
}

/** The checks of the permissions by which the links' details name resources. */
export function listDelegationChecks(
  bound: BoundQuestion,
  delegationPath: DelegationPathResult | undefined,
  delegation: Facts['delegation'],
): CheckRequest[] {
  const states = listDelegationLinks(bound, delegationPath).map(delegation);
  return states.flatMap((state) => (state?.state === 'given' ? buildDetailChecks(bound, state.details) : []));
}

/** The instants at which links end without a write, RFC 3339. */
export function listDelegationEnds(
  bound: Pick<BoundQuestion, 'acting'>,
  { delegationPath, delegation, delegationsFault }: Pick<Facts, 'delegationPath' | 'delegation' | 'delegationsFault'>,
): string[] {
  if (delegationsFault !== undefined) return [];
  const states = listDelegationLinks(bound, delegationPath).map(delegation);
  return states.flatMap((state) => (state?.state === 'given' ? (state.ends ?? []) : []));
}
