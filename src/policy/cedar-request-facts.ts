/** The facts of a decision that its Cedar request is built from. */
import type { ActingParties } from '../model/acting.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { HistoryValue } from '../model/history.js';
import type { EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { Action, EntityType } from './schema/action.js';

/** `Remit::Consent` of the prelude, with instants as texts of the form that Cedar's datetime() reads. */
export interface PolicyConsent {
  readonly granted_at: string;
  readonly expires_at?: string;
  /** Whether the user has said yes to this very question. */
  readonly confirmed: boolean;
}

/** `Remit::Approval` of the prelude, with instants as texts of the form that Cedar's datetime() reads. */
export interface PolicyApproval {
  readonly by: string;
  readonly approvers: readonly string[];
  readonly approved_at: string;
  readonly expires_at: string;
  readonly emergency: boolean;
}

export interface CedarRequestFacts {
  readonly acting: ActingParties;
  readonly action: Action;
  readonly resourceType: EntityType;
  readonly resource: EntityRef;
  /** Attributes of the resource that override those stored. */
  readonly resourceProperties: Properties;
  /** Attributes of the user or agent that the client asserts; empty unless it may. */
  readonly subjectProperties: Properties;
  readonly subject: EntityRef;
  readonly actionProperties: Properties;
  readonly context: Properties;
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  /** The members of `context.can`: whether each permission is held. */
  readonly can: Readonly<Record<string, boolean>>;
  readonly agentCan: Readonly<Record<string, boolean>>;
  /** The rest of the tightest limit; undefined where the action has none. */
  readonly budget: { readonly remaining: number; readonly unit?: string } | undefined;
  /** The answers about the past of a principal, by the members of `context.history`. @throws Fault where one isn't known */
  readonly history: (principal: EntityRef) => Readonly<Record<string, HistoryValue>>;
  readonly consent: PolicyConsent | undefined;
  /** The approval as policies read it; undefined where none covers all that the denying forbids name. */
  readonly approval: PolicyApproval | undefined;
  readonly now: Date;
  /** The time zone of `context.local`. */
  readonly zone: string;
}
