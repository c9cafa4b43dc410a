/** Finds which of many open questions a person may answer, as the list of an approver shows them. */
import { engineFaultCode, type Deadline } from '../../runtime/deadline.js';
import type { FaultCode } from '../../model/faults.js';
import type { EntityRef } from '../../model/ids.js';
import { checkHeld, heldPermissionKey } from '../permission-holders.js';
import { Deputies } from './deputies.js';
import { findIneligibility, type EligibilityDeps, type EligibilityQuestion } from './eligibility.js';

/** Questions that are looked at closely at a time: each reads relationships. */
const CONCURRENT_SEARCHES = 4;
/** The time limit for finding whether the person is a deputy at all. */
const DEPUTY_LOOKUP_MS = 1000;

export type AnswerableQuestions<T> = { readonly answerable: readonly T[] } | { readonly fault: FaultCode };

/**
 * One bulk of checks says for all of them where the person may be eligible; only there it is looked for. Most of what is open
 * in a company is another's to answer, and costs a part of that one call.
 * @returns those that the person may answer, in their order
 */
export async function selectAnswerable<T extends Omit<EligibilityQuestion, 'approver'>>(
  approver: EntityRef,
  questions: readonly T[],
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<AnswerableQuestions<T>> {
  try {
    const possible = await deadline.race(selectPossible(approver, questions, deps));
    const answerable = new Set<T>();
    for (let from = 0; from < possible.length; from += CONCURRENT_SEARCHES) {
      const turn = possible.slice(from, from + CONCURRENT_SEARCHES);
      const found = await Promise.all(
        turn.map((question) => findIneligibility({ ...question, approver }, deps, deadline)),
      );
      for (const [i, question] of turn.entries()) {
        const eligibility = found[i];
        if (eligibility !== undefined && 'fault' in eligibility) return eligibility;
        if (eligibility?.eligible === true) answerable.add(question);
      }
    }
    return { answerable: questions.filter((question) => answerable.has(question)) };
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

async function selectPossible<T extends Omit<EligibilityQuestion, 'approver'>>(
  approver: EntityRef,
  questions: readonly T[],
  { graph, rules, deputies: relations }: EligibilityDeps,
): Promise<T[]> {
  // A schema may have lost a permission since it was asked for: then no one holds it.
  const known = questions.filter(({ resource, permission }) => rules.graph.hasMember(resource.type, permission));
  const answers = await checkHeld(graph, approver, known);
  const mayHold = (question: T): boolean => {
    const answer = answers.get(heldPermissionKey(question));
    return answer?.result !== 'no' && answer?.result !== 'conditional';
  };
  const deputies = new Deputies(relations, rules.graph);
  const others = known.filter(
    (question) => !mayHold(question) && deputies.mayReach(question.resource.type, question.permission),
  );
  const isDeputy = others.length > 0 && (await isAnyDeputy(approver, { graph, deputies: relations }));
  return known.filter((question) => mayHold(question) || (isDeputy && others.includes(question)));
}

/** Whether the person is a deputy of any group; also where that can't be found in time. */
async function isAnyDeputy(
  subject: EntityRef,
  { graph, deputies }: Pick<EligibilityDeps, 'graph' | 'deputies'>,
): Promise<boolean> {
  for (const [resourceType, permission] of deputies) {
    const lookup = { resourceType, permission, subject, limit: 1, withinMs: DEPUTY_LOOKUP_MS };
    const ids = await graph.lookupResources(lookup).then(
      (found) => found.ids,
      (error: unknown) => (engineFaultCode(error) === 'deadline_exceeded' ? undefined : Promise.reject(error as Error)),
    );
    if (ids === undefined || ids.length > 0) return true;
  }
  return false;
}
