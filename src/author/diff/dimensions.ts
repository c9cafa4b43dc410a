/** Builds the dimensions of one kind of request: what its policies read, and what must be there before policies count. */
import {
  entityDimensions,
  identityDimensions,
  referenceDimensions,
  contextDimensions,
  userDimensions,
} from './entity-dimensions.js';
import { chainDimension, tokenDimensions } from './token-dimensions.js';
import { historyDimensions } from './history-dimensions.js';
import type { QuestionKind } from './question-kinds.js';
import {
  hasAgent,
  dimensionSource,
  scopesAskedFor,
  uniqueValues,
  MAX_VALUES,
  type Dimension,
  type DimensionSource,
  type DimensionValue,
} from './dimension.js';
import { findLocalMoments, findMoments } from '../hypotheses/values.js';
import { DEFAULT_ZONE, formatLocalInstant } from '../../runtime/local-time.js';
import { NOON } from './synthetic-record.js';

/** The dimensions in the order in which they are put into a draft. One with a single value fills a required member. */
export function buildDimensions(kind: QuestionKind): Dimension[] {
  const source = dimensionSource(kind);
  const { mode } = kind;
  const acting = hasAgent(source) ? 'agent' : 'user';
  const tokened = mode === 'delegated' || mode === 'direct';
  return [
    ...entityDimensions(source, 'resource', 'resource', ({ resource }) => [resource]),
    ...entityDimensions(source, acting, 'principal', ({ principal }) => [principal]),
    ...(mode === 'delegated'
      ? entityDimensions(source, 'earlier', 'earlier agents', ({ principal }) => [principal])
      : []),
    ...(acting === 'user' || mode === 'direct' ? [] : userDimensions(source)),
    ...referenceDimensions(source),
    ...identityDimensions(source, 'resource', (version) => version.resource),
    ...identityDimensions(source, acting, (version) => version.principal),
    ...contextDimensions(source, 'action'),
    ...contextDimensions(source, 'request'),
    ...permissionDimensions(source),
    ...historyDimensions(source),
    ...(tokened ? [...contextDimensions(source, 'claims'), ...tokenDimensions(source)] : []),
    ...(mode === 'delegated' ? [chainDimension(source)] : []),
    ...clockDimensions(source),
    absenceDimension(source),
  ].filter(({ values }) => values.length > 0);
}

/** The permissions that policies read. The others are held, except where {@link absenceDimension} takes one away. */
function permissionDimensions(source: DimensionSource): Dimension[] {
  const { versions, mode } = source.kind;
  const dimension =
    (name: string, holder: 'permissions' | 'agentPermissions') =>
    (permission: string): Dimension => ({
      name: `context.${name}.${permission}`,
      read: permission,
      values: [true, false].map((holds) => ({
        text: String(holds),
        put: (draft) => draft[holder].set(permission, holds),
      })),
    });
  const heldPermissions = (holder: 'permissions' | 'agentPermissions', permissions: readonly string[]): Dimension[] =>
    permissions.map((permission) => ({
      name: permission,
      read: '',
      values: [{ text: 'held', put: (draft) => draft[holder].set(permission, true) }],
    }));
  return [
    ...heldPermissions('permissions', uniqueValues(versions.map(({ action }) => action.permission))),
    ...heldPermissions(
      'agentPermissions',
      hasAgent(source) ? uniqueValues(versions.flatMap(({ action }) => action.agentPermission ?? [])) : [],
    ),
    ...uniqueValues(versions.flatMap(({ action }) => action.can)).map(dimension('can', 'permissions')),
    ...(mode === 'delegated' || mode === 'vouched'
      ? uniqueValues(versions.flatMap(({ action }) => action.agentCan))
      : []
    ).map(dimension('agent_can', 'agentPermissions')),
  ];
}

function clockDimensions({ reads, literals, kind }: DimensionSource): Dimension[] {
  const read = ['now', 'local'].find((member) => reads.has(member));
  if (read === undefined) return [];
  const zones = uniqueValues(kind.versions.map(({ rules }) => rules.zone));
  const moments = [
    NOON,
    ...(reads.has('now') ? findMoments(literals.of('now'), NOON) : []),
    ...(reads.has('local') ? zones.flatMap((zone) => findLocalMoments(literals, zone, NOON)) : []),
  ];
  const values = uniqueValues(moments.map((moment) => moment.toISOString()))
    .slice(0, MAX_VALUES)
    .map((now): DimensionValue => ({
      text: formatLocalInstant(new Date(now), zones.at(-1) ?? DEFAULT_ZONE),
      put: (draft) => {
        draft.now = new Date(now);
      },
    }));
  return [{ name: `context.${read}`, read, values }];
}

/** Takes away one thing at a time that must be there before policies count; where two are gone, either would deny. */
function absenceDimension(source: DimensionSource): Dimension {
  const { versions, mode } = source.kind;
  const without = (text: string, put: DimensionValue['put']): DimensionValue => ({ text, put });
  const can = new Set(versions.flatMap(({ action }) => action.can));
  const agentCan = new Set(versions.flatMap(({ action }) => action.agentCan));
  const gates = uniqueValues(versions.map(({ action }) => action.permission)).filter((p) => !can.has(p));
  const agentGates = uniqueValues(versions.flatMap(({ action }) => action.agentPermission ?? [])).filter(
    (p) => !agentCan.has(p),
  );
  const values = [
    without('nothing', () => undefined),
    ...gates.map((p) => without(`the permission "${p}"`, (draft) => draft.permissions.set(p, false))),
    ...(hasAgent(source)
      ? agentGates.map((p) => without(`the agent's permission "${p}"`, (draft) => draft.agentPermissions.set(p, false)))
      : []),
    ...(mode === 'delegated' || mode === 'vouched'
      ? [without('the delegation', (draft) => void (draft.delegated = false))]
      : []),
    ...(mode === 'delegated' || mode === 'direct'
      ? scopesAskedFor(source).map((scope) =>
          without(`the scope "${scope}"`, ({ token }) => void (token.scopes = token.scopes.filter((s) => s !== scope))),
        )
      : []),
  ];
  return { name: 'lacking', read: '', values };
}
