/** Who acts for whom: from the claims of a token to its user and its actors. */
import { idProblem } from '../model/ids.js';
import type { Claims } from './claims.js';
import type { Actor, DelegationToken } from '../model/delegation-token.js';
import type { Issuer, Issuers } from './issuers.js';
import { refuse } from './jws.js';

export const MAX_CHAIN = 8;

export type Parties = Pick<DelegationToken, 'mode' | 'user' | 'actors' | 'chainComplete' | 'agentIsClient'>;

/** Entity profiles of persons: what a `sub` with an `act` is, and an `act` never. */
export const PERSONS: readonly string[] = ['user', 'human', 'person', 'natural_person'];
/** And of what is no person, whatever else it says. */
const SOFTWARE = ['ai_agent', 'agent', 'service', 'workload', 'client_instance'];

/** @throws TokenRefused `token_actor_invalid`, `token_chain_inverted`, `actor_forbidden`, `token_claims_invalid` */
export function partiesOf(claims: Claims, issuer: Issuer, issuers: Issuers): Parties {
  const { act, sub, client_id: client } = claims;
  const has = (shape: Issuer['shapes'][number]): boolean => issuer.shapes.includes(shape);
  const delegated = (user: string, actors: readonly Actor[], more: Partial<Parties> = {}): Parties => {
    current(actors, issuer);
    if (actors.length > MAX_CHAIN) refuse('token_actor_invalid', `The chain has more than ${MAX_CHAIN} agents.`);
    return { mode: 'delegated', user: named(issuer, user), actors, chainComplete: true, agentIsClient: false, ...more };
  };
  const itself = (): Actor => actor(issuer, sub, claims.sub_profile, 'current');

  if (act !== undefined) {
    if (!has('act')) return refuse('token_actor_invalid', 'This issuer is not configured to state an `act`.');
    requirePerson(claims.sub_profile);
    return delegated(sub, chainOf(act, claims, issuer, issuers));
  }
  if (has('user_claim') && issuer.user_claim !== undefined) {
    const user = claims[issuer.user_claim];
    if (user !== undefined) {
      if (typeof user !== 'string' || idProblem(user) !== undefined)
        refuse('token_claims_invalid', `The claim "${issuer.user_claim}" is not the id of a user.`);
      return delegated(user, [itself()], { chainComplete: false });
    }
  }
  // Only RFC 9068's `sub` = `client_id` tells an agent's own token where an issuer also issues for users.
  if (has('agent') && (issuer.shapes.length === 1 || client === sub)) {
    const actors = [itself()];
    current(actors, issuer);
    return { mode: 'direct', user: undefined, actors, chainComplete: true, agentIsClient: false };
  }
  if (has('client_id') && client !== undefined && client !== sub) {
    requirePerson(claims.sub_profile);
    const agent = actor(issuer, identifier(client, 'client_id'), claims.client_profile, 'current');
    const through = throughOf(claims, issuer, issuers).filter((earlier) => earlier.id !== agent.id);
    return delegated(sub, [agent, ...through], { chainComplete: false, agentIsClient: true });
  }
  // An issuer that delegates has named no agent: that makes nobody an agent, and nothing direct.
  // Nor need there be a person: a client may be alone, and some issuers put agents into `sub`.
  const person =
    isPerson(claims.sub_profile) && !isAgent(claims.client_profile) && client !== sub && !has('user_claim');
  const user = person ? named(issuer, sub) : undefined;
  return { mode: 'unknown', user, actors: [], chainComplete: false, agentIsClient: false };
}

/** The actors from the outermost `act` inwards; `may_act` says who might act one day, and is none of them. */
function chainOf(outermost: Record<string, unknown>, claims: Claims, issuer: Issuer, issuers: Issuers): Actor[] {
  const actors = unnested(outermost).map((act, i) => actorOf(act, i === 0 ? 'current' : 'history', issuer, issuers));
  if (new Set(actors.map((a) => a.id)).size !== actors.length)
    refuse('token_actor_invalid', 'The chain names an agent twice.');
  // Beside the chain, agents may be listed through which the delegation went: more history, which can only deny.
  const through = throughOf(claims, issuer, issuers).filter((t) => !actors.some((a) => a.id === t.id));
  return [...actors, ...through];
}

const THROUGH = 'An entry of `delegated_through`';

