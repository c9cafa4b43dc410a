/**
 * Identity providers whose access tokens differ from the standards. One entry each rewrites their claims into the
 * standard ones before anything is read from them; claims that need no rewriting stay as they are.
 */
import { rejectToken } from './jws.js';
import type { TokenType } from './formats.js';
import type { TokenShape } from './shapes.js';

type ClaimsPayload = Readonly<Record<string, unknown>>;

export interface IssuerPreset {
  readonly types: readonly TokenType[];
  readonly shapes: readonly TokenShape[];
  readonly algorithms: readonly ['RS256'];
  /** @throws TokenRejectedError where the provider's own claims contradict each other */
  readonly normalizeClaims: (payload: ClaimsPayload) => ClaimsPayload;
}

/** Facets of Microsoft Entra's agent identities, in `xms_act_fct` and `xms_sub_fct`. */
const AGENT_IDENTITY = '11';
const AGENT_USER = '13';

/**
 * Microsoft Entra ID, v1 and v2 tokens. The user is `oid` within the tenant `tid`, which must be the issuer's own;
 * the agent is the client (`azp`, in v1 `appid`); `idtyp` "app" is a client alone; delegated scopes are in `scp`,
 * an application's in `roles`. The facets only describe: the agent's identity comes from `azp` and the entity store.
 */
function normalizeEntra(payload: ClaimsPayload): ClaimsPayload {
  const { oid, tid, iss, azp, appid, idtyp, scp, roles, uti } = payload;
  if (typeof tid !== 'string' || tid === '' || typeof iss !== 'string' || !iss.split('/').includes(tid))
    return rejectToken('token_claims_invalid', 'The claim "tid" is not the tenant of the issuer.');
  const client = azp ?? appid;
  const isClientAlone = idtyp === 'app';
  const agentFacets = splitFacets(payload['xms_act_fct']);
  const profile = agentFacets.includes(AGENT_IDENTITY) ? 'ai_agent' : 'service';
  const agentUser = splitFacets(payload['xms_sub_fct']).includes(AGENT_USER);
  return {
    ...payload,
    // An application alone has its client id as `sub`: the same id as where it acts for a user.
    sub: isClientAlone ? client : oid,
    client_id: client,
    scope: isClientAlone ? joinWords(roles) : joinWords(scp),
    jti: payload['jti'] ?? uti,
    ...(agentFacets.length === 0 ? {} : { [isClientAlone ? 'sub_profile' : 'client_profile']: profile }),
    // An agent's user account: no user is present.
    ...(agentUser ? { access: 'background' } : {}),
  };
}

/** Okta: scopes in the list `scp`, the client in `cid`, the intermediaries of a delegation in `delegated_through`. */
function normalizeOkta(payload: ClaimsPayload): ClaimsPayload {
  return {
    ...payload,
    client_id: payload['cid'] ?? payload['client_id'],
    scope: joinWords(payload['scp'] ?? payload['scope']),
  };
}

/**
 * Auth0, both token profiles: the client in `azp` or `client_id`, a client alone has `gty` "client-credentials" and
 * "@clients" after its id. With role-based access, `permissions` are those held and `scope` those requested.
 */
function normalizeAuth0(payload: ClaimsPayload): ClaimsPayload {
  const client = payload['client_id'] ?? payload['azp'];
  const isClientAlone = payload['gty'] === 'client-credentials' || payload['sub'] === `${String(client)}@clients`;
  if (!isClientAlone && String(payload['sub']).endsWith('@clients'))
    rejectToken('token_actor_invalid', 'The user (`sub`) is a client.');
  return {
    ...payload,
    client_id: client,
    ...(isClientAlone ? { sub: client } : {}),
    scope: intersectPermissions(payload['scope'], payload['permissions'], isClientAlone),
  };
}

/** Keycloak: the client in `azp`. A service account has `client_id` too, and a user that stands for the client. */
function normalizeKeycloak(payload: ClaimsPayload): ClaimsPayload {
  const { clientId, client_id: owner = clientId, azp = owner, preferred_username: name } = payload;
  const isServiceAccount = typeof name === 'string' && name.toLowerCase().startsWith('service-account-');
  // Keycloak's usernames are in lower case; client ids need not be.
  const isOwnServiceAccount =
    typeof owner === 'string' &&
    typeof name === 'string' &&
    name.toLowerCase() === `service-account-${owner.toLowerCase()}`;
  if (isServiceAccount && (!isOwnServiceAccount || azp !== owner))
    rejectToken('token_actor_invalid', 'The user (`preferred_username`) is the service account of a client.');
  return { ...payload, client_id: azp, ...(isOwnServiceAccount ? { sub: owner } : {}) };
}

/** Limits the requested scopes to the permissions that are held; a client alone requests all that it holds. */
function intersectPermissions(scope: unknown, permissions: unknown, isClientAlone: boolean): unknown {
  if (!Array.isArray(permissions)) return scope;
  if (typeof scope !== 'string') return isClientAlone ? joinWords(permissions) : scope;
  return scope
    .split(' ')
    .filter((s) => permissions.includes(s))
    .join(' ');
}

/** Joins a list of words into the form of `scope`. Anything else is left for the claims' schema to reject. */
function joinWords(value: unknown): unknown {
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value.join(' ') : value;
}

function splitFacets(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ') : [];
}

export const ISSUER_PRESETS = {
  entra: { types: ['JWT'], shapes: ['client_id', 'agent'], algorithms: ['RS256'], normalizeClaims: normalizeEntra },
  okta: {
    types: ['JWT', 'at+jwt'],
    shapes: ['act', 'client_id', 'agent'],
    algorithms: ['RS256'],
    normalizeClaims: normalizeOkta,
  },
  auth0: {
    types: ['JWT', 'at+jwt'],
    shapes: ['act', 'client_id', 'agent'],
    algorithms: ['RS256'],
    normalizeClaims: normalizeAuth0,
  },
  keycloak: {
    types: ['JWT', 'at+jwt'],
    shapes: ['act', 'client_id', 'agent'],
    algorithms: ['RS256'],
    normalizeClaims: normalizeKeycloak,
  },
} as const satisfies Record<string, IssuerPreset>;

export type PresetName = keyof typeof ISSUER_PRESETS;
export const PRESET_NAMES = Object.keys(ISSUER_PRESETS) as [PresetName, ...PresetName[]];
