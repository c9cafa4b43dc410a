/**
 * Finds out whether people may be asked to lift a deny: not where a person has said no to the same lately, nor where it is too long
 * to be read. Only a deny that people could lift needs to know it, so it is found once that is known: decide.ts for a question,
 * lists for many at once.
 */
import type { Approvals, AskingBar } from '../model/approvals.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import { listContextNames } from './context-names.js';
import type { Evaluation } from './evaluation.js';
import { hashQuestion } from './question-identity.js';
import { describeShownQuestion } from './shown-question.js';

/**
 * Adds to each evaluation the reason for which people aren't asked. Never throws for the store's failure: then it can't be told
 * whether people may be asked, and they aren't.
 * @param evaluations of denials that people could be asked to lift
 * @returns those that have one; the others are as they were
 */
export async function addRefusals(
  evaluations: readonly Evaluation[],
  { approvals }: { readonly approvals: Pick<Approvals, 'findRefusals'> },
  deadline: Deadline,
): Promise<ReadonlyMap<Evaluation, Evaluation>> {
  const tooLong = new Map(
    evaluations.filter(isTooLong).map((evaluation) => [evaluation, withBar(evaluation, { too_long: true })] as const),
  );
  const hashes = new Map(
    evaluations.flatMap((evaluation) => {
      const { bound, facts } = evaluation;
      if (bound === undefined || facts === undefined || tooLong.has(evaluation)) return [];
      return [[evaluation, hashQuestion(bound, facts)] as const];
    }),
  );
  const [first] = hashes.keys();
  if (first === undefined) return tooLong;
  const questions = [...new Set(hashes.values())];
  const refusals = await deadline
    .race(approvals.findRefusals(questions, first.unbound.now))
    .catch((error: unknown) => ({ fault: engineFaultCode(error) }));
  return new Map([
    ...tooLong,
    ...[...hashes].flatMap(([evaluation, hash]) => {
      const at = 'fault' in refusals ? undefined : refusals.get(hash);
      const refusal: AskingBar | undefined = 'fault' in refusals ? refusals : at === undefined ? undefined : { at };
      return refusal === undefined ? [] : [[evaluation, withBar(evaluation, refusal)] as const];
    }),
  ]);
}

function isTooLong({ bound, facts }: Evaluation): boolean {
  if (bound === undefined || facts === undefined) return false;
  return describeShownQuestion(bound.question, listContextNames(bound, facts)) === undefined;
}

function withBar(evaluation: Evaluation, refusal: AskingBar): Evaluation {
  const { facts } = evaluation;
  return facts === undefined ? evaluation : { ...evaluation, facts: { ...facts, refusal } };
}
