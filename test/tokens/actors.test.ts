/** The parties of a token: every shape, with the whole result, and every chain that is rejected. */
import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import { MAX_CHAIN_LENGTH, readParties, type TokenParties } from '../../src/tokens/actors.js';
import { parseClaims } from '../../src/tokens/claims.js';
import type { Actor } from '../../src/model/delegation-token.js';
import { Issuers, type Issuer, type IssuerConfig } from '../../src/tokens/issuers.js';
import { reasonOf, refusal } from './refused.js';

const PRIMARY = 'https://login.example';
const PARTNER = 'https://partner.example';
const OTHER = 'https://other.example';

type Claims = Readonly<Record<string, unknown>>;
type Config = Partial<IssuerConfig>;

/** The primary issuer as a test configures it, beside two more. */
function issuersWith(config: Config): Issuers {
  const base: Omit<IssuerConfig, 'issuer' | 'primary'> = {
    jwks: { keys: [] },
    audience: 'remit',
    shapes: ['act'],
    algorithms: ['ES256'],
  };
  return new Issuers([
    { ...base, issuer: PRIMARY, primary: true, ...config },
    { ...base, issuer: PARTNER, primary: false, alias: 'partner' },
    { ...base, issuer: OTHER, primary: false, alias: 'other' },
  ]);
}

/** The parties of a token of the primary's, or of another's where the claims say so. */
function parties(claims: Claims, config: Config = {}): TokenParties {
  const issuers = issuersWith(config);
  const read = parseClaims({ iss: PRIMARY, sub: 'alice', aud: 'remit', exp: 1, ...claims });
  return readParties(read, issuers.find(read.iss) as Issuer, issuers);
}

const actor = (sub: string, more: Partial<Actor> = {}): Actor => ({
  iss: PRIMARY,
  sub,
  id: sub,
  profile: undefined,
  trust: 'current',
  ...more,
});
const earlier = (sub: string, more: Partial<Actor> = {}): Actor => actor(sub, { trust: 'history', ...more });
const partners = (sub: string, more: Partial<Actor> = {}): Actor =>
  actor(sub, { iss: PARTNER, id: `partner|${sub}`, ...more });

const delegated = (actors: readonly Actor[], more: Partial<TokenParties> = {}): TokenParties => ({
  mode: 'delegated',
  user: 'alice',
  actors,
  chainComplete: true,
  agentIsClient: false,
  ...more,
});
const direct = (agent: Actor): TokenParties => ({
  mode: 'direct',
  user: undefined,
  actors: [agent],
  chainComplete: true,
  agentIsClient: false,
});
/** It names no agent. */
const nobody = (user: string | undefined): TokenParties => ({
  mode: 'unknown',
  user,
  actors: [],
  chainComplete: false,
  agentIsClient: false,
});

const nested = (...subs: string[]): Claims | undefined =>
  subs.reduceRight<Claims | undefined>((act, sub) => ({ sub, ...(act === undefined ? {} : { act }) }), undefined);
const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `agent-${i}`);

/** What, the claims, the parties, and how the issuer is configured. */
type Accepted = [string, Claims, TokenParties, Config?];
/** What, the claims, the code, the message, and how the issuer is configured. */
type Refused = [string, Claims, ReasonCode, string, Config?];

const CLIENT: Config = { shapes: ['client_id'] };
const CLIENT_TOO: Config = { shapes: ['act', 'client_id', 'agent'] };
const OKTA: Config = { ...CLIENT_TOO, preset: 'okta' };
const CLAIM: Config = { shapes: ['user_claim'], user_claim: 'on_behalf_of' };
const AGENT: Config = { shapes: ['agent'] };
const ACT_TOO: Config = { shapes: ['act', 'agent'] };
const AI: Config = { actor_profiles: ['ai_agent', 'bot'] };

