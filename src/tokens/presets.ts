/**
 * Identity providers and how their access tokens differ from the standards: one entry each rewrites their claims into
 * the standard ones, before anything is read from them. What isn't rewritten stays as it is.
 */
import { refuse } from './jws.js';
import type { TokenType } from './formats.js';
import type { Shape } from './shapes.js';

type Payload = Readonly<Record<string, unknown>>;

export interface Preset {
  readonly types: readonly TokenType[];
  readonly shapes: readonly Shape[];
  readonly algorithms: readonly ['RS256'];
  /** @throws TokenRefused where the provider's own claims contradict each other */
  readonly standard: (payload: Payload) => Payload;
}

/** Facets of Microsoft Entra's agent identities, in `xms_act_fct` and `xms_sub_fct`. */
const AGENT_IDENTITY = '11';
const AGENT_USER = '13';

/**
 * Microsoft Entra ID, v1 and v2 tokens. The user is `oid` within the tenant `tid`, which must be the issuer's own;
 * the agent is the client (`azp`, in v1 `appid`); `idtyp` "app" is a client alone; delegated scopes are in `scp`,
 * an application's in `roles`. The facets only describe: who the agent is comes from `azp` and the entity store.
 */
function entra(p: Payload): Payload {
  const { oid, tid, iss, azp, appid, idtyp, scp, roles, uti } = p;
  if (typeof tid !== 'string' || tid === '' || typeof iss !== 'string' || !iss.split('/').includes(tid))
    return refuse('token_claims_invalid', 'The claim "tid" is not the tenant of the issuer.');
  const client = azp ?? appid;
  const alone = idtyp === 'app';
  const acts = facets(p['xms_act_fct']);
  const profile = acts.includes(AGENT_IDENTITY) ? 'ai_agent' : 'service';
  const agentUser = facets(p['xms_sub_fct']).includes(AGENT_USER);
  return {
    ...p,
    // An application alone is named by its client id, by which it is also known where it acts for somebody.
    sub: alone ? client : oid,
    client_id: client,
    scope: alone ? words(roles) : words(scp),
    jti: p['jti'] ?? uti,
    ...(acts.length === 0 ? {} : { [alone ? 'sub_profile' : 'client_profile']: profile }),
    // An agent's user account: nobody sits in front of it.
    ...(agentUser ? { access: 'background' } : {}),
  };
}

/** Okta: scopes in the list `scp`, the client in `cid`; agents through which a delegation went in `delegated_through`. */
function okta(p: Payload): Payload {
  return { ...p, client_id: p['cid'] ?? p['client_id'], scope: words(p['scp'] ?? p['scope']) };
}

/**
 * Auth0, both token profiles: the client in `azp` or `client_id`, a client alone has `gty` "client-credentials" and
 * "@clients" behind its id. With role-based access, `permissions` say what is held and `scope` what was asked for.
 */
function auth0(p: Payload): Payload {
  const client = p['client_id'] ?? p['azp'];
  const alone = p['gty'] === 'client-credentials' || p['sub'] === `${String(client)}@clients`;
  if (!alone && String(p['sub']).endsWith('@clients')) refuse('token_actor_invalid', 'The user is a client.');
  return {
    ...p,
    client_id: client,
    ...(alone ? { sub: client } : {}),
    scope: granted(p['scope'], p['permissions'], alone),
  };
}

/** Keycloak: the client in `azp`; a service account has `client_id` too, and a user of its own that stands for it. */
function keycloak(p: Payload): Payload {
  const { clientId, client_id: owner = clientId, azp = owner, preferred_username: name } = p;
  const account = typeof name === 'string' && name.toLowerCase().startsWith('service-account-');
  // Usernames are in lower case, whatever the client's id is in.
  const service =
    typeof owner === 'string' &&
    typeof name === 'string' &&
    name.toLowerCase() === `service-account-${owner.toLowerCase()}`;
  if (account && (!service || azp !== owner))
    refuse('token_actor_invalid', 'The user is the service account of a client.');
  return { ...p, client_id: azp, ...(service ? { sub: owner } : {}) };
}

/** What was asked for and is held as well; a client alone asks for all that it holds. */
function granted(scope: unknown, permissions: unknown, alone: boolean): unknown {
  if (!Array.isArray(permissions)) return scope;
  if (typeof scope !== 'string') return alone ? words(permissions) : scope;
  return scope
    .split(' ')
    .filter((s) => permissions.includes(s))
    .join(' ');
}

/** A list of words, or a text of them, as `scope` has it; anything else is left for the claims' types to refuse. */
function words(value: unknown): unknown {
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value.join(' ') : value;
}

function facets(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ') : [];
}

export const PRESETS = {
  entra: { types: ['JWT'], shapes: ['client_id', 'agent'], algorithms: ['RS256'], standard: entra },
  okta: { types: ['JWT', 'at+jwt'], shapes: ['act', 'client_id', 'agent'], algorithms: ['RS256'], standard: okta },
  auth0: { types: ['JWT', 'at+jwt'], shapes: ['act', 'client_id', 'agent'], algorithms: ['RS256'], standard: auth0 },
  keycloak: {
    types: ['JWT', 'at+jwt'],
    shapes: ['act', 'client_id', 'agent'],
    algorithms: ['RS256'],
    standard: keycloak,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as [PresetName, ...PresetName[]];
