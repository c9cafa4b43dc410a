/** What a lint is: something that is valid, and still hardly what its author meant. */
import type { LocateDeclaration } from '../schema/declarations.js';
import type { RuleDescription } from '../../diagnostics/error-rules.js';
import type { SourceLocation, Problem } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../load.js';
import type { Policy } from '../policies.js';
import { canApply } from '../slices.js';
import type { Action } from '../schema/action.js';
import type { EntityType } from '../schema/action.js';

export interface LintInput {
  readonly rules: Rules;
  /** Where the Cedar schema declares things. */
  readonly place: LocateDeclaration;
  /** By a policy's id, what its scope takes without any test showing it decide; undefined where no tests were run. */
  readonly untestedKinds: ReadonlyMap<string, readonly string[]> | undefined;
}

export interface Lint extends RuleDescription {
  /** Its stable name. */
  readonly rule: string;
  /** Reports what is certain, and nothing that is only likely. */
  readonly run: (input: LintInput) => readonly LintFinding[];
}

export interface LintFinding extends Problem {
  readonly location: SourceLocation;
}

export function listPermits({ rules }: LintInput): Policy[] {
  return listDecidingPolicies(rules).filter(({ json }) => json.effect === 'permit');
}

export function listForbids({ rules }: LintInput): Policy[] {
  return listDecidingPolicies(rules).filter(({ json }) => json.effect === 'forbid');
}

function listDecidingPolicies({ policies }: Rules): Policy[] {
  return [...policies.values()].filter((policy) => policy.duties === undefined);
}

/** What a policy's scope takes of an action's principals and resources. */
export function applicableTypes(policy: Policy, action: Action): readonly (readonly [EntityType, EntityType])[] {
  return action.principalTypes.flatMap((principal) =>
    action.resourceTypes
      .filter((resource) => canApply(policy.json, principal, action, resource))
      .map((resource) => [principal, resource] as const),
  );
}