// prettier-ignore
const ACCEPTED: Accepted[] = [
  // act
  ['act: one agent', { act: { sub: 'bot' } }, delegated([actor('bot')])],
  ['act: three, newest first', { act: nested('bot', 'planner', 'scheduler') }, delegated([actor('bot'), earlier('planner'), earlier('scheduler')])],
  ['act: the longest chain', { act: nested(...names(MAX_CHAIN_LENGTH)) }, delegated(names(MAX_CHAIN_LENGTH).map((n, i) => (i === 0 ? actor(n) : earlier(n))))],
  ['act: its own issuer, spelt out', { act: { sub: 'bot', iss: PRIMARY } }, delegated([actor('bot')])],
  ['act: an earlier one of another issuer', { act: { sub: 'bot', act: { sub: 'relay', iss: PARTNER } } }, delegated([actor('bot'), partners('relay', { trust: 'history' })])],
  ['act: the same sub of another issuer is somebody else', { act: { sub: 'bot', act: { sub: 'bot', iss: PARTNER, act: { sub: 'bot', iss: OTHER } } } },
    delegated([actor('bot'), partners('bot', { trust: 'history' }), earlier('bot', { iss: OTHER, id: 'other|bot' })])],
  ["act: another issuer's own go by its alias, the user too", { iss: PARTNER, act: { sub: 'bot', act: { sub: 'planner' } } },
    delegated([partners('bot'), partners('planner', { trust: 'history' })], { user: 'partner|alice' })],
  ["act: an earlier one of the primary's within another's token", { iss: PARTNER, act: { sub: 'bot', act: { sub: 'planner', iss: PRIMARY } } },
    delegated([partners('bot'), earlier('planner')], { user: 'partner|alice' })],
  ['act: the agent and the user by one name', { act: { sub: 'alice' } }, delegated([actor('alice')])],
  ['act: what else it says is not looked at', { act: { sub: 'bot', exp: 0, aud: 'x', client_id: 'y', scope: 'admin' } }, delegated([actor('bot')])],
  ['act: before client_id', { act: { sub: 'bot' }, client_id: 'web' }, delegated([actor('bot')]), CLIENT_TOO],
  ['act: before a client of its own name', { sub: 'bot', act: { sub: 'planner' }, client_id: 'bot' }, delegated([actor('planner')], { user: 'bot' }), ACT_TOO],
  // may_act says who might act one day
  ['may_act beside act is not looked at', { act: { sub: 'bot' }, may_act: { sub: 'evil' } }, delegated([actor('bot')])],
  ['may_act within act is not looked at', { act: { sub: 'bot', may_act: { sub: 'evil' } } }, delegated([actor('bot')])],
  ['may_act alone makes nobody an agent', { may_act: { sub: 'evil' } }, nobody('alice')],
  ['may_act alone makes no client an agent', { may_act: { sub: 'evil' }, client_id: 'web' }, nobody('alice'), ACT_TOO],
  // Other issuers' agents
  ['actors_from: the acting agent of another issuer', { act: { sub: 'bot', iss: PARTNER } }, delegated([partners('bot')]), { actors_from: [PARTNER] }],
  ['actors_from: with its own earlier ones', { act: { sub: 'bot', iss: PARTNER, act: { sub: 'planner' } } }, delegated([partners('bot'), earlier('planner')]), { actors_from: [OTHER, PARTNER] }],
  // Profiles
  ['profiles: said of each', { sub_profile: 'user', act: { sub: 'bot', sub_profile: 'ai_agent', act: { sub: 'p', sub_profile: 'service' } } },
    delegated([actor('bot', { profile: 'ai_agent' }), earlier('p', { profile: 'service' })])],
  ['profiles: one of those wanted', { act: { sub: 'bot', sub_profile: 'bot' } }, delegated([actor('bot', { profile: 'bot' })]), AI],
  ['profiles: one of several', { act: { sub: 'bot', sub_profile: 'service ai_agent' } }, delegated([actor('bot', { profile: 'service ai_agent' })]), AI],
  ['profiles: earlier ones are not asked', { act: { sub: 'bot', sub_profile: 'ai_agent', act: nested('p') } }, delegated([actor('bot', { profile: 'ai_agent' }), earlier('p')]), AI],
  ['profiles: an earlier one may be a person', { act: { sub: 'bot', act: { sub: 'p', sub_profile: 'user' } } }, delegated([actor('bot'), earlier('p', { profile: 'user' })])],
  ['profiles: a user who is a person among other things', { sub_profile: 'employee person', act: { sub: 'bot' } }, delegated([actor('bot')])],
  ['profiles: of 256 characters', { act: { sub: 'bot', sub_profile: 'x'.repeat(256) } }, delegated([actor('bot', { profile: 'x'.repeat(256) })])],
  // client_id
  ['client_id: the client acts, and might be no agent', { client_id: 'web' }, delegated([actor('web')], { chainComplete: false, agentIsClient: true }), CLIENT],
  ['client_id: its profile', { client_id: 'web', client_profile: 'ai_agent', sub_profile: 'user' }, delegated([actor('web', { profile: 'ai_agent' })], { chainComplete: false, agentIsClient: true }), { ...CLIENT, ...AI }],
  ['client_id: an application of people acts for nobody', { client_id: 'web' }, nobody('alice'), { ...CLIENT, user_clients: ['web'] }],
  ['agent: an application of people alone is no agent', { sub: 'web', client_id: 'web' }, nobody(undefined), { shapes: ['act', 'agent'], user_clients: ['web'] }],
  ['client_id: is that of a client alone where both are one', { client_id: 'alice' }, nobody(undefined), CLIENT],
  ['client_id: missing', {}, nobody('alice'), CLIENT],
  ["client_id: another issuer's", { iss: PARTNER, client_id: 'web' }, nobody('partner|alice'), CLIENT],
  ['client_id: not asked for', { client_id: 'web' }, nobody('alice')],
  // Okta
  ['delegated_through: one id', { client_id: 'web', delegated_through: 'planner' }, delegated([actor('web'), earlier('planner')], { chainComplete: false, agentIsClient: true }), OKTA],
  ['delegated_through: a list, of ids and objects, each once', { client_id: 'web', delegated_through: ['a', { sub: 'b', iss: PARTNER, sub_profile: 'service' }, { sub: 'a' }] },
    delegated([actor('web'), earlier('a'), partners('b', { trust: 'history', profile: 'service' })], { chainComplete: false, agentIsClient: true }), OKTA],
  ['delegated_through: behind the chain, without those of the chain', { act: nested('bot', 'planner'), delegated_through: ['planner', 'relay', 'bot'] },
    delegated([actor('bot'), earlier('planner'), earlier('relay')]), OKTA],
  ['delegated_through: without the client that acts', { client_id: 'web', delegated_through: ['web', 'planner'] }, delegated([actor('web'), earlier('planner')], { chainComplete: false, agentIsClient: true }), OKTA],
  ['delegated_through: an empty list', { act: { sub: 'bot' }, delegated_through: [] }, delegated([actor('bot')]), OKTA],
  ["delegated_through: anybody's but Okta's is not looked at", { act: { sub: 'bot' }, delegated_through: 7 }, delegated([actor('bot')])],
  // user_claim
  ['user_claim: the agent in sub', { sub: 'bot', on_behalf_of: 'alice' }, delegated([actor('bot')], { chainComplete: false }), CLAIM],
  ['user_claim: with its profile', { sub: 'bot', sub_profile: 'ai_agent', on_behalf_of: 'alice' }, delegated([actor('bot', { profile: 'ai_agent' })], { chainComplete: false }), { ...CLAIM, ...AI }],
  ['user_claim: missing, so that nobody knows what `sub` is', { sub: 'bot' }, nobody(undefined), CLAIM],
  ['user_claim: missing beside agents alone', { sub: 'bot', client_id: 'bot' }, direct(actor('bot')), { ...CLAIM, shapes: ['user_claim', 'agent'] }],
  // agent
  ['agent: whoever the subject is, where there are only agents', { sub: 'bot' }, direct(actor('bot')), AGENT],
  ['agent: with its profile', { sub: 'bot', sub_profile: 'ai_agent' }, direct(actor('bot', { profile: 'ai_agent' })), { ...AGENT, ...AI }],
  ['agent: sub = client_id where there are users as well', { sub: 'bot', client_id: 'bot' }, direct(actor('bot')), ACT_TOO],
  ['agent: before client_id', { sub: 'bot', client_id: 'bot' }, direct(actor('bot')), CLIENT_TOO],
  // Nobody
  ['unknown: a user alone, of an issuer that delegates', {}, nobody('alice')],
  ['unknown: a user alone, of one that has agents too', { client_id: 'web' }, nobody('alice'), ACT_TOO],
  ['unknown: an agent that says it is one, and whose it is not', { sub: 'bot', sub_profile: 'ai_agent' }, nobody(undefined)],
  ['unknown: a user that says it is one', { sub_profile: 'user' }, nobody('alice')],
  ["unknown: another issuer's user goes by the alias", { iss: PARTNER }, nobody('partner|alice')],
];

