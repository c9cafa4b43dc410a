/** The rewriting of providers' own claims into the standard ones, for those of the presets that need more than other names. */
import { rejectToken } from './jws.js';
import { joinWords } from './word-lists.js';

export type ClaimsPayload = Readonly<Record<string, unknown>>;

/** Facets of Microsoft Entra's agent identities, in `xms_act_fct` and `xms_sub_fct`. */
const AGENT_IDENTITY = '11';
const AGENT_USER = '13';

/**
 * Microsoft Entra ID, v1 and v2 tokens. The user is `oid` within the tenant `tid`, which must be the issuer's own;
 * the agent is the client (`azp`, in v1 `appid`); `idtyp` "app" is a client alone; delegated scopes are in `scp`,
 * an application's in `roles`. The facets only describe: the agent's identity comes from `azp` and the entity store.
 */
export function rewriteEntra(payload: ClaimsPayload, client: unknown): ClaimsPayload {
  const { oid, tid, iss, idtyp, scp, roles, uti } = payload;
  if (typeof tid !== 'string' || tid === '' || typeof iss !== 'string' || !iss.split('/').includes(tid))
    return rejectToken('token_claims_invalid', 'The claim "tid" is not the tenant of the issuer.');
  const isClientAlone = idtyp === 'app';
  const agentFacets = splitFacets(payload['xms_act_fct']);
  const profile = agentFacets.includes(AGENT_IDENTITY) ? 'ai_agent' : 'service';
  const agentUser = splitFacets(payload['xms_sub_fct']).includes(AGENT_USER);
  return {
    ...payload,
    // An application alone has its client id as `sub`: the same id as where it acts for a user.
    sub: isClientAlone ? client : oid,
    scope: isClientAlone ? joinWords(roles) : joinWords(scp),
    jti: payload['jti'] ?? uti,
    ...(agentFacets.length === 0 ? {} : { [isClientAlone ? 'sub_profile' : 'client_profile']: profile }),
    // An agent's user account: no user is present.
    ...(agentUser ? { access: 'background' } : {}),
  };
}

/**
 * Auth0, both token profiles: a client alone has `gty` "client-credentials" and "@clients" after its id. With role-based
 * access, `permissions` are those held and `scope` those requested.
 */
export function rewriteAuth0(payload: ClaimsPayload, client: unknown): ClaimsPayload {
  const isClientAlone = payload['gty'] === 'client-credentials' || payload['sub'] === `${String(client)}@clients`;
  if (!isClientAlone && String(payload['sub']).endsWith('@clients'))
    rejectToken('token_actor_invalid', 'The user (`sub`) is a client.');
  return {
    ...payload,
    ...(isClientAlone ? { sub: client } : {}),
    scope: intersectPermissions(payload['scope'], payload['permissions'], isClientAlone),
  };
}

/** Keycloak: a service account has `client_id` beside `azp`, and a user that stands for the client. */
export function rewriteKeycloak(payload: ClaimsPayload, client: unknown): ClaimsPayload {
  const { clientId, client_id: owner = clientId, preferred_username: name } = payload;
  const isServiceAccount = typeof name === 'string' && name.toLowerCase().startsWith('service-account-');
  // Keycloak's usernames are in lower case; client ids need not be.
  const isOwnServiceAccount =
    typeof owner === 'string' &&
    typeof name === 'string' &&
    name.toLowerCase() === `service-account-${owner.toLowerCase()}`;
  if (isServiceAccount && (!isOwnServiceAccount || client !== owner))
    rejectToken('token_actor_invalid', 'The user (`preferred_username`) is the service account of a client.');
  return { ...payload, ...(isOwnServiceAccount ? { sub: owner } : {}) };
}

/** Supabase: the session in `session_id`. */
export function rewriteSupabase(payload: ClaimsPayload): ClaimsPayload {
  return { ...payload, sid: payload['sid'] ?? payload['session_id'] };
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

function splitFacets(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ') : [];
}
