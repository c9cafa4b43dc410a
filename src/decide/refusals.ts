/**
 * Finds out whether a person has said no to a question so lately that the same isn't asked again. Only a deny that people could
 * be asked to lift needs to know it, so it is read once that is known: decide.ts for a question, lists for many at once.
 */
import type { Approvals, RecentRefusal } from '../model/approvals.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import type { Evaluation } from './evaluation.js';
import { hashQuestion } from './question-identity.js';

/**
 * Adds to each evaluation the no that was said to its question. Never throws for the store's failure: then it can't be told
 * whether people may be asked, and they aren't.
 * @param evaluations of denials that people could be asked to lift
 * @returns those with a refusal; the others are as they were
 */
export async function addRefusals(
  evaluations: readonly Evaluation[],
  { approvals }: { readonly approvals: Pick<Approvals, 'findRefusals'> },
  deadline: Deadline,
): Promise<ReadonlyMap<Evaluation, Evaluation>> {
  const hashes = new Map(
    evaluations.flatMap((evaluation) => {
      const { bound, facts } = evaluation;
      return bound === undefined || facts === undefined ? [] : [[evaluation, hashQuestion(bound, facts)] as const];
    }),
  );
  const [first] = hashes.keys();
  if (first === undefined) return new Map();
  const questions = [...new Set(hashes.values())];
  const refusals = await deadline
    .race(approvals.findRefusals(questions, first.unbound.now))
    .catch((error: unknown) => ({ fault: engineFaultCode(error) }));
  return new Map(
    [...hashes].flatMap(([evaluation, hash]) => {
      const at = 'fault' in refusals ? undefined : refusals.get(hash);
      const refusal: RecentRefusal | undefined = 'fault' in refusals ? refusals : at === undefined ? undefined : { at };
      const { facts } = evaluation;
      return refusal === undefined || facts === undefined
        ? []
        : [[evaluation, { ...evaluation, facts: { ...facts, refusal } }] as const];
    }),
  );
}
