/** From the outcomes of the steps to the decision: what is answered, and what is recorded of it. */
import { describeActing, type Grant } from '../model/acting.js';
import type { Decision, DecisionRecord, RecordedFacts, StepEvidence, TokenRecord } from '../model/decision.js';
import { combineOutcomes, type DecisionVerdict } from '../model/outcome.js';
import { formatCallerId } from '../model/question.js';
import type { Reason } from '../model/reasons.js';
import { formatReasonTexts } from './reason-text.js';
import type { Evaluation, StepResult } from './evaluation.js';

/**
 * @param stepResults the outcomes of the steps so far, with the closing one
 * @param stepCount how many there are: an allow has a pass of each
 */
export function concludeDecision(
  id: string,
  evaluation: Evaluation,
  stepResults: readonly StepResult[],
  stepCount: number,
): Decision {
  const { question, rules, now } = evaluation.unbound;
  const outcomes = stepResults.map((j) => j.outcome);
  // A decision that ended early never has all the steps, so it can't be an allow.
  const verdict: DecisionVerdict = combineOutcomes(outcomes, stepCount);
  const fault =
    verdict === 'unknown' ? (outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded') : undefined;
  const acting = evaluation.bound?.acting;
  const grant = acting?.grant;
  const allowed = verdict === 'allow';
  const evidence = stepResults.map(({ step, outcome }): StepEvidence => ({
    step,
    outcome: outcome.outcome,
    evidence: outcome.evidence,
  }));
  const denials = outcomes.filter((o) => o.outcome === 'deny');
  // Two steps may lack the same thing; it is said once, by the first.
  const uniqueReasons = new Map<string, Reason>();
  for (const r of denials.flatMap((o) => o.reasons))
    if (!uniqueReasons.has(`${r.code} ${r.message}`)) uniqueReasons.set(`${r.code} ${r.message}`, r);
  const reasons = [...uniqueReasons.values()];
  return {
    id,
    evaluated_at: now.toISOString(),
    valid_until: allowed ? computeValidUntil(evaluation, now) : now.toISOString(),
    client: formatCallerId(question.caller),
    decision: allowed,
    dry_run: question.dryRun,
    policy_version: rules.version,
    request: {
      subject: { type: question.subject.type, id: question.subject.id },
      action: question.action.name,
      resource: { type: question.resource.type, id: question.resource.id },
      ...(question.requestId === undefined ? {} : { request_id: question.requestId }),
    },
    ...(grant === undefined ? {} : { token: toTokenRecord(grant) }),
    reasons,
    remedies: denials.flatMap((o) => o.remedies),
    firstFailure: { reasons: denials[0]?.reasons ?? [], remedies: denials[0]?.remedies ?? [] },
    // They come with an allow only: of what is denied nothing is to be done.
    obligations: allowed ? outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : [])) : [],
    rationale: { ...(acting === undefined ? {} : { acting: describeActing(acting) }), steps: evidence },
    ...(fault === undefined ? {} : { fault }),
    ...formatReasonTexts(verdict, reasons, fault, evaluation),
  };
}

/** Of what a token grants, or of the token itself. */
export function toTokenRecord({
  issuer,
  jti,
  clientId,
  session,
  txn,
}: Pick<Grant, 'issuer' | 'jti' | 'clientId' | 'session' | 'txn'>): TokenRecord {
  return { issuer, jti, client_id: clientId, session, transaction: txn };
}

/** The earliest end that is known of what the allow rests on; without a token there is none, so nothing may be kept. */
function computeValidUntil({ bound, facts }: Evaluation, now: Date): string {
  const grant = bound?.acting.grant;
  if (grant === undefined || facts === undefined) return now.toISOString();
  return [new Date(grant.expiresAt * 1000).toISOString(), ...facts.ends].reduce((a, b) => (b < a ? b : a));
}

/** What is stored: the decision without what only its answer needs, and what it rests on. */
export function toDecisionRecord(decision: Decision, facts: RecordedFacts): DecisionRecord {
  const {
    valid_until: _u,
    remedies: _r,
    firstFailure: _fi,
    fault: _f,
    reason_user: _ru,
    reason_admin: _ra,
    ...record
  } = decision;
  return { ...record, facts };
}
