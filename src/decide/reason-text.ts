/**
 * The texts of a decision: a sentence for people, who learn nothing of what exists, and one for operators. Called where a
 * decision is concluded.
 */
import { FAULTS, type FaultCode } from '../model/faults.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { EntityRef } from '../model/ids.js';
import type { DecisionVerdict } from '../model/outcome.js';
import { REASONS, type Reason } from '../model/reasons.js';
import type { Evaluation } from './evaluation.js';

/** @param told the reason that people are told, which an agent reads as well */
export function formatReasonTexts(
  verdict: DecisionVerdict,
  reasons: readonly Reason[],
  told: Reason | undefined,
  fault: FaultCode | undefined,
  evaluation: Evaluation,
): { readonly reason_user: string; readonly reason_admin: string } {
  const statement = formatStatement(evaluation, verdict === 'allow' ? 'may' : 'may not');
  if (verdict === 'allow') return { reason_user: `${statement}.`, reason_admin: 'allowed: every step passed' };
  if (fault !== undefined)
    return { reason_user: 'This can not be decided at the moment.', reason_admin: `${fault}: ${FAULTS[fault]}` };
  const userReason = told === undefined ? '' : formatUserReason(told, evaluation);
  return {
    reason_user: statement === undefined ? userReason : `${statement}: ${userReason}`,
    reason_admin: reasons.map((reason) => formatAdminReason(reason, evaluation)).join('; '),
  };
}

/** "HR Assistant may not delete an employee's record for Alice"; undefined where no parties are established. */
function formatStatement({ bound, facts }: Evaluation, verb: 'may' | 'may not' | 'asks to'): string | undefined {
  if (bound === undefined) return undefined;
  const { acting, target } = bound;
  const title = target.action.title.charAt(0).toLowerCase() + target.action.title.slice(1);
  const nameOf = (ref: EntityRef): string => readName(facts?.entity(ref)) ?? ref.id;
  switch (acting.mode) {
    case 'human':
      return `${nameOf(acting.user)} ${verb} ${title}`;
    case 'direct':
      return `${nameOf(acting.agent)} ${verb} ${title}`;
    case 'delegated':
      return `${nameOf(acting.agent)} ${verb} ${title} for ${nameOf(acting.user)}`;
  }
}

/** The access request as people read it who are to approve it; undefined where no parties are established. */
export function describeAccessRequest(
  evaluation: Evaluation,
): { readonly title: string; readonly description: string } | undefined {
  const statement = formatStatement(evaluation, 'asks to');
  const title = evaluation.bound?.target.action.title;
  return statement === undefined || title === undefined ? undefined : { title, description: `${statement}.` };
}

/** The name that texts call an entity by: by convention, its attribute `name`. */
export function readName(entity: Pick<EntityWithAncestors, 'attributes'> | undefined): string | undefined {
  const name = entity?.attributes['name'];
  return typeof name === 'string' && name.length <= 100 ? name : undefined;
}

function formatUserReason(reason: Reason, { unbound }: Evaluation): string {
  // A policy's title is written for people, but of one that failed they learn only that there was an error.
  const titles = (reason.policies ?? []).flatMap((id) => unbound.rules.policies.get(id)?.title ?? []);
  return reason.code === 'policy_forbid' && titles.length > 0
    ? titles.join(' ')
    : (reason.people ?? REASONS[reason.code].people);
}

function formatAdminReason({ code, message, policies = [] }: Reason, { unbound }: Evaluation): string {
  if (policies.length === 0) return `${code}: ${message.replace(/\.$/, '')}`;
  const sources = policies.map((id) => `${id} (${unbound.rules.policies.get(id)?.source ?? '?'})`);
  return `${code}: ${sources.join(', ')}`;
}
