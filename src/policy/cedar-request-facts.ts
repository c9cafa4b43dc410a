/** The facts of a decision that its Cedar request is built from. */
import type { ActingParties } from '../model/acting.js';
import type { Consent } from '../model/consents.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { Action, EntityType } from './schema/action.js';

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
  /** The consent that the question rests on, and whether the user has said yes to this very question. */
  readonly consent: { readonly consent: Consent; readonly confirmed: boolean } | undefined;
  readonly now: Date;
  /** The time zone of `context.local`. */
  readonly zone: string;
}
