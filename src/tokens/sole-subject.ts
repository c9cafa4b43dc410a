/**
 * Tells a token that a client has for itself (client credentials) from all others: only such a token logs the client in.
 * A token that the client holds of a user, or that an agent acts with, states a further party.
 */
import { PERSON_PROFILES } from './actors.js';
import { readClaimAt, readFirstClaim } from './claim-path.js';
import type { TokenClaims } from './claims.js';
import type { Issuer } from './issuers.js';
import { SIGN_IN_CLAIMS, type ClaimsPayload } from './presets.js';
import { splitWords } from './word-lists.js';

/** Claims that name an actor or another party beside `sub`. */
const ACTOR_CLAIMS = ['act', 'delegated_through'];
/** Claims that name other things than a client, and could yet be equal to `sub`. */
const SHARED_CLAIMS = ['aud', 'sub'];

/**
 * Reads the `sub` of a token that states no further party. Whether that is the client's own name for itself, the
 * configuration says.
 * @param payload as the issuer has signed it
 * @param claims the same in their standard form
 * @returns undefined where the token states a person, an actor or a sign-in, or no client
 */
export function readSoleSubject(
  payload: ClaimsPayload,
  claims: TokenClaims,
  { rules, shapes, user_claim: userClaim }: Pick<Issuer, 'rules' | 'shapes' | 'user_claim'>,
): string | undefined {
  const { sub, client_id: client, sub_profile: profile = '' } = claims;
  const otherParties = [
    ...(rules.preset.personClaims ?? SIGN_IN_CLAIMS),
    ...ACTOR_CLAIMS,
    ...(userClaim === undefined ? [] : [userClaim]),
  ];
  if (client === undefined || otherParties.some((name) => payload[name] !== undefined)) return undefined;
  if (splitWords(profile.toLowerCase()).some((word) => PERSON_PROFILES.includes(word))) return undefined;
  const agent = rules.agentClaim === undefined ? undefined : readClaimAt(payload, rules.agentClaim);
  if (agent !== undefined && agent !== sub) return undefined;
  const named = readFirstClaim(
    payload,
    rules.clientClaims.filter(([name = '']) => !SHARED_CLAIMS.includes(name)),
  );
  // An issuer that signs for agents and services alone needs no claim beside `sub` for them.
  const isOfSoftwareOnly = shapes.every((shape) => shape === 'agent');
  return named === client || (named === undefined && isOfSoftwareOnly) ? sub : undefined;
}
