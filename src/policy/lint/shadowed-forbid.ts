/** A forbid that never forbids anything that another doesn't. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Policy } from '../policies.js';
import type { Action } from '../schema/action.js';
import { collectConjuncts } from '../expressions.js';
import { applicableTypes, listForbids, type Lint } from './lint.js';

export const shadowedForbid: Lint = {
  rule: 'shadowed-forbid',
  title: 'A forbid that another one covers',
  why: 'It forbids nothing by itself: whoever changes or removes it will see nothing happen, and who relies on it relies on the other.',
  cure: 'Remove it, or narrow the other one.',
  run: (input) => {
    const forbids = listForbids(input).map((policy) => toForbidForm(policy, input.rules.vocabulary.actions));
    return forbids.flatMap((forbid, i) => {
      // Of two that say the same the later one is the one too many.
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
  /** All of which must hold. */
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
 * Whether `wide` applies wherever `narrow` does: its scope takes as much and it asks for nothing else. What holds in
 * the one, and without an error, holds in the other, in whatever order it is asked.
 */
function coversForbid(wide: ForbidForm, narrow: ForbidForm): boolean {
  // A remedy of the wide one that the narrow one lacks: the narrow one says that nothing lifts the deny.
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

/** Whether a scope takes all that another one does, as far as is certain from how they are written. */
function scopeIncludes(wide: EntityScope, narrow: EntityScope): boolean {
  if (wide.op === 'All' || JSON.stringify(wide) === JSON.stringify(narrow)) return true;
  if (wide.op !== 'is' || wide.in !== undefined) return false;
  if (narrow.op === 'is') return narrow.entity_type === wide.entity_type;
  if (narrow.op !== '==' || !('entity' in narrow)) return false;
  const uid = '__entity' in narrow.entity ? narrow.entity.__entity : narrow.entity;
  return uid.type === wide.entity_type;
}
