/** A decision as it is recorded, and as it is answered. */
import type { AccessRequestOffer, ApprovalAdvice, ApprovalReading, AskingBar } from './approvals.js';
import type { CredentialOrFault } from './credential.js';
import type { FaultCode } from './faults.js';
import type { Evidence, StepOutcome } from './outcome.js';
import type { Reason, ReasonCode } from './reasons.js';
import type { Obligation } from './obligations.js';
import type { Remedy } from './remedies.js';
import type { DescribedActing } from './acting.js';
import type { CheckAnswer } from './checks.js';
import type { Consent } from './consents.js';
import type { DelegationState } from './delegations.js';
import type { DelegationPathResult } from './delegation-path.js';
import type { RecordedEntity } from './entities.js';
import type { HistoryValue } from './history.js';
import type { LimitState } from './limits.js';
import type { ClientPermission, Properties, VouchedMode } from './question.js';

export interface StepEvidence {
  readonly step: string;
  readonly outcome: StepOutcome['outcome'];
  readonly evidence: Evidence;
}

/** A member that a question states and nothing can read. */
export interface IgnoredMember {
  /** `resource.properties.colour`, shortened where it is long. */
  readonly path: string;
  /** Nothing declares it, or policies aren't given what this caller states there. */
  readonly cause: 'undeclared' | 'not_asserted';
  /** `did you mean "color"?`; absent where nothing that is declared there is near. */
  readonly suggestion?: string;
}

export interface IgnoredMembers {
  /** All of them, those that aren't named as well. */
  readonly count: number;
  readonly members: readonly IgnoredMember[];
}

export interface Rationale {
  readonly acting?: DescribedActing;
  readonly steps: readonly StepEvidence[];
  /** Absent where the question states nothing of the kind. */
  readonly ignored?: IgnoredMembers;
}

/** The rationale as clients see it: without the policies by which people review what was allowed. */
export function hideReviews(rationale: Rationale): Rationale {
  const steps = rationale.steps.map((step): StepEvidence => {
    if (!('reviews' in step.evidence)) return step;
    const { reviews: _reviews, ...evidence } = step.evidence;
    return { ...step, evidence };
  });
  return { ...rationale, steps };
}

/** The token that the decision was made on. */
export interface TokenRecord {
  readonly issuer: string;
  readonly jti?: string | undefined;
  readonly client_id?: string | undefined;
  readonly session?: string | undefined;
  readonly transaction?: string | undefined;
}

export interface RecordedHistory {
  readonly answers: Readonly<Record<string, HistoryValue>>;
  /** Says of a world that was made up that nothing else has happened. */
  readonly others?: 'nothing' | undefined;
}

/** The facts of a decision beside its request, from which it can be made again. JSON, without tokens and keys. */
export interface RecordedFacts {
  readonly caller: {
    readonly kind: 'client' | 'agent';
    /** The client's flags `asserts_…`; absent where it has none. */
    readonly may?: readonly ClientPermission[];
    /** The SpiceDB definitions that the client may ask about; absent where it may ask about all. */
    readonly resources?: readonly string[];
    readonly default_mode?: VouchedMode;
  };
  /** The statements of the request beside its subject, action and resource. */
  readonly said: {
    readonly subject?: Properties;
    readonly action?: Properties;
    readonly resource?: Properties;
    readonly context?: Properties;
    readonly agent?: string;
    readonly mode?: VouchedMode;
    /** The agent of `subject.properties.act`, and those before it. */
    readonly act?: string;
    readonly chain?: readonly string[];
    /** The obligations by the request, or by its client's configuration; absent: all, in records of versions that took it so. */
    readonly supported_obligations?: readonly string[];
    readonly token_expected?: true;
  };
  /** The result of verifying the token; absent where none was sent. */
  readonly credential?: CredentialOrFault;
  /** SpiceDB's answers, by the checks' keys. */
  readonly checks: Readonly<Record<string, CheckAnswer>>;
  /**
   * The attributes that were read of stored entities, by `type:id`; null where there was none. A resource out of reach
   * isn't among them. Absent where the store could not answer.
   */
  readonly entities?: Readonly<Record<string, RecordedEntity | null>>;
  readonly entities_fault?: FaultCode;
  readonly passed_on?: DelegationPathResult;
  /** The state of the delegations, by their relationships, as the database had it; absent where it had nothing. */
  readonly delegations?: Readonly<Record<string, DelegationState>>;
  readonly delegations_fault?: FaultCode;
  /** The uses that limits had had; absent where the action has no limit. */
  readonly limits?: LimitState | { readonly fault: FaultCode };
  /** The answers about the past by their questions, `count HR::export by user within PT1H`; absent where policies ask nothing. */
  readonly history?: RecordedHistory | { readonly fault: FaultCode };
  /** The user's consents for the agent that name the action; absent where the action asks for none. */
  readonly consents?: readonly Consent[];
  readonly consents_fault?: FaultCode;
  /** The approval that the question presents, as it was read; absent where it presents none. */
  readonly approval?: ApprovalReading;
  /** The time for which an approval for one use would be good, in milliseconds; absent where it is a quarter of an hour. */
  readonly approval_ms?: number;
  /** The reason for which people could not be asked to lift the deny: a no to the same lately, or its length; absent where there was none. */
  readonly refusal?: AskingBar;
}

