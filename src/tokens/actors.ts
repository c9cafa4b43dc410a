/** Who acts for whom: from the claims of a token to its user and its actors. */
import { findIdProblem } from '../model/ids.js';
import type { TokenClaims } from './claims.js';
import type { Actor, DelegationToken } from '../model/delegation-token.js';
import type { Issuer, Issuers } from './issuers.js';
import { rejectToken } from './jws.js';

export const MAX_CHAIN_LENGTH = 8;

export type TokenParties = Pick<DelegationToken, 'mode' | 'user' | 'actors' | 'chainComplete' | 'agentIsClient'>;

/** Entity profiles of persons: what a `sub` with an `act` is, and an `act` never. */
export const PERSON_PROFILES: readonly string[] = ['user', 'human', 'person', 'natural_person'];
/** And of what is no person, whatever else it says. */
const SOFTWARE_PROFILES = ['ai_agent', 'agent', 'service', 'workload', 'client_instance'];

/** @throws TokenRefused `token_actor_invalid`, `token_chain_inverted`, `actor_forbidden`, `token_claims_invalid` */
export function readParties(claims: TokenClaims, issuer: Issuer, issuers: Issuers): TokenParties {
  const { act, sub, client_id: client } = claims;
  const hasShape = (shape: Issuer['shapes'][number]): boolean => issuer.shapes.includes(shape);
  const delegatedParties = (
    user: string,
    actors: readonly Actor[],
    overrides: Partial<TokenParties> = {},
  ): TokenParties => {
    requireActingAgent(actors, issuer);
    if (actors.length > MAX_CHAIN_LENGTH)
      rejectToken('token_actor_invalid', `The chain has more than ${MAX_CHAIN_LENGTH} agents.`);
    return {
      mode: 'delegated',
      user: requireEntityId(issuer, user),
      actors,
      chainComplete: true,
      agentIsClient: false,
      ...overrides,
    };
  };
  const subjectAsActor = (): Actor => makeActor(issuer, sub, claims.sub_profile, 'current');

  if (act !== undefined) {
    if (!hasShape('act')) return rejectToken('token_actor_invalid', 'This issuer is not configured to state an `act`.');
    requirePersonProfile(claims.sub_profile);
    return delegatedParties(sub, readActorChain(act, claims, issuer, issuers));
  }
  if (hasShape('user_claim') && issuer.user_claim !== undefined) {
    const user = claims[issuer.user_claim];
    if (user !== undefined) {
      if (typeof user !== 'string' || findIdProblem(user) !== undefined)
        rejectToken('token_claims_invalid', `The claim "${issuer.user_claim}" is not the id of a user.`);
      return delegatedParties(user, [subjectAsActor()], { chainComplete: false });
    }
  }
  // Only RFC 9068's `sub` = `client_id` tells an agent's own token where an issuer also issues for users.
  if (hasShape('agent') && (issuer.shapes.length === 1 || client === sub)) {
    const actors = [subjectAsActor()];
    requireActingAgent(actors, issuer);
    return { mode: 'direct', user: undefined, actors, chainComplete: true, agentIsClient: false };
  }
  if (hasShape('client_id') && client !== undefined && client !== sub) {
    requirePersonProfile(claims.sub_profile);
    const agent = makeActor(issuer, requireAgentId(client, 'client_id'), claims.client_profile, 'current');
    const intermediaries = readDelegatedThrough(claims, issuer, issuers).filter((earlier) => earlier.id !== agent.id);
    return delegatedParties(sub, [agent, ...intermediaries], { chainComplete: false, agentIsClient: true });
  }
  // An issuer that delegates has named no agent: that makes nobody an agent, and nothing direct.
  // Nor need there be a person: a client may be alone, and some issuers put agents into `sub`.
  const subjectIsPerson =
    isPersonProfile(claims.sub_profile) &&
    !isAgentProfile(claims.client_profile) &&
    client !== sub &&
    !hasShape('user_claim');
  const user = subjectIsPerson ? requireEntityId(issuer, sub) : undefined;
  return { mode: 'unknown', user, actors: [], chainComplete: false, agentIsClient: false };
}

/** The actors from the outermost `act` inwards; `may_act` says who might act one day, and is none of them. */
function readActorChain(
  outermost: Record<string, unknown>,
  claims: TokenClaims,
  issuer: Issuer,
  issuers: Issuers,
): Actor[] {
  const actors = flattenActs(outermost).map((act, i) =>
    readActor(act, i === 0 ? 'current' : 'history', issuer, issuers),
  );
  if (new Set(actors.map((a) => a.id)).size !== actors.length)
    rejectToken('token_actor_invalid', 'The chain names an agent twice.');
  // Beside the chain, agents may be listed through which the delegation went: more history, which can only deny.
  const intermediaries = readDelegatedThrough(claims, issuer, issuers).filter(
    (t) => !actors.some((a) => a.id === t.id),
  );
  return [...actors, ...intermediaries];
}

const DELEGATED_THROUGH_ENTRY = 'An entry of `delegated_through`';

