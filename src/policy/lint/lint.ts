/** Lints: each finds policies or schemas that are valid, but hardly what their author meant. */
import type { LocateDeclaration } from '../schema/declarations.js';
import type { RuleDescription } from '../../diagnostics/error-rules.js';
import type { SourceLocation, Problem } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../load.js';
import type { Policy } from '../policies.js';
import { canApply } from '../scope-match.js';
import type { Action, EntityType } from '../schema/action.js';

export interface LintInput {
  readonly rules: Rules;
  readonly locateDeclaration: LocateDeclaration;
  /** The permissions that the configuration names, as `team#manage`. */
  readonly configuredPermissions: ReadonlySet<string>;
  /**
   * The kinds of questions that a policy's scope matches and no test shows it deciding, by the policy's id; undefined
   * where no tests were run.
   */
  readonly untestedKinds: ReadonlyMap<string, readonly string[]> | undefined;
}

export interface Lint extends RuleDescription {
  /** The stable name that findings and `remit-ignore` say. */
  readonly rule: string;
  /** Returns what is certain, and nothing that is only likely. */
  readonly run: (input: LintInput) => readonly LintFinding[];
}

export interface LintFinding extends Problem {
  readonly location: SourceLocation;
}

export function listPermits({ rules }: LintInput): Policy[] {
  return listDecidingPolicies(rules).filter(({ json }) => json.effect === 'permit');
}

export function listForbids({ rules }: Pick<LintInput, 'rules'>): Policy[] {
  return listDecidingPolicies(rules).filter(({ json }) => json.effect === 'forbid');
}

function listDecidingPolicies({ policies }: Rules): Policy[] {
  return [...policies.values()].filter((policy) => policy.duties === undefined);
}

/** The pairs of an action's principal and resource types that a policy's scope can match. */
export function applicableTypes(
  policy: Pick<Policy, 'json'>,
  action: Action,
): readonly (readonly [EntityType, EntityType])[] {
  return action.principalTypes.flatMap((principal) =>
    action.resourceTypes
      .filter((resource) => canApply(policy.json, principal, action, resource))
      .map((resource) => [principal, resource] as const),
  );
}
