/**
 * What a step is. Steps ask, then judge: `asks` says what a step wants looked up, all of it is fetched at once, and
 * `judge` is a pure function of the answers. Steps never call each other; decide.ts says their order.
 */
import type { CedarOutcomes } from './ask-cedar.js';
import type { EntityRef } from '../model/ids.js';
import type { StepOutcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { Check } from '../model/relationships.js';
import type { CheckAnswer } from '../model/checks.js';
import type { CheckRequest } from '../model/checks.js';
import type { Rules } from '../policy/load.js';
import type { EntityWithAncestors } from '../model/entities.js';
import type { FaultCode } from '../model/faults.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import type { BoundQuestion, UnboundQuestion } from './bound-question.js';

export interface StepNeeds {
  readonly checks?: readonly CheckRequest[];
  readonly entities?: readonly EntityRef[];
}

/** The answers to everything that the steps asked. */
export interface Facts {
  /** All that the steps asked. */
  readonly needs: Required<StepNeeds>;
  readonly check: (check: Check) => CheckAnswer;
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  /** Set where the entity store could not answer. */
  readonly entitiesFault: FaultCode | undefined;
  /** Undefined where it wasn't looked for: the user has delegated directly, or nothing can be passed on. */
  readonly delegationPath: DelegationPathResult | undefined;
  readonly cedar: CedarOutcomes;
  /** When answers that were yes may end by themselves, RFC 3339. */
  readonly ends: readonly string[];
}

export interface OpeningStep {
  readonly step: string;
  /** A passing binding step also says what it has established. */
  readonly judge: (unbound: UnboundQuestion) => StepOutcome & { readonly bound?: BoundQuestion };
}

export interface JudgingStep {
  readonly step: string;
  readonly needs?: (bound: BoundQuestion) => StepNeeds;
  readonly judge: (bound: BoundQuestion, facts: Facts) => StepOutcome;
}

export interface ClosingStep {
  readonly step: string;
  readonly judge: (stored: { readonly id: string } | { readonly fault: FaultCode }) => StepOutcome;
}

/** The check with what its caveats can ask for. */
export function withCaveatContext({ question, rules }: BoundQuestion, check: CheckRequest): CheckRequest {
  const context = selectCaveatContext(question, rules, check.resource.type, check.permission);
  return context === undefined ? check : { ...check, context };
}

/** Those members of the request's context that caveats within reach of the permission can ask for, if there are any. */
export function selectCaveatContext(
  { context }: Question,
  { graph }: Rules,
  type: string,
  permission: string,
): Readonly<Record<string, unknown>> | undefined {
  const parameters = graph.reachability
    .caveatParameters(type, permission)
    .filter((name) => Object.hasOwn(context, name));
  return parameters.length === 0 ? undefined : Object.fromEntries(parameters.map((name) => [name, context[name]]));
}
