/** Plans what is stored together with a decision's record; a dry run has no effects. decide.ts calls it. */
import { planCharges } from '../govern/limits/charges.js';
import { findReachedLimits } from '../govern/limits/reached.js';
import type { Decision } from '../model/decision.js';
import { NO_EFFECTS, type ReachedLimit, type RecordEffects } from '../model/record-effects.js';
import type { Evaluation } from './evaluation.js';

export function planEffects(evaluation: Evaluation, decision: Decision): RecordEffects {
  if (evaluation.unbound.question.dryRun || evaluation.bound === undefined) return NO_EFFECTS;
  return { reachedLimits: listReachedLimits(evaluation, decision) };
}

function listReachedLimits({ bound, facts }: Evaluation, { decision, reasons }: Decision): ReachedLimit[] {
  const limits = facts?.limits;
  if (bound === undefined || limits === undefined || 'fault' in limits) return [];
  if (!decision && !reasons.some(({ code }) => code === 'limit_exceeded')) return [];
  return findReachedLimits(planCharges(bound), limits, decision, bound);
}
