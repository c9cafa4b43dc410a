/** What varies in the generated requests of a kind: whatever policies read, and whatever they need to be asked at all. */
import type { EntityType } from '../../policy/schema/action.js';
import { entityDimensions, identityDimensions, saidDimensions } from './attributes.js';
import { chainDimension, tokenDimensions } from './credentials.js';
import type { Kind, Known } from './kinds.js';
import { isAgents, matterOf, scopesOf, unique, type Dimension, type Matter, type Value } from './matter.js';
import { momentsAround } from './values.js';

/** In the order in which they are put into a draft. One with a single value is there so that nothing required lacks. */
export function dimensionsOf(kind: Kind): Dimension[] {
  const matter = matterOf(kind);
  const { mode } = kind;
  const acting = isAgents(matter) ? 'agent' : 'user';
  const tokened = mode === 'delegated' || mode === 'direct';
  return [
    ...entityDimensions(matter, 'resource', 'resource', (known) => known.resource),
    ...entityDimensions(matter, acting, 'principal', (known) => known.principal),
    ...(mode === 'delegated' ? entityDimensions(matter, 'earlier', 'earlier agents', (known) => known.principal) : []),
    ...(acting === 'user' || mode === 'direct' ? [] : entityDimensions(matter, 'user', 'context.user', userOf)),
    ...identityDimensions(matter, 'resource', (known) => known.resource),
    ...identityDimensions(matter, acting, (known) => known.principal),
    ...saidDimensions(matter, 'action'),
    ...saidDimensions(matter, 'request'),
    ...permissions(matter),
    ...(tokened ? tokenDimensions(matter) : []),
    ...(mode === 'delegated' ? [chainDimension(matter)] : []),
    ...clock(matter),
    lacking(matter),
  ].filter(({ values }) => values.length > 0);
}

function userOf({ rules: { vocabulary }, action }: Known): EntityType | undefined {
  const type = action.context['user']?.type;
  return type?.kind === 'Entity' ? vocabulary.entityTypes.get(type.name) : undefined;
}

/** Those that policies read; the others are what {@link lacking} takes away. */
function permissions(matter: Matter): Dimension[] {
  const { known, mode } = matter.kind;
  const dimension =
    (name: string, of: 'held' | 'heldByAgent') =>
    (permission: string): Dimension => ({
      name: `context.${name}.${permission}`,
      read: permission,
      values: [true, false].map((holds) => ({
        text: String(holds),
        put: (draft) => draft[of].set(permission, holds),
      })),
    });
  const gates = (of: 'held' | 'heldByAgent', permissions: readonly string[]): Dimension[] =>
    permissions.map((permission) => ({
      name: permission,
      read: '',
      values: [{ text: 'held', put: (draft) => draft[of].set(permission, true) }],
    }));
  return [
    ...gates('held', unique(known.map(({ action }) => action.permission))),
    ...gates(
      'heldByAgent',
      isAgents(matter) ? unique(known.flatMap(({ action }) => action.agentPermission ?? [])) : [],
    ),
    ...unique(known.flatMap(({ action }) => action.can)).map(dimension('can', 'held')),
    ...(mode === 'delegated' || mode === 'vouched' ? unique(known.flatMap(({ action }) => action.agentCan)) : []).map(
      dimension('agent_can', 'heldByAgent'),
    ),
  ];
}

function clock({ reads, literals }: Matter): Dimension[] {
  if (!reads.has('now')) return [];
  const values = momentsAround(literals.of('now')).map((now): Value => ({
    text: now.toISOString(),
    put: (draft) => {
      draft.now = now;
    },
  }));
  return [{ name: 'context.now', read: 'now', values }];
}

/** One thing at a time of what must be there before policies count: where two lack, either is reason enough. */
function lacking(matter: Matter): Dimension {
  const { known, mode } = matter.kind;
  const without = (what: string, put: Value['put']): Value => ({ text: what, put });
  const can = new Set(known.flatMap(({ action }) => action.can));
  const agentCan = new Set(known.flatMap(({ action }) => action.agentCan));
  const gates = unique(known.map(({ action }) => action.permission)).filter((p) => !can.has(p));
  const agentGates = unique(known.flatMap(({ action }) => action.agentPermission ?? [])).filter(
    (p) => !agentCan.has(p),
  );
  const values = [
    without('nothing', () => undefined),
    ...gates.map((p) => without(`the permission "${p}"`, ({ held }) => held.set(p, false))),
    ...(isAgents(matter)
      ? agentGates.map((p) => without(`the agent's permission "${p}"`, ({ heldByAgent }) => heldByAgent.set(p, false)))
      : []),
    ...(mode === 'delegated' || mode === 'vouched'
      ? [without('the delegation', (draft) => void (draft.delegated = false))]
      : []),
    ...(mode === 'delegated' || mode === 'direct'
      ? scopesOf(matter).map((scope) =>
          without(`the scope "${scope}"`, ({ token }) => void (token.scopes = token.scopes.filter((s) => s !== scope))),
        )
      : []),
  ];
  return { name: 'lacking', read: '', values };
}
