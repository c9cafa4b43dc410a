/** What a lint is: something that is valid, and still hardly what its author meant. */
import type { Place } from '../schema/declarations.js';
import type { RuleText } from '../../diagnostics/errors.js';
import type { Location, Problem } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../load.js';
import type { Policy } from '../policies.js';
import { canApply } from '../slices.js';
import type { Action } from '../schema/action.js';
import type { EntityType } from '../schema/action.js';

export interface Subject {
  readonly rules: Rules;
  /** Where the Cedar schema declares things. */
  readonly place: Place;
  /** By a policy's id, what its scope takes without any test showing it decide; undefined where no tests were run. */
  readonly unseen: ReadonlyMap<string, readonly string[]> | undefined;
}

export interface Lint extends RuleText {
  /** Its stable name. */
  readonly rule: string;
  /** Reports what is certain, and nothing that is only likely. */
  readonly run: (subject: Subject) => readonly Suspect[];
}

export interface Suspect extends Problem {
  readonly at: Location;
}

export function permitsOf({ rules }: Subject): Policy[] {
  return decidingOf(rules).filter(({ json }) => json.effect === 'permit');
}

export function forbidsOf({ rules }: Subject): Policy[] {
  return decidingOf(rules).filter(({ json }) => json.effect === 'forbid');
}

function decidingOf({ policies }: Rules): Policy[] {
  return [...policies.values()].filter((policy) => policy.duties === undefined);
}

/** What a policy's scope takes of an action's principals and resources. */
export function applicable(policy: Policy, action: Action): readonly (readonly [EntityType, EntityType])[] {
  return action.principalTypes.flatMap((principal) =>
    action.resourceTypes
      .filter((resource) => canApply(policy.json, principal, action, resource))
      .map((resource) => [principal, resource] as const),
  );
}
