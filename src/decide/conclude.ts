/** Makes the decision out of the outcomes of its steps: what is answered, and what is recorded. decide.ts calls it. */
import type { AccessRequestOffer } from '../model/approvals.js';
import { describeActing, type Grant } from '../model/acting.js';
import type { Decision, DecisionRecord, RecordedFacts, TokenRecord } from '../model/decision.js';
import { combineOutcomes, type Denial } from '../model/outcome.js';
import { formatCallerId } from '../model/question.js';
import { reason, type Reason } from '../model/reasons.js';
import type { Evaluation } from './evaluation.js';
import { recordTask } from './recorded-task.js';
import { findIgnoredMembers } from './ignored-members.js';
import { adviseOnApproval } from '../govern/approvals/advice.js';
import { describeAccessRequest, formatReasonTexts } from './reason-text.js';
import { selectToldDenial } from './told-denial.js';

/**
 * @param evaluation with the outcome of its last step
 * @param stepCount the steps that an allow has to pass; a decision that ended early has fewer, so it is never one
 * @param offer the approvals that would lift a deny; undefined where there are none
 */
export function concludeDecision(
  id: string,
  evaluation: Evaluation,
  stepCount: number,
  offer?: AccessRequestOffer,
): Decision {
  const { stepResults, unbound, bound, facts } = evaluation;
  const { question, rules, now } = unbound;
  const outcomes = stepResults.map(({ outcome }) => outcome);
  const failedRecord = stepResults.filter(({ step, outcome }) => step === 'record' && outcome.outcome !== 'pass');
  const isUnrecorded = failedRecord.length > 0;
  const verdict = combineOutcomes(outcomes, stepCount, isUnrecorded);
  const fault =
    verdict === 'unknown' ? (outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded') : undefined;
  const acting = bound?.acting;
  const allowed = verdict === 'allow';
  // A deny that isn't on record is none: an answer that said why would be an answer without a record.
  const denials = verdict === 'deny' ? outcomes.filter((o) => o.outcome === 'deny') : [];
  const required = verdict === 'deny' && offer !== undefined ? [reason('consent', 'approval_required')] : [];
  const reasons = [...required, ...uniteReasons(denials)];
  const toldDenial = selectToldDenial(denials[0], evaluation);
  const ignored = isUnrecorded ? undefined : findIgnoredMembers(evaluation);
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
      ...recordTask(question.context),
    },
    ...(acting?.grant === undefined ? {} : { token: toTokenRecord(acting.grant) }),
    reasons,
    remedies: denials.flatMap((o) => o.remedies),
    firstDenial: { ...toldDenial, reasons: [...required, ...toldDenial.reasons] },
    // Obligations come with an allow only: there is nothing to do for what is denied.
    obligations: allowed ? outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : [])) : [],
    ...(required.length === 0 ? {} : { access_request: offer, display: describeAccessRequest(evaluation) }),
    ...(verdict === 'deny'
      ? { advice: adviseOnApproval(facts?.approval, question.dryRun ? undefined : required.length > 0) }
      : {}),
    ...(allowed ? describeUsedApproval(evaluation) : {}),
    rationale: {
      ...(acting === undefined ? {} : { acting: describeActing(acting) }),
      steps: (isUnrecorded ? failedRecord : stepResults).map(({ step, outcome: { outcome, evidence } }) => ({
        step,
        outcome,
        evidence,
      })),
      ...(ignored === undefined ? {} : { ignored }),
    },
    ...(fault === undefined ? {} : { fault }),
    ...formatReasonTexts(verdict, reasons, toldDenial.reasons[0], fault, evaluation),
  };
}

/** An allow uses the approval that its question presents, whether or not it would have been one without. */
function describeUsedApproval({ facts }: Evaluation): Pick<Decision, 'approval'> {
  if (facts?.approval?.kind !== 'good') return {};
  const { id, approved_until } = facts.approval.approval;
  return { approval: { id, approved_until } };
}

/** The reasons of all denials. What two steps lack in the same words is a reason of the first of them only. */
function uniteReasons(denials: readonly Denial[]): Reason[] {
  const byText = new Map<string, Reason>();
  for (const denied of denials.flatMap(({ reasons }) => reasons)) {
    const text = `${denied.code} ${denied.message}`;
    if (!byText.has(text)) byText.set(text, denied);
  }
  return [...byText.values()];
}

/** The token as records name it, from the token itself or from the grant that was made of it. */
export function toTokenRecord({
  issuer,
  jti,
  clientId,
  session,
  txn,
}: Pick<Grant, 'issuer' | 'jti' | 'clientId' | 'session' | 'txn'>): TokenRecord {
  return { issuer, jti, client_id: clientId, session, transaction: txn };
}

/** The earliest end of what the allow rests on. Without a token none is known, so the answer must not be kept. */
function computeValidUntil({ bound, facts }: Evaluation, now: Date): string {
  const grant = bound?.acting.grant;
  if (grant === undefined || facts === undefined) return now.toISOString();
  // Compared as instants: as texts, a second with a fraction comes before the same second without one.
  const ends = [grant.expiresAt * 1000, ...facts.expiries.map((expiry) => Date.parse(expiry))];
  return new Date(Math.max(now.getTime(), Math.min(...ends))).toISOString();
}

/** The decision as it is stored: with its facts, and without what only the answer needs. */
export function toDecisionRecord(decision: Decision, facts: RecordedFacts): DecisionRecord {
  const {
    valid_until: _validUntil,
    remedies: _remedies,
    firstDenial: _firstFailure,
    display: _display,
    advice: _advice,
    fault: _fault,
    reason_user: _reasonUser,
    reason_admin: _reasonAdmin,
    ...record
  } = decision;
  return { ...record, facts };
}
