/** Plans what is stored together with a decision's record; a dry run has no effects. decide.ts calls it. */
import { findReachedLimits } from '../govern/limits/reached.js';
import { listAgents } from '../model/acting.js';
import type { Decision } from '../model/decision.js';
import { NO_EFFECTS, type OpenedReview, type ReachedLimit, type RecordEffects } from '../model/record-effects.js';
import { listReviewPermissions } from '../policy/duties.js';
import type { Evaluation } from './evaluation.js';

export function planEffects(evaluation: Evaluation, decision: Decision): RecordEffects {
  if (evaluation.unbound.question.dryRun || evaluation.bound === undefined) return NO_EFFECTS;
  return {
    reachedLimits: listReachedLimits(evaluation, decision),
    reviews: decision.decision ? listReviews(evaluation) : [],
  };
}

function listReachedLimits({ bound, facts }: Evaluation, { decision, reasons }: Decision): ReachedLimit[] {
  const limits = facts?.limits;
  if (bound === undefined || facts === undefined || limits === undefined || 'fault' in limits) return [];
  if (!decision && !reasons.some(({ code }) => code === 'limit_exceeded')) return [];
  return findReachedLimits(facts.use, limits, decision, bound);
}

/** The reviews that an allow opens by the duties that apply to it. */
export function listReviews({ bound, facts }: Evaluation): OpenedReview[] {
  if (bound === undefined || facts?.cedar.duties.kind !== 'answer') return [];
  const { acting, target, question, rules } = bound;
  const duties = facts.cedar.duties.answer.determining.flatMap((id) => rules.policies.get(id)?.duties ?? []);
  return listReviewPermissions(duties).map((permission) => ({
    permission,
    resource: { type: question.resource.type, id: question.resource.id },
    action: target.action.name,
    user: acting.user,
    agents: listAgents(acting),
    barred: [],
  }));
}
