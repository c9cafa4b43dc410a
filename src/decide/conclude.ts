/** From the outcomes of the steps to the decision: what is answered, and what is recorded of it. */
import { actingText, type Grant } from '../model/acting.js';
import type { Decision, DecisionRecord, RecordedFacts, StepEvidence, TokenRecord } from '../model/decision.js';
import { combine, type Verdict } from '../model/outcome.js';
import { callerId } from '../model/question.js';
import type { Reason } from '../model/reasons.js';
import { tell } from './reason-text.js';
import type { Course, Judged } from './evaluation.js';

/**
 * @param judged the outcomes of the steps so far, with the closing one
 * @param steps how many there are: an allow has a pass of each
 */
export function conclude(id: string, course: Course, judged: readonly Judged[], steps: number): Decision {
  const { question, rules, now } = course.opening;
  const outcomes = judged.map((j) => j.outcome);
  // A decision that ended early never has all the steps, so it can't be an allow.
  const verdict: Verdict = combine(outcomes, steps);
  const fault =
    verdict === 'unknown' ? (outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded') : undefined;
  const acting = course.established?.acting;
  const grant = acting?.grant;
  const allowed = verdict === 'allow';
  const evidence = judged.map(({ step, outcome }): StepEvidence => ({
    step,
    outcome: outcome.outcome,
    evidence: outcome.evidence,
  }));
  const denials = outcomes.filter((o) => o.outcome === 'deny');
  // Two steps may lack the same thing; it is said once, by the first.
  const said = new Map<string, Reason>();
  for (const r of denials.flatMap((o) => o.reasons))
    if (!said.has(`${r.code} ${r.message}`)) said.set(`${r.code} ${r.message}`, r);
  const reasons = [...said.values()];
  return {
    id,
    evaluated_at: now.toISOString(),
    valid_until: allowed ? validUntil(course, now) : now.toISOString(),
    client: callerId(question.caller),
    decision: allowed,
    dry_run: question.dryRun,
    policy_version: rules.version,
    request: {
      subject: { type: question.subject.type, id: question.subject.id },
      action: question.action.name,
      resource: { type: question.resource.type, id: question.resource.id },
      ...(question.requestId === undefined ? {} : { request_id: question.requestId }),
    },
    ...(grant === undefined ? {} : { token: tokenRecord(grant) }),
    reasons,
    remedies: denials.flatMap((o) => o.remedies),
    first: { reasons: denials[0]?.reasons ?? [], remedies: denials[0]?.remedies ?? [] },
    // They come with an allow only: of what is denied nothing is to be done.
    obligations: allowed ? outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : [])) : [],
    rationale: { ...(acting === undefined ? {} : { acting: actingText(acting) }), steps: evidence },
    ...(fault === undefined ? {} : { fault }),
    ...tell(verdict, reasons, fault, course),
  };
}

/** Of what a token grants, or of the token itself. */
export function tokenRecord({
  issuer,
  jti,
  clientId,
  session,
  txn,
}: Pick<Grant, 'issuer' | 'jti' | 'clientId' | 'session' | 'txn'>): TokenRecord {
  return { issuer, jti, client_id: clientId, session, transaction: txn };
}

/** The earliest end that is known of what the allow rests on; without a token there is none, so nothing may be kept. */
function validUntil({ established, facts }: Course, now: Date): string {
  const grant = established?.acting.grant;
  if (grant === undefined || facts === undefined) return now.toISOString();
  return [new Date(grant.expiresAt * 1000).toISOString(), ...facts.ends].reduce((a, b) => (b < a ? b : a));
}

/** What is stored: the decision without what only its answer needs, and what it rests on. */
export function recordOf(decision: Decision, facts: RecordedFacts): DecisionRecord {
  const {
    valid_until: _u,
    remedies: _r,
    first: _fi,
    fault: _f,
    reason_user: _ru,
    reason_admin: _ra,
    ...kept
  } = decision;
  return { ...kept, facts };
}
