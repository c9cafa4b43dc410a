/** A decision in a sentence: one for people, who learn nothing of what exists, and one for operators. */
import type { Course } from './evaluation.js';
import { FAULTS, type FaultCode } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { Verdict } from '../model/outcome.js';
import { REASONS, type Reason } from '../model/reasons.js';

export function tell(
  verdict: Verdict,
  reasons: readonly Reason[],
  fault: FaultCode | undefined,
  course: Course,
): { readonly reason_user: string; readonly reason_admin: string } {
  const may = sentence(course, verdict === 'allow');
  if (verdict === 'allow') return { reason_user: `${may}.`, reason_admin: 'allowed: every step passed' };
  if (fault !== undefined)
    return { reason_user: 'This can not be decided at the moment.', reason_admin: `${fault}: ${FAULTS[fault]}` };
  const first = reasons[0];
  const why = first === undefined ? '' : people(first, course);
  return {
    reason_user: may === undefined ? why : `${may}: ${why}`,
    reason_admin: reasons.map((r) => admin(r, course)).join('; '),
  };
}

/** "HR Assistant may not delete an employee's record for Alice". */
function sentence(course: Course, allowed: boolean): string | undefined {
  const e = course.established;
  if (e === undefined) return undefined;
  const { acting, on } = e;
  const title = on.action.title.charAt(0).toLowerCase() + on.action.title.slice(1);
  const name = (ref: EntityRef): string => {
    // By convention: whoever has a `name` is called by it.
    const stored = course.facts?.entity(ref)?.attributes['name'];
    return typeof stored === 'string' && stored.length <= 100 ? stored : ref.id;
  };
  const verb = allowed ? 'may' : 'may not';
  if (acting.agent === undefined)
    return `${acting.user === undefined ? 'This user' : name(acting.user)} ${verb} ${title}`;
  const beneficiary = acting.user === undefined ? '' : ` for ${name(acting.user)}`;
  return `${name(acting.agent)} ${verb} ${title}${beneficiary}`;
}

function people(reason: Reason, course: Course): string {
  const titles = (reason.policies ?? []).flatMap((id) => course.opening.rules.policies.get(id)?.title ?? []);
  // A policy's title is written for people; of an error they learn no more than that there was one.
  return reason.code === 'policy_forbid' && titles.length > 0 ? titles.join(' ') : REASONS[reason.code].people;
}

function admin(reason: Reason, course: Course): string {
  if (reason.policies === undefined || reason.policies.length === 0)
    return `${reason.code}: ${reason.message.replace(/\.$/, '')}`;
  const cited = reason.policies.map((id) => `${id} (${course.opening.rules.policies.get(id)?.source ?? '?'})`);
  return `${reason.code}: ${cited.join(', ')}`;
}
