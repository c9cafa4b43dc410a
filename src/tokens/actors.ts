/** The parties of a token: reads from its claims who is the user and which agents act. The verifier calls it. */
import { findIdProblem } from '../model/ids.js';
import { readClaimAt, readFirstClaim } from './claim-path.js';
import type { TokenClaims } from './claims.js';
import type { Actor, DelegationToken } from '../model/delegation-token.js';
import type { Issuer, Issuers } from './issuers.js';
import { rejectToken } from './jws.js';

/** Agents in one token, the acting one included. */
export const MAX_CHAIN_LENGTH = 8;

export type TokenParties = Pick<DelegationToken, 'mode' | 'user' | 'actors' | 'chainComplete' | 'agentIsClient'>;

/** Entity profiles of persons: a `sub` beside an `act` must have one, an `act` must not. */
export const PERSON_PROFILES: readonly string[] = ['user', 'human', 'person', 'natural_person'];
/** Entity profiles of software: a party that states one of these is no person, even if it also states a person's. */
const SOFTWARE_PROFILES = ['ai_agent', 'agent', 'service', 'workload', 'client_instance'];

/**
 * Reads the parties in the form that the issuer is configured to use (`shapes`). `act` wins over `agent_claim`, that over
 * `user_claim`, that over an agent's own token, and that over `client_id`.
 * @throws TokenRejectedError `token_actor_invalid`, `token_chain_inverted`, `actor_forbidden`, `token_claims_invalid`
 */
export function readParties(claims: TokenClaims, issuer: Issuer, issuers: Issuers): TokenParties {
  const { act, sub, client_id: client } = claims;
  const hasShape = (shape: Issuer['shapes'][number]): boolean => issuer.shapes.includes(shape);

  if (act !== undefined) {
    if (!hasShape('act'))
      return rejectToken(
        'token_actor_invalid',
        'The token has an `act`, and its issuer is not configured to state one.',
      );
    requirePersonProfile(claims.sub_profile);
    return delegatedParties(issuer, sub, readActorChain(act, claims, issuer, issuers));
  }
  const agent = readAgentClaim(claims, issuer);
  // An agent's own token names itself twice.
  if (agent !== undefined && agent !== sub && !isUserClient(issuer, agent)) {
    requirePersonProfile(claims.sub_profile);
    const profile = agent === client ? claims.client_profile : undefined;
    return delegatedParties(issuer, sub, [makeActor(issuer, agent, profile, 'current')], { chainComplete: false });
  }
  const user = readUserClaim(claims, issuer);
  if (user !== undefined)
    return delegatedParties(issuer, user, [subjectAsActor(claims, issuer)], { chainComplete: false });
  // Only RFC 9068's `sub` = `client_id` tells an agent's own token where an issuer also issues for users.
  if (hasShape('agent') && (issuer.shapes.length === 1 || client === sub) && !isUserClient(issuer, sub)) {
    const actors = [subjectAsActor(claims, issuer)];
    requireActingAgent(actors, issuer);
    return { mode: 'direct', user: undefined, actors, chainComplete: true, agentIsClient: false };
  }
  if (hasShape('client_id') && client !== undefined && client !== sub && !isUserClient(issuer, client)) {
    requirePersonProfile(claims.sub_profile);
    const acting = makeActor(issuer, requireAgentId(client, 'client_id'), claims.client_profile, 'current');
    const intermediaries = readDelegatedThrough(claims, issuer, issuers).filter((earlier) => earlier.id !== acting.id);
    return delegatedParties(issuer, sub, [acting, ...intermediaries], { chainComplete: false, agentIsClient: true });
  }
  return partiesWithoutAgent(claims, issuer);
}

/** @throws TokenRejectedError where the chain is too long or its first agent may not act */
function delegatedParties(
  issuer: Issuer,
  user: string,
  actors: readonly Actor[],
  overrides: Partial<TokenParties> = {},
): TokenParties {
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
}

/**
 * The parties of a token that names no agent although its issuer delegates: it is neither an agent's own nor a
 * delegation. `sub` need not be a person either: a client may act alone, and some issuers put agents into `sub`.
 */
function partiesWithoutAgent(claims: TokenClaims, issuer: Issuer): TokenParties {
  const subjectIsPerson =
    isPersonProfile(claims.sub_profile) &&
    !isAgentProfile(claims.client_profile) &&
    claims.client_id !== claims.sub &&
    !issuer.shapes.includes('user_claim');
  const user = subjectIsPerson ? requireEntityId(issuer, claims.sub) : undefined;
  return { mode: 'unknown', user, actors: [], chainComplete: false, agentIsClient: false };
}

/** Reads the agent from the issuer's `agent_claim`; undefined where the token has none. */
function readAgentClaim(claims: TokenClaims, { shapes, rules }: Issuer): string | undefined {
  if (!shapes.includes('agent_claim') || rules.agentClaim === undefined) return undefined;
  const agent = readClaimAt(claims, rules.agentClaim);
  return agent === undefined ? undefined : requireAgentId(agent, rules.agentClaim.join('.'));
}

/** Reads the user from the issuer's `user_claim`; undefined where the token has none. */
function readUserClaim(claims: TokenClaims, issuer: Issuer): string | undefined {
  if (!issuer.shapes.includes('user_claim') || issuer.user_claim === undefined) return undefined;
  const user = claims[issuer.user_claim];
  if (user === undefined) return undefined;
  if (typeof user !== 'string' || findIdProblem(user) !== undefined)
    return rejectToken('token_claims_invalid', `The claim "${issuer.user_claim}" is not the id of a user.`);
  return user;
}

