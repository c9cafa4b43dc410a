/** Finds what agents were granted and never used: delegations, consents, the scopes of their tokens, and permissions. */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { Action } from '../../policy/schema/action.js';
import type { Vocabulary } from '../../policy/schema/vocabulary.js';
import { listDetailResources } from '../../tokens/authorization-details.js';
import { groupAgentUses, type AgentUse } from './agent-use.js';

/** A delegation in force. */
export interface GrantedDelegation {
  /** The user, as `type:id`. */
  readonly user: string;
  readonly agent: string;
  /** undefined where it is for everything. */
  readonly details: readonly AuthorizationDetail[] | undefined;
  /** RFC 3339; undefined where that isn't known. */
  readonly givenAt: string | undefined;
}

/** A consent in force. */
export interface GrantedConsent {
  readonly id: string;
  readonly user: string;
  readonly agent: string;
  readonly actions: readonly string[];
  readonly givenAt: string;
}

export interface GrantedRights {
  readonly delegations: readonly GrantedDelegation[];
  readonly consents: readonly GrantedConsent[];
}

export type UnusedGrant =
  | { readonly kind: 'delegation'; readonly user: string; readonly agent: string; readonly given_at?: string }
  | {
      readonly kind: 'consent';
      readonly id: string;
      readonly user: string;
      readonly agent: string;
      readonly actions: readonly string[];
      readonly given_at: string;
    }
  | { readonly kind: 'scope'; readonly user?: string; readonly agent: string; readonly scope: string }
  | {
      readonly kind: 'permission';
      readonly user: string;
      readonly agent: string;
      readonly resource_type: string;
      readonly permission: string;
      /** The actions that need it, and that the delegation covers. */
      readonly actions: readonly string[];
    };

/** Lists what no use has needed. A delegation that wasn't used at all stands for its permissions. */
export function listUnusedGrants(
  uses: readonly AgentUse[],
  { delegations, consents }: GrantedRights,
  vocabulary: Vocabulary,
): UnusedGrant[] {
  const done = uses.filter(({ outcome }) => outcome === 'done');
  const usesByPair = new Map<string, AgentUse[]>();
  for (const use of done)
    for (const agent of new Set([use.agent, ...use.through])) {
      const key = pairKeyOf(use.user ?? '', agent);
      const others = usesByPair.get(key);
      if (others === undefined) usesByPair.set(key, [use]);
      else others.push(use);
    }
  const usesOf = ({ user, agent }: GrantedDelegation): readonly AgentUse[] =>
    usesByPair.get(pairKeyOf(user, agent)) ?? [];
  return [
    ...delegations.filter((delegation) => usesOf(delegation).length === 0).map(describeUnusedDelegation),
    ...consents.filter((consent) => !isConsentUsed(consent, done)).map(describeUnusedConsent),
    ...listUnusedScopes(uses, vocabulary),
    ...delegations.flatMap((delegation) => {
      const ofDelegation = usesOf(delegation);
      return ofDelegation.length === 0 ? [] : listUnusedPermissions(delegation, ofDelegation, vocabulary);
    }),
  ];
}

function describeUnusedDelegation({ user, agent, givenAt }: GrantedDelegation): UnusedGrant {
  return { kind: 'delegation', user, agent, ...(givenAt === undefined ? {} : { given_at: givenAt }) };
}

function describeUnusedConsent({ givenAt, ...consent }: GrantedConsent): UnusedGrant {
  return { kind: 'consent', ...consent, given_at: givenAt };
}

/** A list doesn't say on which consent it rests, so it counts for each that it may. */
function isConsentUsed({ id, user, agent, actions }: GrantedConsent, done: readonly AgentUse[]): boolean {
  return done.some((use) =>
    use.consent === undefined
      ? use.properties === undefined && use.user === user && use.agent === agent && actions.includes(use.action)
      : use.consent === id,
  );
}

/** The scopes that tokens carried, and that cover none of what was done on them. Others than the schema's mean nothing here. */
function listUnusedScopes(uses: readonly AgentUse[], vocabulary: Vocabulary): UnusedGrant[] {
  const known = new Set(vocabulary.actions.flatMap(({ scope, backgroundScope }) => [scope, backgroundScope]));
  return groupAgentUses(uses, ({ user, agent }) => [user ?? '', agent]).flatMap((group) => {
    const used = new Set(
      group
        .filter(({ outcome }) => outcome === 'done')
        .flatMap(({ action, resourceType }) => {
          const target = vocabulary.find(action, resourceType)?.action;
          return [target?.scope, target?.backgroundScope];
        }),
    );
    const { user, agent = '' } = group[0] ?? {};
    const carried = new Set(group.flatMap(({ scopes }) => scopes));
    return [...carried]
      .filter((scope) => known.has(scope) && !used.has(scope))
      .sort()
      .map((scope): UnusedGrant => ({ kind: 'scope', ...(user === undefined ? {} : { user }), agent, scope }));
  });
}

/**
 * Lists the permissions that the delegation covers an action for, and no action that was done has needed.
 * @param done the uses that rest on it
 */
function listUnusedPermissions(
  { user, agent, details }: GrantedDelegation,
  done: readonly AgentUse[],
  { actions, agentObject }: Vocabulary,
): UnusedGrant[] {
  const doneActions = new Set(done.map(({ action, resourceType }) => pairKeyOf(action, resourceType)));
  const granted = new Map<string, { type: string; permission: string; names: string[]; isUsed: boolean }>();
  for (const action of actions.filter(({ principalTypes }) => principalTypes.some((t) => t.object === agentObject)))
    for (const { object: type } of action.resourceTypes) {
      if (details !== undefined && !details.some((detail) => mayCover(detail, action, type))) continue;
      const key = JSON.stringify([type, action.permission]);
      const entry = granted.get(key) ?? { type, permission: action.permission, names: [], isUsed: false };
      entry.names.push(action.name);
      entry.isUsed ||= doneActions.has(pairKeyOf(action.name, type));
      granted.set(key, entry);
    }
  return [...granted.values()]
    .filter(({ isUsed }) => !isUsed)
    .map(({ type, permission, names }): UnusedGrant => ({
      kind: 'permission',
      user,
      agent,
      resource_type: type,
      permission,
      actions: names.sort(),
    }));
}

/** Whether the detail may cover the action on some resource of the type. */
function mayCover(detail: AuthorizationDetail, { name, permission }: Action, type: string): boolean {
  const named = listDetailResources(detail);
  return (
    detail.actions?.includes(name) === true &&
    (detail.datatypes?.includes(type) ?? true) &&
    (detail.privileges?.includes(permission) ?? true) &&
    (detail.resources === undefined ||
      named.some((resource) =>
        typeof resource === 'string' ? resource.startsWith(`${type}:`) : resource.type === type,
      ))
  );
}

function pairKeyOf(first: string, second: string): string {
  return JSON.stringify([first, second]);
}
