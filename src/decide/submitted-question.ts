/** Compares the question of an access request with the one that was denied: only what was denied can be asked for. */
import type { ApprovalBinding } from '../model/approvals.js';
import type { EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import { formatStatedJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import { CONTEXT_PLACE, listPropertyPlaces } from './approval-binding.js';

/** A question as an access request repeats it. */
export interface SubmittedQuestion {
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly action: { readonly name: string; readonly properties: Properties };
  readonly resource: EntityRef & { readonly properties: Properties };
  readonly context: Properties;
}

/** The places that the denial's record proves, whatever is submitted. */
const PROVEN_PLACES = new Set(['user', 'agent', 'chain', 'access', 'issuer', 'client']);

/**
 * @param binding of the question that was denied
 * @returns the first place at which the submitted one differs; undefined where it doesn't
 */
export function findSubmittedDifference(
  binding: ApprovalBinding,
  { subject, action, resource, context }: SubmittedQuestion,
): string | undefined {
  const { act: _act, ...subjectProperties } = subject.properties;
  const stated = new Map<string, unknown>([
    ['resource', { type: resource.type, id: resource.id, properties: resource.properties }],
    ['action.name', action.name],
    ...listPropertyPlaces(action.properties),
    // What decides nothing may be added.
    ...Object.entries(context)
      .map(([name, value]) => [CONTEXT_PLACE + name, value] as const)
      .filter(([place]) => Object.hasOwn(binding, place)),
    ...(Object.hasOwn(binding, 'subject')
      ? [['subject', { type: subject.type, id: subject.id, properties: subjectProperties }] as const]
      : []),
  ]);
  const places = new Set([...Object.keys(binding), ...stated.keys()]);
  return [...places].sort().find((place) => {
    if (PROVEN_PLACES.has(place)) return false;
    const value = stated.get(place);
    const hash = value === undefined || value === null ? undefined : sha256(formatStatedJson(value));
    return hash !== (Object.hasOwn(binding, place) ? binding[place] : undefined);
  });
}
