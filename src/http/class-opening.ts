/**
 * Makes the task for a class of questions of the task for one: what tells it from others is the class and who asks, and not the
 * question by which it is asked for, nor how the class is spelled.
 */
import { selectAskers } from '../decide/approval-binding.js';
import type { AuthorizationDetail } from '../model/acting.js';
import { formatRef } from '../model/ids.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import type { Service } from '../service/service.js';
import type { TaskOpening } from '../store/asked-questions.js';
import { findAskedClasses } from '../store/class-tasks.js';
import { detailsCover } from '../tokens/detail-narrowing.js';
import { mayDetailsMeet } from '../tokens/detail-overlap.js';

/**
 * @param opening of the one question
 * @param openings those of the same request before: they are no second task either
 * @throws Fault
 */
export async function widenToClass(
  { database, config, now }: Pick<Service, 'database' | 'config' | 'now'>,
  { user, agent, task }: TaskOpening,
  asked: readonly AuthorizationDetail[],
  openings: readonly TaskOpening[],
): Promise<TaskOpening> {
  const deniedSince = new Date(now().getTime() - config.approvals.cooldownMs);
  const { classes: known, marks } = await findAskedClasses(database, { user, agent }, deniedSince);
  const waiting = [
    ...openings.flatMap((earlier) => (earlier.task.details === undefined ? [] : [earlier.task.details])),
    ...known.filter(({ isDenied }) => !isDenied).map(({ details }) => details),
  ];
  const isEqual = (other: readonly AuthorizationDetail[]): boolean =>
    detailsCover(other, asked) && detailsCover(asked, other);
  const details = waiting.find(isEqual) ?? asked;
  const parties = [user, agent].map((party) => (party === undefined ? null : formatRef(party)));
  return {
    user,
    agent,
    task: { ...task, details, question_sha256: sha256(formatCanonicalJson({ parties, details })) },
    ofClass: {
      askers: selectAskers(task.binding),
      // A person who has said no to some questions isn't asked for them again beside others.
      known: marks,
      isRefused: known.some((other) => other.isDenied && mayDetailsMeet(other.details, asked)),
    },
  };
}