function subjectAsActor({ sub, sub_profile: profile }: TokenClaims, issuer: Issuer): Actor {
  return makeActor(issuer, sub, profile, 'current');
}

/** Reads the actors from the outermost `act` inwards. `may_act` names parties that may act later, so it is ignored. */
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
  // Intermediaries may be listed beside the chain. They are history, and earlier agents can only deny.
  const intermediaries = readDelegatedThrough(claims, issuer, issuers).filter(
    (t) => !actors.some((a) => a.id === t.id),
  );
  return [...actors, ...intermediaries];
}

const DELEGATED_THROUGH_ENTRY = 'An entry of `delegated_through`';

/** Reads Okta's `delegated_through`: an id, an object like an `act`, or a list of either. */
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

/** Lists an `act` and the ones nested in it, outermost first. */
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

/** Reads one actor. The pair of `iss` and `sub` identifies it: the same `sub` of another issuer is another party. */
function readActor(act: Record<string, unknown>, trust: Actor['trust'], issuer: Issuer, issuers: Issuers): Actor {
  const { iss, sub_profile: profile } = act;
  const { actorClaims } = issuer.rules;
  const actorIssuer = iss === undefined ? issuer : typeof iss === 'string' ? issuers.find(iss) : undefined;
  if (actorIssuer === undefined) return rejectToken('token_actor_invalid', 'An `act.iss` is not a configured issuer.');
  if (profile !== undefined && (typeof profile !== 'string' || profile.length > 256))
    return rejectToken('token_actor_invalid', 'An `act.sub_profile` is not a text of at most 256 characters.');
  // An issuer names the acting agent among its own only. Earlier agents can only deny, so it may name other issuers'.
  if (trust === 'current' && actorIssuer.issuer !== issuer.issuer && !maySpeakFor(issuer, actorIssuer))
    rejectToken(
      'actor_forbidden',
      `The acting agent is of "${actorIssuer.issuer}", for which "${issuer.issuer}" may not speak.`,
    );
  const id = readFirstClaim(act, actorClaims);
  return makeActor(actorIssuer, requireAgentId(id, `act.${actorClaims[0]?.join('.') ?? 'sub'}`), profile, trust);
}

/** Whether an issuer may name another's agents as the acting one: that other by its name, or by that of all its tenants. */
function maySpeakFor({ actors_from: actorsFrom = [] }: Issuer, other: Issuer): boolean {
  return actorsFrom.includes(other.issuer) || actorsFrom.includes(other.configuredName);
}

/** @throws TokenRejectedError where the party is an application of people: its tokens are their own, and open what is theirs */
function makeActor(issuer: Issuer, sub: string, profile: string | undefined, trust: Actor['trust']): Actor {
  if (isUserClient(issuer, sub))
    rejectToken(
      'actor_forbidden',
      `"${sub}" is among the user_clients of its issuer: an application of people is no agent.`,
    );
  return { iss: issuer.issuer, sub, id: requireEntityId(issuer, sub), profile, trust };
}

/** @throws TokenRejectedError where the acting party is a person, or lacks the profile that the issuer requires */
function requireActingAgent([agent]: readonly Actor[], { actor_profiles: requiredProfiles }: Issuer): void {
  const profiles = agent?.profile?.split(' ') ?? [];
  if (profiles.some((p) => PERSON_PROFILES.includes(p.toLowerCase())))
    rejectToken('token_chain_inverted', 'The acting party is a person: a user does not act for an agent.');
  // An agent without a profile has none of the required ones.
  if (requiredProfiles !== undefined && !profiles.some((p) => requiredProfiles.includes(p)))
    rejectToken(
      'actor_forbidden',
      `The acting agent's sub_profile is ${agent?.profile === undefined ? 'missing' : `"${agent.profile}"`}; this issuer's must be ${requiredProfiles.join(' or ')}.`,
    );
}

function isUserClient({ user_clients: userClients = [] }: Issuer, client: string): boolean {
  return userClients.includes(client);
}

/** Whether a profile is a person's. Without one it is: `sub` has always been the user. */
function isPersonProfile(profile: string | undefined): boolean {
  const words = profile?.toLowerCase().split(' ') ?? ['user'];
  return (
    words.some((word) => PERSON_PROFILES.includes(word)) && !words.some((word) => SOFTWARE_PROFILES.includes(word))
  );
}

/** Whether a profile says that the party is an agent. A party without such a profile may be one all the same. */
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
    rejectToken('token_chain_inverted', `The user's sub_profile is "${profile ?? ''}", so "sub" is not a person.`);
}

function requireAgentId(sub: unknown, claim: string): string {
  if (typeof sub === 'string' && findIdProblem(sub) === undefined) return sub;
  return rejectToken('token_actor_invalid', `The claim "${claim}" is not the id of an agent.`);
}

function requireEntityId(issuer: Issuer, sub: string): string {
  const entityId = issuer.entityId(sub);
  if (entityId === undefined)
    return rejectToken('token_claims_invalid', 'An id begins with the alias of another issuer.');
  const problem = findIdProblem(entityId);
  if (problem !== undefined)
    rejectToken('token_claims_invalid', `An id, prefixed with the alias of its issuer, ${problem}.`);
  return entityId;
}
