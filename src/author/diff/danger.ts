/** The dangers of a difference: what a reviewer should see first. Differences of one change are reported in this order. */
import type { Decision } from '../../model/decision.js';
import { coverObligations } from '../../policy/duties.js';
import type { Obligation } from '../../model/obligations.js';
import type { EntityType } from '../../policy/schema/action.js';

export const DANGERS = {
  beyond_user: 'an agent may do what its user may not',
  without_permission: 'no permission that was asked for before is held',
  irreversible: 'by its name the action destroys, hands out or gives away',
  classified_shown: 'attributes with a @class are masked no longer, or less',
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

/** @returns attributes with a `@class` that were masked before and are now masked less strictly or not at all */
export function unmaskedFields(
  before: readonly Obligation[],
  after: readonly Obligation[],
  types: readonly EntityType[],
): string[] {
  const classed = new Set(types.flatMap(({ classes }) => [...classes.values()].flat()));
  const masks = before.filter(({ type }) => type === 'mask');
  return [...classed].filter((field) => {
    const fieldMasks = masks.flatMap((mask) => restrictMask(mask, field));
    return !coverObligations(after, fieldMasks);
  });
}

/** Restricts a mask to one field, or to the record that the field is a part of; empty where it masks neither. */
function restrictMask({ properties, ...mask }: Obligation, field: string): Obligation[] {
  const fields = (properties['fields'] as readonly string[]).filter((f) => f === field || field.startsWith(`${f}.`));
  return fields.length === 0 ? [] : [{ ...mask, properties: { ...properties, fields } }];
}
