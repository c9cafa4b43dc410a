/** Explains what a decision has to do with approvals: what would have lifted a deny, and the approval that an allow has used. */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { ApprovalStep } from '../../model/approvals.js';
import type { DecisionRecord } from '../../model/decision.js';
import { describeRef } from '../../model/ids.js';

/** The yes that would have lifted the deny, all of it. */
export interface ExplainedOffer {
  /** Each says what is asked for, and of whom. */
  readonly steps: readonly string[];
  /** The permission whose holders may answer in an emergency. */
  readonly emergency?: string;
  /** The instant until which it could be asked for. */
  readonly expires_at: string;
}

export interface ExplainedApproval {
  readonly id: string;
  readonly approved_until: string;
  /** The people who said yes, and when; the time is absent where the facts aren't on record, or not for the reader. */
  readonly approvers: readonly { readonly by: string; readonly at?: string }[];
  readonly scope?: 'once' | 'until';
  readonly emergency?: string;
  /** The class of questions that it is good for; absent where it is for one question. */
  readonly details?: readonly AuthorizationDetail[];
}

/** @returns undefined where no approval would have lifted it */
export function explainOffer({
  access_request: offer,
  request,
  rationale,
}: DecisionRecord): ExplainedOffer | undefined {
  if (offer === undefined) return undefined;
  const parties = { user: rationale.acting?.user ?? 'the user', resource: describeRef(request.resource) };
  return {
    steps: offer.steps.map((step) => describeStep(step, parties)),
    ...(offer.emergency === undefined ? {} : { emergency: offer.emergency }),
    expires_at: offer.expires_at,
  };
}

function describeStep(
  step: ApprovalStep,
  { user, resource }: { readonly user: string; readonly resource: string },
): string {
  switch (step.kind) {
    case 'permission':
      return `the yes of a holder of "${step.permission}" on ${resource}`;
    case 'user':
      return `the yes of ${user} to this very question`;
    case 'elevation':
      return `the relation ${step.relation} on ${resource} for ${user}, for ${step.seconds} seconds at most, by a holder of "${step.permission}"`;
  }
}

/** @returns undefined where the decision used none */
export function explainUsedApproval({
  approval: used,
  facts,
  rationale,
}: DecisionRecord): ExplainedApproval | undefined {
  if (used === undefined) return undefined;
  const reading = facts?.approval;
  const read = reading !== undefined && 'approval' in reading ? reading.approval : undefined;
  const named = rationale.steps.find(({ step }) => step === 'consent')?.evidence['approvers'];
  const approvers =
    read?.answers.map(({ by, at }) => ({ by: describeRef(by), at })) ??
    (Array.isArray(named) ? named.map((by) => ({ by: String(by) })) : []);
  return {
    id: used.id,
    approved_until: used.approved_until,
    approvers,
    ...(read === undefined ? {} : { scope: read.scope }),
    ...(read?.emergency === undefined ? {} : { emergency: read.emergency }),
    ...(read?.details === undefined ? {} : { details: read.details }),
  };
}
