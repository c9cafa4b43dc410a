/** A decision in a sentence: one for people, who learn nothing of what exists, and one for operators. */
import type { Evaluation } from './evaluation.js';
import { FAULTS, type FaultCode } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { DecisionVerdict } from '../model/outcome.js';
import { REASONS, type Reason } from '../model/reasons.js';

export function formatReasonTexts(
  verdict: DecisionVerdict,
  reasons: readonly Reason[],
  fault: FaultCode | undefined,
  evaluation: Evaluation,
): { readonly reason_user: string; readonly reason_admin: string } {
  const statement = formatOutcomeSentence(evaluation, verdict === 'allow');
  if (verdict === 'allow') return { reason_user: `${statement}.`, reason_admin: 'allowed: every step passed' };
  if (fault !== undefined)
    return { reason_user: 'This can not be decided at the moment.', reason_admin: `${fault}: ${FAULTS[fault]}` };
  const first = reasons[0];
  const userReason = first === undefined ? '' : formatUserReason(first, evaluation);
  return {
    reason_user: statement === undefined ? userReason : `${statement}: ${userReason}`,
    reason_admin: reasons.map((r) => formatAdminReason(r, evaluation)).join('; '),
  };
}

/** "HR Assistant may not delete an employee's record for Alice". */
function formatOutcomeSentence(evaluation: Evaluation, allowed: boolean): string | undefined {
  const bound = evaluation.bound;
  if (bound === undefined) return undefined;
  const { acting, target } = bound;
  const title = target.action.title.charAt(0).toLowerCase() + target.action.title.slice(1);
  const name = (ref: EntityRef): string => {
    // By convention: whoever has a `name` is called by it.
    const stored = evaluation.facts?.entity(ref)?.attributes['name'];
    return typeof stored === 'string' && stored.length <= 100 ? stored : ref.id;
  };
  const verb = allowed ? 'may' : 'may not';
  if (acting.agent === undefined)
    return `${acting.user === undefined ? 'This user' : name(acting.user)} ${verb} ${title}`;
  const beneficiary = acting.user === undefined ? '' : ` for ${name(acting.user)}`;
  return `${name(acting.agent)} ${verb} ${title}${beneficiary}`;
}

function formatUserReason(reason: Reason, evaluation: Evaluation): string {
  const titles = (reason.policies ?? []).flatMap((id) => evaluation.unbound.rules.policies.get(id)?.title ?? []);
  // A policy's title is written for people; of an error they learn no more than that there was one.
  return reason.code === 'policy_forbid' && titles.length > 0 ? titles.join(' ') : REASONS[reason.code].people;
}

function formatAdminReason(reason: Reason, evaluation: Evaluation): string {
  if (reason.policies === undefined || reason.policies.length === 0)
    return `${reason.code}: ${reason.message.replace(/\.$/, '')}`;
  const cited = reason.policies.map((id) => `${id} (${evaluation.unbound.rules.policies.get(id)?.source ?? '?'})`);
  return `${reason.code}: ${cited.join(', ')}`;
}