/** The reservation that an allow made, or that an earlier one with the same `Idempotency-Key` had made. */
export interface ReservationRecord {
  /** The decision that made it. */
  readonly decision: string;
  /** The instant from which it counts as used, RFC 3339; absent where no limit is used. */
  readonly settles_at?: string;
}

/** The durable record: JSON, without tokens and keys. */
export interface DecisionRecord {
  /** UUID version 7. */
  readonly id: string;
  /** RFC 3339. */
  readonly evaluated_at: string;
  /** The id of the client that asked, or `agent:…` for an agent that asked for itself. */
  readonly client: string;
  readonly decision: boolean;
  readonly dry_run: boolean;
  /** The version of the rules that decided: SHA-256 in hex. */
  readonly policy_version: string;
  readonly request: {
    readonly subject: { readonly type: string; readonly id: string };
    readonly action: string;
    readonly resource: { readonly type: string; readonly id: string };
    readonly request_id?: string | undefined;
    /** The task that the request's context names. */
    readonly task?: string | undefined;
  };
  readonly token?: TokenRecord | undefined;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  /** Absent where nothing was reserved. */
  readonly reservation?: ReservationRecord | undefined;
  /** The approvals that would lift the deny; absent where none would. */
  readonly access_request?: AccessRequestOffer | undefined;
  /** The approval that the allow presented, and used. */
  readonly approval?: { readonly id: string; readonly approved_until: string } | undefined;
  readonly rationale: Rationale;
  /** Absent where they were too long to keep, or the configuration disables them. */
  readonly facts?: RecordedFacts | undefined;
  /** Its values are no longer there, or not for this reader: it has commitments in their places. */
  readonly values_erased?: true | undefined;
}

/** A record with its facts, so that the decision can be made again. */
export type ReplayableRecord = DecisionRecord & { readonly facts: RecordedFacts };

/** An item that a list returned: a resource or a subject, an action, or a capability. */
export type ListedItem =
  | {
      readonly type: string;
      readonly id: string;
      /** The place in the record's `masks` of what was masked; absent where nothing was. */
      readonly masked?: number;
    }
  | { readonly name: string }
  | { readonly resource_type: string; readonly name: string; readonly status: string };

/** The obligations by which items were masked, as the filter carried them out. */
export interface AppliedMask {
  readonly mask?: Obligation['properties'];
  readonly visible_fields?: Obligation['properties'];
}

/** The one record of a search or a filter: the question and the items returned, in place of a record for each. */
export interface SearchRecord {
  readonly id: string;
  /** RFC 3339. */
  readonly evaluated_at: string;
  readonly client: string;
  /** Whether there was any result. */
  readonly decision: boolean;
  readonly dry_run: boolean;
  readonly policy_version: string;
  readonly search: 'resource' | 'subject' | 'action' | 'filter' | 'capabilities';
  readonly token?: TokenRecord | undefined;
  /** The parties that the token names, or that the client vouches for. */
  readonly acting: { readonly user?: string; readonly agent?: string; readonly chain: readonly string[] };
  readonly request: Readonly<Record<string, unknown>>;
  /** The ZedToken of the revision that all of it was answered at; absent where nothing was asked of SpiceDB. */
  readonly revision?: string | undefined;
  readonly found: number;
  /** The results, in order; absent in records of versions that did not keep them. */
  readonly items?: readonly ListedItem[];
  /** The masks that items name by their places, each once for all items that it is of; absent where there are none. */
  readonly masks?: readonly AppliedMask[];
  /** The numbers of candidates that were left out, by the first reason of each. Capabilities have none. */
  readonly left_out?: Readonly<Partial<Record<ReasonCode, number>>>;
  readonly reservation?: ReservationRecord | undefined;
}

/** The parties of a decision or a list, as far as they were established. */
export function getRecordedActing(
  record: DecisionRecord | SearchRecord,
): SearchRecord['acting'] | DescribedActing | undefined {
  return 'rationale' in record ? record.rationale.acting : record.acting;
}

export interface Decision extends Omit<DecisionRecord, 'facts'> {
  /** The instant until which the answer may be kept, RFC 3339; that of the decision where it must not be kept. */
  readonly valid_until: string;
  readonly remedies: readonly Remedy[];
  /** The reasons and remedies of the first failing step, which is all that an agent is told. */
  readonly firstDenial: { readonly reasons: readonly Reason[]; readonly remedies: readonly Remedy[] };
  /** The access request as people read it; absent where there is none. */
  readonly display?: { readonly title: string; readonly description: string } | undefined;
  /** Present of a deny where the question presented an approval. */
  readonly advice?: ApprovalAdvice | undefined;
  /** Present where an engine could not answer and no step denied: then the HTTP status is 503. */
  readonly fault?: FaultCode | undefined;
  /** The sentence for people, which says nothing of what exists. */
  readonly reason_user: string;
  /** The sentence for operators. */
  readonly reason_admin: string;
}
