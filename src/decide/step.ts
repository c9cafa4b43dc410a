/**
 * What a step is. Steps ask, then judge: `asks` says what a step wants looked up, all of it is fetched at once, and
 * `judge` is a pure function of the answers. Steps never call each other; decide.ts says their order.
 */
import type { Cedar } from './ask-cedar.js';
import type { Acting } from '../model/acting.js';
import type { EntityRef } from '../model/ids.js';
import type { Outcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { Check } from '../model/relationships.js';
import type { AskedCheck, CheckAnswer } from '../graph/port.js';
import type { Rules } from '../policy/load.js';
import type { ActionOnResource, EntityType } from '../policy/schema/vocabulary.js';
import type { KnownEntity } from '../store/entities.js';
import type { Ended } from '../store/revocations.js';
import type { FaultCode } from '../model/faults.js';
import type { Credential } from '../tokens/credentials.js';

/** What the first two steps judge: the question, and what became of its token. */
export interface Opening {
  readonly question: Question;
  readonly rules: Rules;
  readonly now: Date;
  /** Undefined where the question carries no token. */
  readonly credential: Credential | { readonly fault: FaultCode } | undefined;
}

/** What the token says, where there is one and all holds that must. */
export function verified({
  credential,
}: Partial<Pick<Opening, 'credential'>>): Extract<Credential, { ok: true }> | undefined {
  return credential !== undefined && 'ok' in credential && credential.ok ? credential : undefined;
}

/** A question whose token and binding have passed: only the binding step makes one. */
export interface Established {
  readonly question: Question;
  readonly rules: Rules;
  readonly now: Date;
  readonly acting: Acting;
  readonly on: ActionOnResource;
  /** The Cedar type of the acting principal. */
  readonly principalType: EntityType;
}

export interface Asks {
  readonly checks?: readonly AskedCheck[];
  readonly entities?: readonly EntityRef[];
}

/** The answers to everything that the steps asked. */
export interface Facts {
  /** All that the steps asked. */
  readonly asked: Required<Asks>;
  readonly check: (check: Check) => CheckAnswer;
  readonly entity: (ref: EntityRef) => KnownEntity | undefined;
  /** Set where the entity store could not answer. */
  readonly entitiesFault: FaultCode | undefined;
  /** Undefined where it wasn't looked for: the user has delegated directly, or nothing can be passed on. */
  readonly passedOn: PassedOn | undefined;
  readonly cedar: Cedar;
  /** When answers that were yes may end by themselves, RFC 3339. */
  readonly ends: readonly string[];
}

/** What came of looking for a delegation that other agents passed on, where the user gave none directly. */
export type PassedOn =
  | {
      readonly kind: 'path';
      /** Relationships, from the acting agent to the user. */
      readonly path: readonly string[];
      /** The agents of the path that the token doesn't state, newest first. */
      readonly through: readonly EntityRef[];
      /** A revocation that covers one of them. */
      readonly ended: Ended | undefined;
      /** When the path may end by itself, RFC 3339. */
      readonly ends: readonly string[];
    }
  | { readonly kind: 'none' | 'too_many' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };

export interface OpeningStep {
  readonly step: string;
  /** A passing binding step also says what it has established. */
  readonly judge: (opening: Opening) => Outcome & { readonly established?: Established };
}

export interface JudgingStep {
  readonly step: string;
  readonly asks?: (established: Established) => Asks;
  readonly judge: (established: Established, facts: Facts) => Outcome;
}

export interface ClosingStep {
  readonly step: string;
  readonly judge: (stored: { readonly id: string } | { readonly fault: FaultCode }) => Outcome;
}

/** The check with what its caveats can ask for. */
export function withContext({ question, rules }: Established, check: AskedCheck): AskedCheck {
  const context = caveatContext(question, rules, check.resource.type, check.permission);
  return context === undefined ? check : { ...check, context };
}

/** Those members of the request's context that caveats within reach of the permission can ask for, if there are any. */
export function caveatContext(
  { context }: Question,
  { graph }: Rules,
  type: string,
  permission: string,
): Readonly<Record<string, unknown>> | undefined {
  const given = graph.reach.caveatParameters(type, permission).filter((name) => Object.hasOwn(context, name));
  return given.length === 0 ? undefined : Object.fromEntries(given.map((name) => [name, context[name]]));
}
