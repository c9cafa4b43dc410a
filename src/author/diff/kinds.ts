/** Kinds of questions that two sets of rules are asked: each action on each type, by everybody who may be its principal. */
import { isDeepStrictEqual } from 'node:util';
import { readsOf } from '../../policy/slices.js';
import type { Policy } from '../../policy/policies.js';
import type { Rules } from '../../policy/load.js';
import type { Action } from '../../policy/schema/action.js';
import type { EntityType } from '../../policy/schema/action.js';

/** `vouched`: an agent for a user, by the word of the client and without a token. */
export type Mode = 'human' | 'delegated' | 'vouched' | 'direct';

/** What one set of rules knows of a kind; undefined where it has no such question. */
export interface Known {
  readonly rules: Rules;
  readonly action: Action;
  readonly resource: EntityType;
  readonly principal: EntityType;
  /** All that can apply, duties too. */
  readonly policies: readonly Policy[];
}

export interface Kind {
  readonly mode: Mode;
  readonly action: string;
  /** SpiceDB definitions. */
  readonly resource: string;
  readonly user: string;
  readonly agent: string;
  /** By the rules before and after, where they have the question; at least one does. */
  readonly known: readonly Known[];
}

export function kindsOf(before: Rules, after: Rules): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const { vocabulary } of [before, after])
    for (const { name, resourceTypes, principalTypes, scope } of vocabulary.actions)
      for (const resource of resourceTypes)
        for (const { object } of principalTypes)
          for (const [mode, user] of modesOf(object, scope === undefined, vocabulary)) {
            const agent = vocabulary.agentObject ?? '';
            const key = JSON.stringify([name, resource.object, mode, user]);
            const known = [before, after].flatMap((rules) => knownBy(rules, name, resource.object, object));
            if (!kinds.has(key)) kinds.set(key, { mode, action: name, resource: resource.object, user, agent, known });
          }
  return [...kinds.values()];
}

/** In which a principal of that definition acts, and for whom. */
function modesOf(
  object: string,
  unscoped: boolean,
  { agentObject, userObject }: Rules['vocabulary'],
): (readonly [Mode, string])[] {
  if (object !== agentObject) return [['human', object]];
  // What no scope covers no token of ours does; where a client vouches, nothing has to.
  const modes: readonly Mode[] = unscoped ? ['delegated', 'vouched'] : ['delegated'];
  return [
    ...(userObject === undefined ? [] : modes.map((mode) => [mode, userObject] as const)),
    ['direct', userObject ?? ''],
  ];
}

function knownBy(rules: Rules, name: string, resourceObject: string, object: string): Known[] {
  const on = rules.vocabulary.find(name, resourceObject);
  const principal = on?.action.principalTypes.find((type) => type.object === object);
  if (on === undefined || principal === undefined) return [];
  const { action, resourceType: resource } = on;
  const policies = [rules.deciding, rules.duties].flatMap((s) => s.slice(principal, action, resource).policies);
  return [{ rules, action, resource, principal, policies }];
}

/** Whether policies mean the same, however they are written. */
export function saysTheSame(one: Policy, other: Policy): boolean {
  return one === other || isDeepStrictEqual(one.json, other.json);
}

/**
 * The policies of the kind that one side has and the other has not, or not the same. Where there are none, and the schemas
 * are the same, no decision of the kind can differ.
 */
export function changedIn({ known }: Kind): Policy[] {
  const [one, other] = known;
  if (one === undefined || other === undefined) return known.flatMap(({ policies }) => policies);
  return [...without(other.policies, one.policies), ...without(one.policies, other.policies)];
}

/** Those of the ones that the others don't have. */
function without(ones: readonly Policy[], others: readonly Policy[]): Policy[] {
  const byId = new Map(others.map((policy) => [policy.id, policy]));
  return ones.filter((policy) => {
    const same = byId.get(policy.id);
    return same === undefined || !saysTheSame(policy, same);
  });
}

/** The names of attributes and of members of the context that policies of the kind read. */
export function readBy({ known }: Kind): ReadonlySet<string> {
  return readsOf(known.flatMap(({ policies }) => policies)).names;
}
