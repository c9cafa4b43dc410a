/**
 * Restores a question that was denied, as far as authorization details are held against it: its parties and token of the record, and
 * what it states as an access request repeats it. It counts as it did for the decision.
 */
import { parseDescribedParties, type ActingParties, type Grant } from '../model/acting.js';
import type { DecisionRecord } from '../model/decision.js';
import type { Caller } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import { getVerifiedCredential, type CoveredQuestion } from './bound-question.js';
import { toGrant } from './steps/binding.js';
import type { SubmittedQuestion } from './submitted-question.js';
import { omitStatements } from './unproven-statements.js';

/**
 * @param submitted was held to the record
 * @returns undefined where the record names no parties, or the action is no more
 */
export function restoreCoveredQuestion(
  record: DecisionRecord,
  caller: Caller,
  submitted: SubmittedQuestion,
  rules: Rules,
): CoveredQuestion | undefined {
  // Records may be kept without facts: then nothing is known of the token but whose it was.
  const credential = getVerifiedCredential(record.facts ?? {});
  const acting = restoreActing(record, credential && toGrant(credential));
  const target = rules.vocabulary.find(submitted.action.name, submitted.resource.type);
  if (acting === undefined || target === undefined) return undefined;
  const { action, resource, context } = caller.kind === 'agent' ? omitStatements(submitted) : submitted;
  const question = { caller, action, resource, context: { ...context, ...credential?.token.transaction } };
  return { question, rules, acting, target };
}

function restoreActing({ rationale }: DecisionRecord, grant: Grant | undefined): ActingParties | undefined {
  const { user, agent, chain } = parseDescribedParties(rationale.acting);
  switch (rationale.acting?.mode) {
    case 'delegated':
      return user && agent && { mode: 'delegated', user, agent, chain, grant };
    case 'direct':
      return agent && { mode: 'direct', agent, chain, grant };
    case 'human':
      return user && { mode: 'human', user, chain: [] };
    case undefined:
      return undefined;
  }
}
