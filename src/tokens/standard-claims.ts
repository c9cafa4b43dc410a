/**
 * Brings an issuer's claims into their standard form, before anything is read from them: which claim names the client, how
 * scopes are written, what stands for the audience. The rules say where an issuer differs; every other claim stays as it is.
 */
import { readClaimAt, readFirstClaim } from './claim-path.js';
import type { Issuer } from './issuers.js';
import { rejectToken } from './jws.js';
import type { ClaimsPayload } from './presets.js';
import type { TokenReadingRules } from './reading-rules.js';
import { joinWords, splitWords } from './word-lists.js';

type ReadIssuer = Pick<Issuer, 'rules' | 'tenant' | 'shapes'>;

/** @throws TokenRejectedError `token_claims_invalid` where claims contradict each other or the issuer */
export function toStandardClaims(payload: ClaimsPayload, issuer: ReadIssuer): ClaimsPayload {
  const { rules, tenant } = issuer;
  const { preset } = rules;
  if (tenant !== undefined && payload['tid'] !== undefined && payload['tid'] !== tenant)
    rejectToken('token_claims_invalid', 'The claim "tid" is not the tenant of the issuer.');
  const client = readClient(payload, issuer);
  const own: ClaimsPayload = { ...omitForeign(payload, rules), scope: readScopeClaim(payload, rules) };
  const rewritten = preset.rewriteClaims?.(own, client) ?? own;
  const isClientAlone = preset.leavesOutSubject === true && rewritten['sub'] === undefined;
  const standard = { ...rewritten, client_id: client, ...(isClientAlone ? { sub: client } : {}) };
  return { ...standard, aud: readAudience(standard, rules) };
}

/** The values that policies may read, by their names; null and what isn't there are left out. */
export function readPolicyClaims(
  payload: ClaimsPayload,
  { policyClaims, policyClaimsObject }: TokenReadingRules,
): ClaimsPayload | undefined {
  const members = policyClaimsObject === undefined ? undefined : readClaimAt(payload, policyClaimsObject);
  const values = [
    ...(typeof members === 'object' && members !== null ? Object.entries(members) : []),
    ...policyClaims.map(([name, path]) => [name, readClaimAt(payload, path)] as const),
  ].filter(([, value]) => value !== undefined && value !== null);
  return values.length === 0 ? undefined : Object.fromEntries(values);
}

function omitForeign(payload: ClaimsPayload, { foreignClaims }: TokenReadingRules): ClaimsPayload {
  if (foreignClaims.length === 0) return payload;
  return Object.fromEntries(Object.entries(payload).filter(([name]) => !foreignClaims.some((own) => own === name)));
}

/** Reads the client. An agent's own token is issued to the agent, so `sub` names it where the issuer signs no others. */
function readClient(payload: ClaimsPayload, { rules, shapes }: ReadIssuer): unknown {
  const client = readFirstClaim(payload, rules.clientClaims);
  if (client === undefined) return shapes.every((shape) => shape === 'agent') ? payload['sub'] : undefined;
  // A list of one is an audience that is the client.
  return Array.isArray(client) && client.length === 1 ? (client[0] as unknown) : client;
}

/** Reads the scopes of either claim, as a text or a list. @throws TokenRejectedError where the two differ */
function readScopeClaim({ scope, scp }: ClaimsPayload, { hasScopeLists }: TokenReadingRules): unknown {
  const [stated, alternative] = [hasScopeLists ? joinWords(scope) : scope, joinWords(scp)];
  if (stated === undefined || alternative === undefined) return stated ?? alternative;
  if (typeof stated !== 'string' || typeof alternative !== 'string') return stated;
  if (splitWords(stated).sort().join(' ') !== splitWords(alternative).sort().join(' '))
    rejectToken('token_claims_invalid', 'The claims "scope" and "scp" differ.');
  return stated;
}

/** Reads the audience: `aud`, or what the configuration names for tokens that have none. */
function readAudience({ aud, ...claims }: ClaimsPayload, { audienceFrom, preset }: TokenReadingRules): unknown {
  const isAbsent = aud === undefined || (Array.isArray(aud) && aud.length === 0);
  if (!isAbsent || audienceFrom === undefined) return aud;
  if (audienceFrom === 'client_id') return claims['client_id'];
  return claims['resource'] ?? (preset.hasResourceScopes === true ? listScopeResources(claims['scope']) : aud);
}

/** The resources that scopes begin with: `https://hr.example` of `https://hr.example/read`. */
function listScopeResources(scope: unknown): string[] | undefined {
  if (typeof scope !== 'string') return undefined;
  const resources = splitWords(scope).flatMap((word) => {
    const end = word.lastIndexOf('/');
    return end > 0 ? [word.slice(0, end)] : [];
  });
  return resources.length === 0 ? undefined : [...new Set(resources)];
}
