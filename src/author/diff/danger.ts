/** The dangers of a difference: what a reviewer should see first. Differences of one change are reported in this order. */
import type { Decision } from '../../model/decision.js';
import { findMaskMode, isSameOrNestedField, MASK_MODES } from '../../policy/duty-fields.js';
import type { Obligation } from '../../model/obligations.js';
import type { EntityType } from '../../policy/schema/action.js';

export const DANGERS = {
  beyond_user: 'an agent may do what its user may not',
  without_permission: 'no permission that was asked for before is held',
  irreversible: 'by its name the action destroys, hands out or gives away',
  classified_shown: 'attributes with a @class are hidden no longer, or less',
} as const;
export type Danger = keyof typeof DANGERS;

/** Words in an action's name by which it can't be undone, or lets something out of the organization. */
const IRREVERSIBLE = new Set(
  `delete remove destroy purge erase wipe drop terminate revoke export download share publish send email forward
  transfer pay refund withdraw grant approve delegate invite impersonate execute deploy`.split(/\s+/),
);

export function isIrreversible(action: string): boolean {
  const words = action
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.some((word) => IRREVERSIBLE.has(word));
}

/** Whether the earlier decision denied because the user or the agent lacks the permission. */
export function lackedPermission(before: Pick<Decision, 'reasons'>): boolean {
  return before.reasons.some(({ code }) => code === 'relationship_missing' || code === 'agent_relationship_missing');
}

/**
 * Finds the attributes that a `@class` covers, itself or by what they are a part of, and that are hidden less strictly or no
 * longer. An attribute of the class all of whose parts are shown stands for them.
 */
export function listShownFields(
  before: readonly Obligation[],
  after: readonly Obligation[],
  types: readonly EntityType[],
): string[] {
  const isShown = (field: string): boolean => maskRank(after, field) > maskRank(before, field);
  const shown = types.flatMap(({ classes, paths }) =>
    [...classes.values()].flat().flatMap((classed) => {
      const parts = listParts(classed, paths);
      const shownParts = parts.filter(isShown);
      return shownParts.length === parts.length ? [classed] : shownParts;
    }),
  );
  const isWithin = (field: string, other: string): boolean => field !== other && isSameOrNestedField(field, other);
  return [...new Set(shown)].filter((field) => !shown.some((other) => isWithin(field, other)));
}

/** The parts of an attribute that have none themselves: the attribute, where it is no record. */
function listParts(attribute: string, paths: ReadonlySet<string>): string[] {
  const within = [...paths].filter((path) => isSameOrNestedField(path, attribute));
  return within.filter((path) => !within.some((other) => other !== path && isSameOrNestedField(other, path)));
}

/** The lower, the stricter the field is hidden. */
function maskRank(obligations: readonly Obligation[], field: string): number {
  const mode = findMaskMode(obligations, field);
  return mode === undefined ? MASK_MODES.length : MASK_MODES.indexOf(mode);
}
