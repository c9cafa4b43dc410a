/** Lists the kinds of questions that two sets of rules answer: each action on each resource type by each principal. */
import { isDeepStrictEqual } from 'node:util';
import { collectReads } from '../../policy/collect-reads.js';
import { listNamesRead } from '../../policy/policy-reads.js';
import type { Policy } from '../../policy/policies.js';
import type { Rules } from '../../policy/load.js';
import type { Action, EntityType } from '../../policy/schema/action.js';

/** `vouched` is an agent for a user that the client vouches for, without a token. */
export type QuestionMode = 'human' | 'delegated' | 'vouched' | 'direct';

/** A kind of question as one set of rules has it. */
export interface KindVersion {
  readonly rules: Rules;
  readonly action: Action;
  readonly resource: EntityType;
  readonly principal: EntityType;
  /** Every policy that can apply, duties included. */
  readonly policies: readonly Policy[];
}

export interface QuestionKind {
  readonly mode: QuestionMode;
  readonly action: string;
  /** SpiceDB definitions; `user` is also the principal of a `human` question. */
  readonly resource: string;
  readonly user: string;
  readonly agent: string;
  /** The kind by the earlier and the later rules; one of them is missing where those rules don't have it. */
  readonly versions: readonly KindVersion[];
}

export function listQuestionKinds(before: Rules, after: Rules): QuestionKind[] {
  const kinds = new Map<string, QuestionKind>();
  for (const { vocabulary } of [before, after])
    for (const { name, resourceTypes, principalTypes, scope } of vocabulary.actions)
      for (const resource of resourceTypes)
        for (const { object } of principalTypes)
          for (const [mode, user] of actingModes(object, scope === undefined, vocabulary)) {
            const agent = vocabulary.agentObject ?? '';
            const key = JSON.stringify([name, resource.object, mode, user]);
            const versions = [before, after].flatMap((rules) => resolveKind(rules, name, resource.object, object));
            if (!kinds.has(key))
              kinds.set(key, { mode, action: name, resource: resource.object, user, agent, versions });
          }
  return [...kinds.values()];
}

/** The modes in which a principal of that definition acts, each with the user's definition. */
function actingModes(
  object: string,
  unscoped: boolean,
  { agentObject, userObject }: Rules['vocabulary'],
): (readonly [QuestionMode, string])[] {
  if (object !== agentObject) return [['human', object]];
  // An action without a scope can't be covered by a token's scopes; a client that vouches for an agent needs no token.
  const modes: readonly QuestionMode[] = unscoped ? ['delegated', 'vouched'] : ['delegated'];
  return [
    ...(userObject === undefined ? [] : modes.map((mode) => [mode, userObject] as const)),
    ['direct', userObject ?? ''],
  ];
}

function resolveKind(rules: Rules, name: string, resourceObject: string, object: string): KindVersion[] {
  const on = rules.vocabulary.find(name, resourceObject);
  const principal = on?.action.principalTypes.find((type) => type.object === object);
  if (on === undefined || principal === undefined) return [];
  const { action, resourceType: resource } = on;
  const policies = [rules.deciding, rules.duties].flatMap((s) => s.slice(principal, action, resource).policies);
  return [{ rules, action, resource, principal, policies }];
}

/** Whether two policies mean the same, however they are formatted. */
export function isSamePolicy(policy: Policy, other: Policy): boolean {
  return policy === other || isDeepStrictEqual(policy.json, other.json);
}

/**
 * The policies of the kind that only one set of rules has, or has otherwise. Where there are none and the schemas are the
 * same, no decision of the kind can differ.
 */
export function changedPolicies({ versions }: QuestionKind): Policy[] {
  const [before, after] = versions;
  if (before === undefined || after === undefined) return versions.flatMap(({ policies }) => policies);
  return [...policiesOnlyIn(after.policies, before.policies), ...policiesOnlyIn(before.policies, after.policies)];
}

/** The policies that the other list lacks, or has otherwise. */
function policiesOnlyIn(policies: readonly Policy[], otherPolicies: readonly Policy[]): Policy[] {
  const byId = new Map(otherPolicies.map((policy) => [policy.id, policy]));
  return policies.filter((policy) => {
    const same = byId.get(policy.id);
    return same === undefined || !isSamePolicy(policy, same);
  });
}

/** Names of the attributes and context members that policies of the kind read. */
export function namesReadBy({ versions }: QuestionKind): ReadonlySet<string> {
  return new Set(versions.flatMap((version) => [...namesRead(version.policies, version)]));
}

/** Names that the policies read which only one set of rules has, or has otherwise. */
export function namesReadByChanges(kind: QuestionKind): ReadonlySet<string> {
  const changed = changedPolicies(kind);
  return new Set(kind.versions.flatMap((version) => [...namesRead(changed, version)]));
}

function namesRead(policies: readonly Policy[], { rules, ...types }: KindVersion): ReadonlySet<string> {
  return listNamesRead(collectReads(policies, types, rules.vocabulary));
}
