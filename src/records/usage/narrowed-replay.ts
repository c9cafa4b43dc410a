/** Replay of an allow as it would have been decided had the agent's rights been narrowed: from the facts on record. */
import { listDelegationLinks } from '../../decide/delegation-links.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';
import { parseDescribedParties, type AuthorizationDetail } from '../../model/acting.js';
import type { DecisionRecord, ReplayableRecord } from '../../model/decision.js';
import { delegationKey, type DelegationState } from '../../model/delegations.js';
import { isSameRef } from '../../model/ids.js';
import type { Rules } from '../../policy/load.js';
import { answerRecord } from '../redecide.js';

/**
 * Decides a recorded allow again with the agent's rights narrowed to the details.
 * @returns undefined where that can't be told: the record lacks facts, or the rules of now don't allow it either way
 */
export function replayNarrowed(
  record: DecisionRecord,
  details: readonly AuthorizationDetail[],
  rules: Rules,
): 'allowed' | 'denied' | undefined {
  if (record.facts === undefined || record.values_erased === true) return undefined;
  const replayable = { ...record, facts: record.facts };
  const narrowed = narrowRecord(replayable, details);
  if (narrowed === undefined || !isAllowedNow(replayable, rules)) return undefined;
  const answer = answerRecord(narrowed, rules);
  if (answer.kind === 'inconclusive') return undefined;
  return answer.kind === 'decided' && answer.decision.decision ? 'allowed' : 'denied';
}

function isAllowedNow(record: ReplayableRecord, rules: Rules): boolean {
  const answer = answerRecord(record, rules);
  return answer.kind === 'decided' && answer.decision.decision;
}

/**
 * The record with the delegation to the agent narrowed to the details; for an agent that acts for itself, its token. What it was
 * narrowed to before counts no more: the allow shows that it left room.
 */
function narrowRecord(record: ReplayableRecord, details: readonly AuthorizationDetail[]): ReplayableRecord | undefined {
  const { facts, rationale } = record;
  const { user, agent, chain } = parseDescribedParties(rationale.acting);
  if (agent === undefined) return undefined;
  if (user === undefined) return narrowToken(record, details);
  const acting = { mode: 'delegated', user, agent, chain, grant: undefined } as const;
  const links = listDelegationLinks({ acting }, facts.passed_on).filter((link) => isSameRef(link.agent, agent));
  const narrowed = links.map((link) => {
    const key = delegationKey(link);
    return [key, narrowState(facts.delegations?.[key], details)] as const;
  });
  return { ...record, facts: { ...facts, delegations: { ...facts.delegations, ...Object.fromEntries(narrowed) } } };
}

function narrowState(state: DelegationState | undefined, details: readonly AuthorizationDetail[]): DelegationState {
  // A delegation that is a relationship alone narrows nothing.
  return state?.state === 'given' ? { ...state, details } : { state: 'given', online: true, background: true, details };
}

function narrowToken(
  record: ReplayableRecord,
  authorizationDetails: readonly AuthorizationDetail[],
): ReplayableRecord | undefined {
  const credential = getVerifiedCredential(record.facts);
  if (credential === undefined) return undefined;
  const token = { ...credential.token, authorizationDetails };
  return { ...record, facts: { ...record.facts, credential: { ...credential, token } } };
}