/** Okta's `delegated_through`: an id or an `act`-like object, or a list of them. */
function throughOf(claims: Claims, issuer: Issuer, issuers: Issuers): Actor[] {
  const listed = claims['delegated_through'];
  if (listed === undefined || issuer.preset !== 'okta') return [];
  const actors = [listed]
    .flat()
    .flatMap((entry: unknown) => unnested(typeof entry === 'string' ? { sub: entry } : entry, THROUGH))
    .map((act) => actorOf(act, 'history', issuer, issuers));
  return [...new Map(actors.map((a) => [a.id, a])).values()];
}

/** An `act` and those within it, outermost first. */
function unnested(outermost: unknown, what = 'An `act`'): Record<string, unknown>[] {
  const acts: Record<string, unknown>[] = [];
  for (let act = outermost; act !== undefined; act = (act as Record<string, unknown>)['act']) {
    if (typeof act !== 'object' || act === null || Array.isArray(act))
      return refuse('token_actor_invalid', `${what} is not an object.`);
    acts.push(act as Record<string, unknown>);
    if (acts.length > MAX_CHAIN) refuse('token_actor_invalid', `The chain has more than ${MAX_CHAIN} agents.`);
  }
  return acts;
}

/** An actor is the pair of `iss` and `sub`: the same `sub` of another issuer is somebody else. */
function actorOf(act: Record<string, unknown>, trust: Actor['trust'], issuer: Issuer, issuers: Issuers): Actor {
  const { sub, iss, sub_profile: profile } = act;
  const of = iss === undefined ? issuer : typeof iss === 'string' ? issuers.find(iss) : undefined;
  if (of === undefined) return refuse('token_actor_invalid', 'An `act.iss` is no configured issuer.');
  if (profile !== undefined && (typeof profile !== 'string' || profile.length > 256))
    return refuse('token_actor_invalid', 'An `act.sub_profile` is not a text.');
  // Whoever signs says who acts now among its own; of the earlier ones, who can but deny, it may name others'.
  if (trust === 'current' && of !== issuer && issuer.actors_from?.includes(of.issuer) !== true)
    refuse('actor_forbidden', `The acting agent is of "${of.issuer}", for which "${issuer.issuer}" may not speak.`);
  return actor(of, identifier(sub, 'act.sub'), profile, trust);
}

function actor(issuer: Issuer, sub: string, profile: string | undefined, trust: Actor['trust']): Actor {
  return { iss: issuer.issuer, sub, id: named(issuer, sub), profile, trust };
}

/** Whether the one that acts may be an actor at all. */
function current([agent]: readonly Actor[], { actor_profiles: wanted }: Issuer): void {
  const profiles = agent?.profile?.split(' ') ?? [];
  if (profiles.some((p) => PERSONS.includes(p.toLowerCase())))
    refuse('token_chain_inverted', 'The acting party is a person: a user does not act for an agent.');
  // One that says nothing of itself is held to be the least of all.
  if (wanted !== undefined && !profiles.some((p) => wanted.includes(p)))
    refuse(
      'actor_forbidden',
      `The acting agent's sub_profile is ${agent?.profile === undefined ? 'missing' : `"${agent.profile}"`}; this issuer's must be ${wanted.join(' or ')}.`,
    );
}

/** Of whoever says nothing of itself, `sub` is the user, as it always was. */
function isPerson(profile: string | undefined): boolean {
  const words = profile?.toLowerCase().split(' ') ?? ['user'];
  return words.some((word) => PERSONS.includes(word)) && !words.some((word) => SOFTWARE.includes(word));
}

/** Whether a party says that it is an agent; one that doesn't may be one all the same. */
export function isAgent(profile: string | undefined): boolean {
  return (
    profile
      ?.toLowerCase()
      .split(' ')
      .some((word) => word === 'ai_agent' || word === 'agent') ?? false
  );
}

function requirePerson(profile: string | undefined): void {
  if (!isPerson(profile))
    refuse('token_chain_inverted', `The user's sub_profile is "${profile ?? ''}", so "sub" is no person.`);
}

function identifier(sub: unknown, claim: string): string {
  if (typeof sub === 'string' && idProblem(sub) === undefined) return sub;
  return refuse('token_actor_invalid', `The claim "${claim}" is not the id of an agent.`);
}

function named(issuer: Issuer, sub: string): string {
  const name = issuer.name(sub);
  if (name === undefined) return refuse('token_claims_invalid', "An id reads as another issuer's.");
  const problem = idProblem(name);
  if (problem !== undefined) refuse('token_claims_invalid', `An id, named with its issuer's alias, ${problem}.`);
  return name;
}