const NO_ID = 'The claim "act.sub" is not the id of an agent.';
const NO_OBJECT = 'An `act` is not an object.';
const NO_ISSUER = 'An `act.iss` is not a configured issuer.';
const TOO_LONG = 'The chain has more than 8 agents.';
const TWICE = 'The chain names an agent twice.';
const PASSES = 'An id begins with the alias of another issuer.';
const NO_USER = 'The claim "on_behalf_of" is not the id of a user.';
const PERSON = 'The acting party is a person: a user does not act for an agent.';
const forbidden = (of: string, by = PRIMARY): string =>
  `The acting agent is of "${of}", for which "${by}" may not speak.`;
const profile = (said: string): string =>
  `The acting agent's sub_profile is ${said}; this issuer's must be ai_agent or bot.`;
const typed = (type: string): string => `The claim "act" is not acceptable: must be of type object, not ${type}.`;

// prettier-ignore
const REFUSED: Refused[] = [
  // The outermost act is a claim of its type
  ['an act that is a text', { act: 'bot' }, 'token_claims_invalid', typed('string')],
  ['an act that is a list', { act: [{ sub: 'bot' }] }, 'token_claims_invalid', typed('array')],
  ['an act that is null', { act: null }, 'token_claims_invalid', typed('null')],
  ['an act that is a number', { act: 7 }, 'token_claims_invalid', typed('number')],
  ['an act that is false', { act: false }, 'token_claims_invalid', typed('boolean')],
  // Those within
  ['an inner act that is a text', { act: { sub: 'a', act: 'b' } }, 'token_actor_invalid', NO_OBJECT],
  ['an inner act that is a list', { act: { sub: 'a', act: [{ sub: 'b' }] } }, 'token_actor_invalid', NO_OBJECT],
  ['an inner act that is null', { act: { sub: 'a', act: null } }, 'token_actor_invalid', NO_OBJECT],
  ['an inner act that is a number', { act: { sub: 'a', act: 0 } }, 'token_actor_invalid', NO_OBJECT],
  // Ids
  ['an act without sub', { act: {} }, 'token_actor_invalid', NO_ID],
  ['an act of an iss alone', { act: { iss: PRIMARY } }, 'token_actor_invalid', NO_ID],
  ['a sub that is a number', { act: { sub: 7 } }, 'token_actor_invalid', NO_ID],
  ['a sub that is empty', { act: { sub: '' } }, 'token_actor_invalid', NO_ID],
  ['a sub that is a list', { act: { sub: ['bot'] } }, 'token_actor_invalid', NO_ID],
  ['a sub with a control character', { act: { sub: 'bot\nx' } }, 'token_actor_invalid', NO_ID],
  ['a sub in another normal form', { act: { sub: 'e\u0301' } }, 'token_actor_invalid', NO_ID],
  ['a sub of 1,025 bytes', { act: { sub: 'a'.repeat(1_025) } }, 'token_actor_invalid', NO_ID],
  ['an inner act without sub', { act: { sub: 'a', act: { act: { sub: 'b' } } } }, 'token_actor_invalid', NO_ID],
  ['a client that is no id', { client_id: 'e\u0301' }, 'token_actor_invalid', 'The claim "client_id" is not the id of an agent.', CLIENT],
  ['a client of 1,200 bytes when encoded', { client_id: '@'.repeat(400) }, 'token_actor_invalid', 'The claim "client_id" is not the id of an agent.', CLIENT],
  // Issuers
  ['an act of an unknown issuer', { act: { sub: 'a', iss: 'https://evil.example' } }, 'token_actor_invalid', NO_ISSUER],
  ['an act of an issuer with a slash more', { act: { sub: 'a', iss: `${PRIMARY}/` } }, 'token_actor_invalid', NO_ISSUER],
  ['an act whose issuer is a list', { act: { sub: 'a', iss: [PRIMARY] } }, 'token_actor_invalid', NO_ISSUER],
  ['an act whose issuer is null', { act: { sub: 'a', iss: null } }, 'token_actor_invalid', NO_ISSUER],
  ['an act of an issuer by the name of a method', { act: { sub: 'a', iss: 'constructor' } }, 'token_actor_invalid', NO_ISSUER],
  ['an inner act of an unknown issuer', { act: { sub: 'a', act: { sub: 'b', iss: '' } } }, 'token_actor_invalid', NO_ISSUER],
  ["an unknown issuer's earlier agent, whomever actors_from names", { act: { sub: 'a', act: { sub: 'b', iss: 'https://evil.example' } } }, 'token_actor_invalid', NO_ISSUER, { actors_from: ['https://evil.example'] }],
  ['an acting agent of another issuer', { act: { sub: 'bot', iss: PARTNER } }, 'actor_forbidden', forbidden(PARTNER)],
  ["an acting agent that is said to be the primary's", { iss: PARTNER, act: { sub: 'bot', iss: PRIMARY } }, 'actor_forbidden', forbidden(PRIMARY, PARTNER)],
  ['an acting agent of another than actors_from names', { act: { sub: 'bot', iss: OTHER } }, 'actor_forbidden', forbidden(OTHER), { actors_from: [PARTNER] }],
  // That the primary may speak for the partner's says nothing of the partner.
  ['an acting agent by way of the one spoken for', { iss: PARTNER, act: { sub: 'bot', iss: PRIMARY } }, 'actor_forbidden', forbidden(PRIMARY, PARTNER), { actors_from: [PARTNER] }],
  // Applications of people
  ...[{ act: { sub: 'web' } }, { act: { sub: 'bot', act: { sub: 'web' } } }].map(
    (claims): Refused => ['an application of people as an agent', claims, 'actor_forbidden', '"web" is among the user_clients of its issuer: an application of people is no agent.', { user_clients: ['web'] }]),
  // Length and loops
  ['a chain of nine', { act: nested(...names(9)) }, 'token_actor_invalid', TOO_LONG],
  ['a chain of nine with a loop', { act: nested(...names(8), 'agent-0') }, 'token_actor_invalid', TOO_LONG],
  ['an agent that called itself', { act: nested('a', 'a') }, 'token_actor_invalid', TWICE],
  ['a loop over others', { act: nested('a', 'b', 'c', 'b') }, 'token_actor_invalid', TWICE],
  ['a loop by way of the issuer', { act: { sub: 'a', act: { sub: 'a', iss: PRIMARY } } }, 'token_actor_invalid', TWICE],
  ["a loop within another issuer's", { act: { sub: 'a', act: { sub: 'b', iss: PARTNER, act: { sub: 'b', iss: PARTNER } } } }, 'token_actor_invalid', TWICE],
  // Profiles
  ['a profile that is a list', { act: { sub: 'a', sub_profile: ['ai_agent'] } }, 'token_actor_invalid', 'An `act.sub_profile` is not a text of at most 256 characters.'],
  ['a profile that is null', { act: { sub: 'a', sub_profile: null } }, 'token_actor_invalid', 'An `act.sub_profile` is not a text of at most 256 characters.'],
  ['a profile of 257 characters', { act: { sub: 'a', sub_profile: 'x'.repeat(257) } }, 'token_actor_invalid', 'An `act.sub_profile` is not a text of at most 256 characters.'],
  ["an earlier one's profile that is a number", { act: { sub: 'a', act: { sub: 'b', sub_profile: 1 } } }, 'token_actor_invalid', 'An `act.sub_profile` is not a text of at most 256 characters.'],
  ['no profile where one is wanted', { act: { sub: 'bot' } }, 'actor_forbidden', profile('missing'), AI],
  ['another profile than is wanted', { act: { sub: 'bot', sub_profile: 'service' } }, 'actor_forbidden', profile('"service"'), AI],
  ['a profile in other letters', { act: { sub: 'bot', sub_profile: 'AI_Agent' } }, 'actor_forbidden', profile('"AI_Agent"'), AI],
  ["an earlier one's profile for the acting one's", { act: { sub: 'bot', act: { sub: 'p', sub_profile: 'ai_agent' } } }, 'actor_forbidden', profile('missing'), AI],
  ["the user's profile for the acting one's", { sub_profile: 'user', act: { sub: 'bot' } }, 'actor_forbidden', profile('missing'), AI],
  ["the client's own profile for the acting one's", { act: { sub: 'bot' }, client_profile: 'ai_agent' }, 'actor_forbidden', profile('missing'), AI],
  ['a client without a profile where one is wanted', { client_id: 'web' }, 'actor_forbidden', profile('missing'), { ...CLIENT, ...AI }],
  ['a client whose profile is a list', { client_id: 'web', client_profile: ['ai_agent'] }, 'token_claims_invalid', 'The claim "client_profile" is not acceptable: must be of type string, not array.', { ...CLIENT, ...AI }],
  ['an agent alone without a profile where one is wanted', { sub: 'bot' }, 'actor_forbidden', profile('missing'), { ...AGENT, ...AI }],
  ['an agent in sub without a profile where one is wanted', { sub: 'bot', on_behalf_of: 'alice' }, 'actor_forbidden', profile('missing'), { ...CLAIM, ...AI }],
  ["another issuer's acting agent without a profile", { act: { sub: 'bot', iss: PARTNER } }, 'actor_forbidden', profile('missing'), { ...AI, actors_from: [PARTNER] }],
  // Inverted
  ...['user', 'human', 'person', 'natural_person', 'ai_agent user'].map(
    (said): Refused => [`a ${said} who acts`, { act: { sub: 'bob', sub_profile: said } }, 'token_chain_inverted', PERSON]),
  ['a person who acts, whatever is wanted', { act: { sub: 'bob', sub_profile: 'user' } }, 'token_chain_inverted', PERSON, { actor_profiles: ['user'] }],
  ['a person as the client', { client_id: 'bob', client_profile: 'user' }, 'token_chain_inverted', PERSON, CLIENT],
  ['a person as an agent alone', { sub: 'bob', sub_profile: 'user' }, 'token_chain_inverted', PERSON, AGENT],
  ['a person as the agent in sub', { sub: 'bob', sub_profile: 'user', on_behalf_of: 'alice' }, 'token_chain_inverted', PERSON, CLAIM],
  ['an agent who is acted for', { sub: 'bot', sub_profile: 'ai_agent', act: { sub: 'alice' } }, 'token_chain_inverted', 'The user\'s sub_profile is "ai_agent", so "sub" is not a person.'],
  ['an agent whose client acts for it', { sub: 'bot', sub_profile: 'ai_agent', client_id: 'web' }, 'token_chain_inverted', 'The user\'s sub_profile is "ai_agent", so "sub" is not a person.', CLIENT],
  ['a user and an agent the wrong way round', { sub: 'bot', sub_profile: 'ai_agent', act: { sub: 'alice', sub_profile: 'user' } }, 'token_chain_inverted', 'The user\'s sub_profile is "ai_agent", so "sub" is not a person.'],
  // Shapes
  ['an act of an issuer that states none', { act: { sub: 'bot' } }, 'token_actor_invalid', 'The token has an `act`, and its issuer is not configured to state one.', AGENT],
  ['an act of one that states clients', { act: { sub: 'bot' }, client_id: 'web' }, 'token_actor_invalid', 'The token has an `act`, and its issuer is not configured to state one.', CLIENT],
  ['an act beside a claim of the user', { sub: 'bot', on_behalf_of: 'alice', act: { sub: 'x' } }, 'token_actor_invalid', 'The token has an `act`, and its issuer is not configured to state one.', CLAIM],
  ['a user in the claim who is a number', { sub: 'bot', on_behalf_of: 5 }, 'token_claims_invalid', NO_USER, CLAIM],
  ['a user in the claim who is null', { sub: 'bot', on_behalf_of: null }, 'token_claims_invalid', NO_USER, CLAIM],
  ['a user in the claim who is empty', { sub: 'bot', on_behalf_of: '' }, 'token_claims_invalid', NO_USER, CLAIM],
  ['a user in the claim who is a list', { sub: 'bot', on_behalf_of: ['alice'] }, 'token_claims_invalid', NO_USER, CLAIM],
  // Names
  ["a user who would pass for a partner's", { sub: 'partner|alice', act: { sub: 'bot' } }, 'token_claims_invalid', PASSES],
  ["an agent that would pass for a partner's", { act: { sub: 'partner|bot' } }, 'token_claims_invalid', PASSES],
  ['one further back in the chain', { act: nested('a', 'other|b') }, 'token_claims_invalid', PASSES],
  ["one that another issuer says is the primary's", { iss: PARTNER, act: { sub: 'a', act: { sub: 'partner|b', iss: PRIMARY } } }, 'token_claims_invalid', PASSES],
  ["a client that would pass for a partner's", { client_id: 'partner|web' }, 'token_claims_invalid', PASSES, CLIENT],
  ["a nobody who would pass for a partner's user", { sub: 'partner|alice' }, 'token_claims_invalid', PASSES],
  ['an id that is too long once it carries the alias', { iss: PARTNER, sub: 'a'.repeat(1_020), act: { sub: 'bot' } }, 'token_claims_invalid', 'An id, prefixed with the alias of its issuer, must be at most 1024 bytes long when encoded.'],
  // Okta
  ['delegated_through null', { act: { sub: 'bot' }, delegated_through: null }, 'token_actor_invalid', 'An entry of `delegated_through` is not an object.', OKTA],
  ['delegated_through a number', { client_id: 'web', delegated_through: 7 }, 'token_actor_invalid', 'An entry of `delegated_through` is not an object.', OKTA],
  ['delegated_through a list within a list', { client_id: 'web', delegated_through: [['a']] }, 'token_actor_invalid', 'An entry of `delegated_through` is not an object.', OKTA],
  ['delegated_through an empty id', { client_id: 'web', delegated_through: [''] }, 'token_actor_invalid', NO_ID, OKTA],
  ['delegated_through nine agents', { client_id: 'web', delegated_through: names(9) }, 'token_actor_invalid', TOO_LONG, OKTA],
  ['delegated_through an unknown issuer', { client_id: 'web', delegated_through: { sub: 'a', iss: 'https://evil.example' } }, 'token_actor_invalid', NO_ISSUER, OKTA],
];

describe('the parties are', () => {
  it.each(ACCEPTED)('%s', (_, claims, expected, config) => {
    expect(parties(claims, config)).toStrictEqual(expected);
  });
});

describe('the parties are refused for', () => {
  it.each(REFUSED)('%s', (_, claims, code, message, config) => {
    expect(reasonOf(() => parties(claims, config))).toEqual(refusal(code, message));
  });
});

it('only the outermost actor is the current one, whoever is behind it', () => {
  for (let n = 1; n <= MAX_CHAIN_LENGTH; n += 1) {
    const { actors } = parties({ act: nested(...names(n)) });
    expect(actors.map((a) => a.trust)).toEqual(['current', ...Array<string>(n - 1).fill('history')]);
  }
});
