/**
 * What a step is. Steps ask, then judge: `asks` says what a step wants looked up, all of it is fetched at once, and
 * `judge` is a pure function of the answers. Steps never call each other; decide.ts says their order.
 */
import type { Cedar } from './ask-cedar.js';
import type { EntityRef } from '../model/ids.js';
import type { Outcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { Check } from '../model/relationships.js';
import type { CheckAnswer } from '../model/checks.js';
import type { AskedCheck } from '../model/checks.js';
import type { Rules } from '../policy/load.js';
import type { KnownEntity } from '../model/entities.js';
import type { FaultCode } from '../model/faults.js';
import type { PassedOn } from '../model/delegation-path.js';
import type { Established, Opening } from './bound-question.js';

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
