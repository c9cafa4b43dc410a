/** Approvals: other people's yes to one question, as decisions read and use them, and as the store keeps them. */
import type { AuthorizationDetail } from './acting.js';
import type { FaultCode } from './faults.js';
import type { EntityRef } from './ids.js';

/** The parties of the question that is to be approved. */
export interface ApprovalRequester {
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  /** Earlier agents, and those that the delegation was passed on through. */
  readonly chain: readonly EntityRef[];
}

/** One yes that the question lacks. A question may lack several; one person may give every one that they may give. */
export type ApprovalStep =
  /** A holder of the permission on the resource says it, as `@remedy("approval:…")` of a forbid asks. */
  | { readonly kind: 'permission'; readonly permission: string }
  /** The user that the agent acts for says it, and no other: `@consent("each")`, or a consent with `confirm: "each"`. */
  | { readonly kind: 'user' }
  /** A holder of the permission says it: it gives the user the relation that they lack, until it ends by itself (`@elevation`). */
  | {
      readonly kind: 'elevation';
      readonly permission: string;
      readonly relation: string;
      readonly seconds: number;
    };

/**
 * The question that an approval is bound to: by place the SHA-256, in hex, of the canonical JSON of what the question says there. Places:
 * `user`, `agent`, `chain`, `access` (where the user's own yes is a step), `issuer`, `client`, `resource`, `action.name`, `action.properties.amount`, `context.branch`.
 */
export type ApprovalBinding = Readonly<Record<string, string>>;

/** The part of a denial's record by which an approval can be asked for: with all of its steps the question is allowed. */
export interface AccessRequestOffer {
  readonly steps: readonly ApprovalStep[];
  readonly binding: ApprovalBinding;
  /**
   * Tells the question from others by what policies read of it, whichever client asks and however it is spelled, so that what a person
   * denied isn't asked again for a while; records of before it have none.
   */
  readonly question_sha256?: string | undefined;
  /** The permission by which a holder may answer in an emergency (`@emergency`); undefined where the action has none. */
  readonly emergency?: string | undefined;
  /** The instant until which it can be asked for, RFC 3339. */
  readonly expires_at: string;
}

export interface ApprovalAnswer {
  /** An index into the steps. */
  readonly step: number;
  readonly by: EntityRef;
  /** RFC 3339. */
  readonly at: string;
}

/** `expired`: the task was not answered in time. An approval's own end is its `approved_until`. */
export const TASK_STATES = ['pending', 'approved', 'denied', 'cancelled', 'revoked', 'expired'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** An approval as decisions read it. JSON, since decision records hold it. */
export interface Approval {
  readonly id: string;
  readonly state: TaskState;
  readonly binding: ApprovalBinding;
  readonly steps: readonly ApprovalStep[];
  /** The yes to each step: complete where the state is `approved`. */
  readonly answers: readonly ApprovalAnswer[];
  /** The permission by which they were given, where it was an emergency. */
  readonly emergency?: string | undefined;
  /**
   * The class of questions that it is for, in the place of one: it is good for those of the same parties that one of these covers.
   * What is bound beside the parties is then the question by which it was asked for.
   */
  readonly details?: readonly AuthorizationDetail[] | undefined;
  /** `once`: one decision uses it up. `until`: every one until its end. */
  readonly scope: 'once' | 'until';
  /** RFC 3339; undefined until it is approved. */
  readonly approved_until?: string | undefined;
  /** The decision that used it up. */
  readonly used_by?: string | undefined;
  /** False where a step's relationship isn't written yet. */
  readonly granted: boolean;
}

/** The approval that a question presents: `context.approval`. */
export interface PresentedApproval {
  readonly id: string;
  /** The signed state that came with it; undefined where the caller left it out. */
  readonly state?: string | undefined;
}

/** An answer whose approver may not give it, or no longer. */
export interface IneligibleAnswer extends Pick<ApprovalAnswer, 'step' | 'by'> {
  /** Says why, in a word. */
  readonly why: string;
}

/** An approval as it was read for the question that presents it. JSON, since decision records hold it. */
export type ApprovalReading =
  | {
      readonly id: string;
      /** undefined where there is none of this id, or its signed state isn't genuine. */
      readonly approval?: Approval | undefined;
      /** The first place at which the question differs from the one that was approved. */
      readonly difference?: string | undefined;
      readonly ineligible: readonly IneligibleAnswer[];
    }
  | { readonly id: string; readonly fault: FaultCode };

/**
 * The reason for which people aren't asked for their yes: a no that was said to the question lately, the fault for which that can't be
 * told, or that the question is too long to be read. JSON, since decision records hold it.
 */
export type AskingBar = { readonly at: string } | { readonly fault: FaultCode } | { readonly too_long: true };

export interface Approvals {
  /**
   * Reads approvals by their ids, ended ones as well. An id that is none isn't in the result, nor one whose signed state
   * isn't genuine or is another's.
   * @throws Fault where the store can't answer
   */
  fetch(presented: readonly PresentedApproval[]): Promise<ReadonlyMap<string, Approval>>;

  /**
   * Finds questions to which a person has said no so lately that the same isn't asked again.
   * @param questions by what tells each from others (`question_sha256` of an offer)
   * @returns by the question when that was, RFC 3339; those that may be asked aren't in the result
   * @throws Fault where the store can't answer
   */
  findRefusals(questions: readonly string[], now: Date): Promise<ReadonlyMap<string, string>>;
}

/**
 * The advice to a caller about a deny beside the approval that it presented, in the words of AuthZEN's access request and approval
 * profile: asks for another, asks again later, or nothing.
 */
export interface ApprovalAdvice {
  /** undefined where the reasons say it. */
  readonly reason?:
    'approval_expired' | 'out_of_scope' | 'grant_pending' | 'policy_denied' | 'approval_unverifiable' | undefined;
  readonly next_action: 'request' | 'retry' | 'none';
  /** Seconds. */
  readonly retry_after?: number;
}

/** The use of an approval, in the transaction that records the allow. */
export interface ApprovalUse {
  readonly id: string;
  /** The decision that uses it, or that an earlier try with the same `Idempotency-Key` had used it for. */
  readonly decision: string;
}