/** Okta's `delegated_through`: an id or an `act`-like object, or a list of them. */
function readDelegatedThrough(claims: TokenClaims, issuer: Issuer, issuers: Issuers): Actor[] {
  const entries = claims['delegated_through'];
  if (entries === undefined || issuer.preset !== 'okta') return [];
  const actors = [entries]
    .flat()
    .flatMap((entry: unknown) =>
      flattenActs(typeof entry === 'string' ? { sub: entry } : entry, DELEGATED_THROUGH_ENTRY),
    )
    .map((act) => readActor(act, 'history', issuer, issuers));
  return [...new Map(actors.map((a) => [a.id, a])).values()];
}

/** An `act` and those within it, outermost first. */
function flattenActs(outermost: unknown, label = 'An `act`'): Record<string, unknown>[] {
  const acts: Record<string, unknown>[] = [];
  for (let act = outermost; act !== undefined; act = (act as Record<string, unknown>)['act']) {
    if (typeof act !== 'object' || act === null || Array.isArray(act))
      return rejectToken('token_actor_invalid', `${label} is not an object.`);
    acts.push(act as Record<string, unknown>);
    if (acts.length > MAX_CHAIN_LENGTH)
      rejectToken('token_actor_invalid', `The chain has more than ${MAX_CHAIN_LENGTH} agents.`);
  }
  return acts;
}

/** An actor is the pair of `iss` and `sub`: the same `sub` of another issuer is somebody else. */
function readActor(act: Record<string, unknown>, trust: Actor['trust'], issuer: Issuer, issuers: Issuers): Actor {
  const { sub, iss, sub_profile: profile } = act;
  const actorIssuer = iss === undefined ? issuer : typeof iss === 'string' ? issuers.find(iss) : undefined;
  if (actorIssuer === undefined) return rejectToken('token_actor_invalid', 'An `act.iss` is no configured issuer.');
  if (profile !== undefined && (typeof profile !== 'string' || profile.length > 256))
    return rejectToken('token_actor_invalid', 'An `act.sub_profile` is not a text.');
  // Whoever signs says who acts now among its own; of the earlier ones, who can but deny, it may name others'.
  if (trust === 'current' && actorIssuer !== issuer && issuer.actors_from?.includes(actorIssuer.issuer) !== true)
    rejectToken(
      'actor_forbidden',
      `The acting agent is of "${actorIssuer.issuer}", for which "${issuer.issuer}" may not speak.`,
    );
  return makeActor(actorIssuer, requireAgentId(sub, 'act.sub'), profile, trust);
}

function makeActor(issuer: Issuer, sub: string, profile: string | undefined, trust: Actor['trust']): Actor {
  return { iss: issuer.issuer, sub, id: requireEntityId(issuer, sub), profile, trust };
}

/** Whether the one that acts may be an actor at all. */
function requireActingAgent([agent]: readonly Actor[], { actor_profiles: requiredProfiles }: Issuer): void {
  const profiles = agent?.profile?.split(' ') ?? [];
  if (profiles.some((p) => PERSON_PROFILES.includes(p.toLowerCase())))
    rejectToken('token_chain_inverted', 'The acting party is a person: a user does not act for an agent.');
  // One that says nothing of itself is held to be the least of all.
  if (requiredProfiles !== undefined && !profiles.some((p) => requiredProfiles.includes(p)))
    rejectToken(
      'actor_forbidden',
      `The acting agent's sub_profile is ${agent?.profile === undefined ? 'missing' : `"${agent.profile}"`}; this issuer's must be ${requiredProfiles.join(' or ')}.`,
    );
}

/** Of whoever says nothing of itself, `sub` is the user, as it always was. */
function isPersonProfile(profile: string | undefined): boolean {
  const words = profile?.toLowerCase().split(' ') ?? ['user'];
  return (
    words.some((word) => PERSON_PROFILES.includes(word)) && !words.some((word) => SOFTWARE_PROFILES.includes(word))
  );
}

/** Whether a party says that it is an agent; one that doesn't may be one all the same. */
export function isAgentProfile(profile: string | undefined): boolean {
  return (
    profile
      ?.toLowerCase()
      .split(' ')
      .some((word) => word === 'ai_agent' || word === 'agent') ?? false
  );
}

function requirePersonProfile(profile: string | undefined): void {
  if (!isPersonProfile(profile))
    rejectToken('token_chain_inverted', `The user's sub_profile is "${profile ?? ''}", so "sub" is no person.`);
}

function requireAgentId(sub: unknown, claim: string): string {
  if (typeof sub === 'string' && findIdProblem(sub) === undefined) return sub;
  return rejectToken('token_actor_invalid', `The claim "${claim}" is not the id of an agent.`);
}

function requireEntityId(issuer: Issuer, sub: string): string {
  const entityId = issuer.entityId(sub);
  if (entityId === undefined) return rejectToken('token_claims_invalid', "An id reads as another issuer's.");
  const problem = findIdProblem(entityId);
  if (problem !== undefined) rejectToken('token_claims_invalid', `An id, named with its issuer's alias, ${problem}.`);
  return entityId;
}
