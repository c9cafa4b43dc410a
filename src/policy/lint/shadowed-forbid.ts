/** Finds forbids that forbid nothing that another one doesn't. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Policy } from '../policies.js';
import type { Action } from '../schema/action.js';
import { collectConjuncts } from '../expressions.js';
import { applicableTypes, listForbids, type Lint } from './lint.js';

export const shadowedForbid: Lint = {
  rule: 'shadowed-forbid',
  title: 'A forbid that another one covers',
  why: 'It forbids nothing by itself: changing or removing it has no effect, and an author who relies on it relies on the other.',
  cure: 'Remove it, or narrow the other one.',
  run: (input) => {
    const forbids = listForbids(input).map((policy) => toForbidForm(policy, input.rules.vocabulary.actions));
    return forbids.flatMap((forbid, i) => {
      // Where two say the same, the later one is reported.
      const coveringForbid = forbids.find(
        (candidate, j) => i !== j && coversForbid(candidate, forbid) && (j < i || !coversForbid(forbid, candidate)),
      );
      return coveringForbid === undefined
        ? []
        : [
            {
              location: forbid.policy.location,
              message: `"${forbid.policy.id}" forbids nothing that "${coveringForbid.policy.id}" (${coveringForbid.policy.source}) doesn't`,
            },
          ];
    });
  },
};

interface ForbidForm {
  readonly policy: Policy;
  readonly actions: ReadonlySet<Action>;
  /** The conditions, all of which must hold, as JSON. */
  readonly conditions: ReadonlySet<string>;
  readonly remedies: string;
}

function toForbidForm(policy: Policy, actions: readonly Action[]): ForbidForm {
  return {
    policy,
    actions: new Set(actions.filter((action) => applicableTypes(policy, action).length > 0)),
    conditions: new Set(collectConjuncts(policy.json).map((condition) => JSON.stringify(condition))),
    remedies: JSON.stringify(policy.remedies),
  };
}

/**
 * Whether `wide` applies wherever `narrow` does: its scope matches as much, and it has no condition that `narrow` lacks.
 * A condition that holds without an error in the one does so in the other, in whatever order they are evaluated.
 */
function coversForbid(wide: ForbidForm, narrow: ForbidForm): boolean {
  // Where only the wide one has a remedy, the narrow one says that nothing lifts the deny.
  if (wide.policy.remedies.length > 0 && wide.remedies !== narrow.remedies) return false;
  if (wide.conditions.size > narrow.conditions.size) return false;
  return (
    [...wide.conditions].every((condition) => narrow.conditions.has(condition)) &&
    [...narrow.actions].every((action) => wide.actions.has(action)) &&
    scopeIncludes(wide.policy.json.principal, narrow.policy.json.principal) &&
    scopeIncludes(wide.policy.json.resource, narrow.policy.json.resource)
  );
}

type EntityScope = PolicyJson['principal'] | PolicyJson['resource'];

/** Whether a scope matches all that another one does, as far as that is certain from how they are written. */
export function scopeIncludes(wide: EntityScope, narrow: EntityScope): boolean {
  if (wide.op === 'All' || JSON.stringify(wide) === JSON.stringify(narrow)) return true;
  if (wide.op !== 'is' || wide.in !== undefined) return false;
  if (narrow.op === 'is') return narrow.entity_type === wide.entity_type;
  if (narrow.op !== '==' || !('entity' in narrow)) return false;
  const uid = '__entity' in narrow.entity ? narrow.entity.__entity : narrow.entity;
  return uid.type === wide.entity_type;
}
