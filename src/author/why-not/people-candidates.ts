/** Proposes what people could say beside other changes, and what to do where their yes is there and none that counts. */
import { findLiftingRemedies } from '../../decide/lifting-remedies.js';
import type { ChangeOption, ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';

/** Proposes the yes of people where nothing else is missing any more. */
export function peopleCandidates({ redecision }: ChangeEvaluation): ChangeOption[] {
  const remedies = findLiftingRemedies(redecision.evaluation);
  return remedies === undefined ? [] : [[{ kind: 'people', remedies }]];
}

/** Proposes to ask without the approval: one that isn't good denies, whether or not anything asks for it. */
export function approvalCandidates({ record }: Pick<ChangeEvaluation, 'record'>): ChangeOption[] {
  return record.facts.approval === undefined ? [] : [[{ kind: 'request', at: ['context', 'approval'] }]];
}

/** Proposes to ask as a consent that there is wants it: with what it asks the client to confirm, or for its access. */
export function consentCandidates({ record, redecision }: ChangeEvaluation): ChangeOption[] {
  const { consents = [] } = record.facts;
  const confirmations = consents.flatMap(({ when }) => (when === undefined ? [] : [Object.entries(when)]));
  const access = redecision.evaluation.bound?.acting.grant?.access;
  const others = access === undefined ? [] : consents.filter((consent) => consent.access !== access);
  return [
    ...confirmations.map((members) =>
      members.map(([name, value]): ProposedChange => ({ kind: 'request', at: ['context', name], value })),
    ),
    ...(access === undefined || others.length === 0
      ? []
      : [[{ kind: 'token', access: access === 'online' ? 'background' : 'online' } satisfies ProposedChange]]),
  ];
}
