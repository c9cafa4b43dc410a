/** What makes a difference dangerous. The list is the order in which differences of one kind are told. */
import type { Decision } from '../../model/decision.js';
import { coverObligations } from '../../policy/duties.js';
import { type Obligation } from '../../model/obligations.js';
import type { EntityType } from '../../policy/schema/action.js';

export const DANGERS = {
  beyond_user: 'an agent may do what its user may not',
  without_permission: 'no permission that was asked for before is held',
  irreversible: 'by its name the action destroys, hands out or gives away',
  classified_shown: 'attributes with a @class are masked no longer, or less',
} as const;
export type Danger = keyof typeof DANGERS;

/** Of the names of actions: what can't be put right afterwards, or leaves the house. */
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

/** Whether somebody is let in who was kept out since the permission that was asked for isn't held. */
export function lackedPermission(before: Pick<Decision, 'reasons'>): boolean {
  return before.reasons.some(({ code }) => code === 'relationship_missing' || code === 'agent_relationship_missing');
}

/** Attributes of a class that had to be masked before, and are now masked less strictly or not at all. */
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

/** What of a mask is about one field, or about what it is a part of. */
function restrictMask({ properties, ...mask }: Obligation, field: string): Obligation[] {
  const fields = (properties['fields'] as readonly string[]).filter((f) => f === field || field.startsWith(`${f}.`));
  return fields.length === 0 ? [] : [{ ...mask, properties: { ...properties, fields } }];
}
