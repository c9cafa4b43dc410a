/** A token as it is presented: held by its owner, not taken back, an agent's or a user's own, and each proof used once. */
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import { formatRef, type EntityRef } from '../../src/model/ids.js';
import type { ReasonCode } from '../../src/model/reasons.js';
import type { Entities, EntityWithAncestors } from '../../src/model/entities.js';
import type { UsedProofs } from '../../src/store/used-dpop-proofs.js';
import type { Revocations, RevocationMatch, RevocableToken } from '../../src/model/revocations.js';
import { CredentialVerifier } from '../../src/tokens/credentials.js';
import type { Credential, PresentedToken } from '../../src/model/credential.js';
import { Issuers } from '../../src/tokens/issuers.js';
import { TokenVerifier } from '../../src/tokens/verify.js';
import { makeKey, NOW, T, type Key } from './keys.js';
import { refusal } from './refused.js';

const PRIMARY = 'https://login.example';
const PARTNER = 'https://partner.example';
const URL_ = 'https://remit.example/v1/delegations';
const OBJECTS = { userObject: 'employee', agentObject: 'assistant' };

type Claims = Readonly<Record<string, unknown>>;
let key: Key;
let holder: Key;
let jkt: string;
let verifier: TokenVerifier;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  holder = await makeKey('ES256', 'h');
  jkt = await calculateJwkThumbprint(holder.jwk);
  const base = { jwks: { keys: [key.jwk] }, audience: 'remit', algorithms: ['ES256'] } as const;
  verifier = new TokenVerifier(
    new Issuers(
      [
        { ...base, issuer: PRIMARY, primary: true, shapes: ['act', 'client_id', 'agent'] } as const,
        { ...base, issuer: PARTNER, primary: false, alias: 'partner', shapes: ['act'] } as const,
        { ...base, issuer: 'https://acts.example', primary: false, alias: 'acts', shapes: ['act'] } as const,
      ].map((config) => ({ ...config, jwks: { keys: [...config.jwks.keys] } })),
    ),
  );
});

/** The content of the stores, the calls to them, and the errors that they throw. */
const world = {
  entities: new Set<string>(),
  ended: undefined as RevocationMatch | undefined,
  spent: new Map<string, number>(),
  asked: [] as string[],
  revocable: undefined as RevocableToken | undefined,
  failing: undefined as 'revocations' | 'entities' | 'proofs' | undefined,
};
beforeEach(() => {
  Object.assign(world, { ended: undefined, asked: [], revocable: undefined, failing: undefined });
  world.entities = new Set(['assistant:bot', 'assistant:planner', 'assistant:partner|bot', 'employee:alice']);
  world.spent = new Map();
});
function asked(store: NonNullable<typeof world.failing>): void {
  world.asked.push(store);
  if (world.failing === store) throw new Fault('database_unavailable', store);
}
const revocations: Revocations = {
  find: async (token) => {
    asked('revocations');
    world.revocable = token;
    return world.ended;
  },
};
const entities: Pick<Entities, 'lookup'> = {
  lookup: async (refs) => {
    asked('entities');
    return refs.map((ref) => (world.entities.has(formatRef(ref)) ? known(ref) : undefined));
  },
};
const proofs: UsedProofs = {
  markUsed: async (id, expiresAt) => {
    asked('proofs');
    const first = !world.spent.has(id);
    if (first) world.spent.set(id, expiresAt);
    return first;
  },
  isUnused: async (id) => {
    asked('proofs');
    return !world.spent.has(id);
  },
};
const known = (ref: EntityRef): EntityWithAncestors => ({ ...ref, attributes: {}, parents: [], ancestors: [] });

const sign = (claims: Claims = {}, header: Claims = {}): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...header },
    { iss: PRIMARY, sub: 'alice', aud: 'remit', iat: T, exp: T + 300, act: { sub: 'bot' }, ...claims },
  );
const proofOf = async (token: string, claims: Claims = {}): Promise<PresentedToken['proof']> => {
  const { kty, crv, x, y } = holder.jwk;
  const ath = createHash('sha256').update(token).digest('base64url');
  const jwt = await holder.sign(
    { alg: 'ES256', typ: 'dpop+jwt', jwk: { kty, crv, x, y } },
    { jti: 'p1', htm: 'POST', htu: URL_, iat: T, ath, ...claims },
  );
  return { dpop: { jwt, method: 'POST', url: URL_ } };
};
const credentials = (): CredentialVerifier => new CredentialVerifier(verifier, { revocations, entities, proofs });
const presented = (
  token: string,
  by: PresentedToken['by'] = 'agent',
  more: Partial<PresentedToken> = {},
): PresentedToken => ({
  reading: verifier.read(token),
  by,
  audience: undefined,
  proof: {},
  used: new Map(),
  ...more,
});
/** All that must hold; nothing is used up. */
const present = (...how: Parameters<typeof presented>): Promise<Credential> =>
  credentials().verify(presented(...how), OBJECTS, NOW);
/** The same, with its proof used up. */
const redeem = (...how: Parameters<typeof presented>): Promise<Credential> =>
  credentials().verifyAndConsume(presented(...how), OBJECTS, NOW, false);
/** The same, only as if. */
const rehearse = (...how: Parameters<typeof presented>): Promise<Credential> =>
  credentials().verifyAndConsume(presented(...how), OBJECTS, NOW, true);
const refused = (code: ReasonCode, message?: string): Credential => ({ ok: false, reason: refusal(code, message) });

const BOUND = (): Claims => ({ cnf: { jkt } });
const NO_AGENT = 'The token names no agent, so no agent can act with it.';
const FOR_USERS = 'A user must present a token of their own: this one names an agent, or no user.';
const PERSON = 'The acting party is a person: a user does not act for an agent.';
const NOT_KNOWN = "The token's client is not an agent in the entity store.";
const client = (id: string): Claims => ({ act: undefined, client_id: id });
const ALONE: Claims = { act: undefined, sub: 'bot', client_id: 'bot' };
const NOBODY: Claims = { act: undefined };

describe('a credential is what the verifier believes, on its terms', () => {
  it('of an agent', async () => {
    const token = await sign();
    const verification = await verifier.verify(token, undefined, NOW);
    const credential = { ...verification, sessionEnded: false, singleUseProof: undefined };
    expect(await present(token)).toEqual(credential);
    expect(world.asked).toEqual(['revocations', 'entities']);
    expect(await redeem(token)).toEqual(credential);
    expect(await rehearse(token)).toEqual(credential);
    expect(world.asked).not.toContain('proofs');
  });

  it("of a client's caller, for the client's audience", async () => {
    const token = await sign({ aud: 'hr-api' });
    expect(await present(token, 'client', { audience: 'hr-api' })).toMatchObject({
      ok: true,
      accepted: { audience: 'hr-api' },
    });
    expect(await present(token, 'agent')).toEqual(
      refused('token_audience_mismatch', 'The token is for ["hr-api"]; it must be for "remit".'),
    );
  });

  it('and without it, nobody is asked anything', async () => {
    for (const [token, code] of [
      [await sign({ exp: T }), 'token_expired'],
      [await sign({}, { alg: 'HS256' }), 'token_algorithm_forbidden'],
      [`${await sign()}x`, 'token_malformed'],
      [await sign({ iss: 'https://evil.example' }), 'token_issuer_unknown'],
    ] as const)
      expect(await present(token)).toMatchObject({ ok: false, reason: { code } });
    expect(world.asked).toEqual([]);
  });
});

/** The case, the presenter, the claims and the result; the entities that exist beside alice, bot and planner. */
type Party = [string, PresentedToken['by'], Claims, true | [ReasonCode, string], string[]?];
// prettier-ignore
const PARTIES: Party[] = [
  // act
  ['an agent that is known', 'agent', {}, true],
  ['an agent that nobody knows', 'agent', { act: { sub: 'new-bot' } }, true],
  ['an agent by the name of a person', 'agent', { act: { sub: 'alice' } }, ['token_chain_inverted', PERSON]],
  ['a person for another', 'agent', { act: { sub: 'bob' } }, ['token_chain_inverted', PERSON], ['employee:bob']],
  ['a person for an agent', 'agent', { sub: 'bot', act: { sub: 'alice' } }, ['token_chain_inverted', PERSON]],
  ['an agent that a person shares its name with', 'agent', { act: { sub: 'alice' } }, true, ['assistant:alice']],
  ['a person further back', 'agent', { act: { sub: 'bot', act: { sub: 'alice' } } }, true],
  ["another issuer's agent by the name of a person here", 'agent', { iss: PARTNER, act: { sub: 'alice' } }, true],
  ["another issuer's person for another", 'agent', { iss: PARTNER, act: { sub: 'eve' } }, ['token_chain_inverted', PERSON], ['employee:partner|eve']],
  ['the same from a client', 'client', { act: { sub: 'alice' } }, ['token_chain_inverted', PERSON]],
  // client_id
  ['a client that is known as an agent', 'agent', client('bot'), true],
  ['a client that is not', 'agent', client('web'), ['actor_forbidden', NOT_KNOWN]],
  ['a client that is known as a person', 'agent', client('bob'), ['actor_forbidden', NOT_KNOWN], ['employee:bob']],
  ['a client that is not, passed on by another', 'client', client('web'), ['actor_forbidden', NOT_KNOWN]],
  // agent
  ['an agent alone', 'agent', ALONE, true],
  ['an agent alone that nobody knows', 'agent', { ...ALONE, sub: 'new-bot', client_id: 'new-bot' }, true],
  ['a person in the place of an agent alone', 'agent', { act: undefined, sub: 'alice', client_id: 'alice' }, ['token_chain_inverted', PERSON]],
  // Nobody
  ['a token that names no agent', 'agent', NOBODY, ['token_actor_invalid', NO_AGENT]],
  ['a token that names no agent, passed on', 'client', NOBODY, ['token_actor_invalid', NO_AGENT]],
  ["a token that names no agent, of an agent's name", 'agent', { ...NOBODY, sub: 'bot' }, ['token_actor_invalid', NO_AGENT]],
  // Users with their own
  ['a user', 'user', NOBODY, true],
  ['a user that nobody knows', 'user', { ...NOBODY, sub: 'bob' }, true],
  ["another issuer's user", 'user', { ...NOBODY, iss: PARTNER, client_id: 'web' }, true],
  ['an agent for a user', 'user', {}, ['token_actor_invalid', FOR_USERS]],
  ['an agent for a user as its client', 'user', client('bot'), ['token_actor_invalid', FOR_USERS]],
  ['a user by way of a client that is no agent', 'user', client('web'), true],
  ['an agent alone that nobody knows, in the place of a user', 'user', { ...ALONE, sub: 'new-bot', client_id: 'new-bot' }, ['token_actor_invalid', FOR_USERS]],
  ['an agent by its name, by way of a client that is none', 'user', { ...client('web'), sub: 'bot' }, ['token_actor_invalid', FOR_USERS]],
  ['an agent alone in the place of a user', 'user', ALONE, ['token_actor_invalid', FOR_USERS]],
  ['an agent by its name in the place of a user', 'user', { ...NOBODY, sub: 'bot' }, ['token_actor_invalid', FOR_USERS]],
  ["another issuer's agent by its name", 'user', { ...NOBODY, iss: PARTNER, sub: 'bot' }, ['token_actor_invalid', FOR_USERS]],
  // Its own client: a token from client credentials, of an issuer that is not configured to have any.
  ["another issuer's client alone", 'user', { ...NOBODY, iss: PARTNER, sub: 'cron', client_id: 'cron' }, ['token_actor_invalid', FOR_USERS]],
];

describe('who presents it', () => {
  it.each(PARTIES)('%s, presented by the %s', async (_, by, claims, expected, more = []) => {
    for (const entity of more) world.entities.add(entity);
    const credential = await present(await sign(claims), by);
    if (expected === true) expect(credential).toMatchObject({ ok: true, sessionEnded: false });
    else expect(credential).toEqual({ ...refused(...expected), isMisplaced: true });
  });

  it.each(['agent', 'user'] as const)('is never the %s where it is a transaction token', async (by) => {
    const token = await sign({ txn: 't1', scope: 'a', ...(by === 'user' ? NOBODY : {}) }, { typ: 'txntoken+jwt' });
    expect(await present(token, by)).toEqual(refused('token_is_transaction_token'));
    expect(world.asked).toEqual([]);
  });

  it('is a client, which passes a transaction token on', async () => {
    const token = await sign({ txn: 't1', scope: 'a' }, { typ: 'txntoken+jwt' });
    expect(await present(token, 'client')).toMatchObject({
      ok: true,
      token: { format: 'transaction_token', txn: 't1' },
    });
  });

  it('is known by the definitions that the schema names, or by none', async () => {
    const token = await sign({ act: { sub: 'alice' } });
    const none = { userObject: undefined, agentObject: undefined };
    expect(await credentials().verify(presented(token), none, NOW)).toMatchObject({ ok: true });
    world.entities.add('user:alice');
    const other = { userObject: 'user', agentObject: 'agent' };
    expect(await credentials().verify(presented(token), other, NOW)).toEqual({
      ...refused('token_chain_inverted', PERSON),
      isMisplaced: true,
    });
  });
});

describe('a revocation', () => {
  it('that covers the token refuses it', async () => {
    world.ended = { id: 'r1', what: 'token', selector: 'user, issued_before' };
    expect(await present(await sign())).toEqual(
      refused('token_revoked', 'The revocation r1 (user, issued_before) covers the token.'),
    );
    expect(world.asked).toEqual(['revocations']);
  });

  it('of its session is told and left to be judged', async () => {
    world.ended = { id: 'r1', what: 'session', selector: 'session' };
    expect(await present(await sign({ sid: 's1' }))).toMatchObject({ ok: true, sessionEnded: true });
  });

  it('is looked for by what the token is, whatever is kept of it', async () => {
    const token = await sign({ jti: 'j1', sid: 's1', txn: 't1', act: { sub: 'bot', act: { sub: 'planner' } } });
    await present(token);
    expect(world.revocable).toMatchObject({
      issuer: PRIMARY,
      jti: 'j1',
      user: 'alice',
      actors: [{ id: 'bot' }, { id: 'planner' }],
      session: 's1',
      txn: 't1',
      issuedAt: T,
      authenticatedAt: undefined,
    });
    world.ended = { id: 'r1', what: 'token', selector: 'jti' };
    expect(await present(token)).toMatchObject({ ok: false, reason: { code: 'token_revoked' } });
  });
});

describe('a proof', () => {
  it('is wanted of a bound token before anything is looked up', async () => {
    expect(await redeem(await sign(BOUND()))).toEqual(
      refused('proof_missing', 'The token is bound to a key (cnf.jkt), and no DPoP proof was presented.'),
    );
    expect(await redeem(await sign({ cnf: { 'x5t#S256': 'A'.repeat(43) } }))).toEqual(
      refused('proof_missing', 'The token is bound to a certificate (cnf.x5t#S256), and none was stated.'),
    );
    expect(world.asked).toEqual([]);
  });

  it.each(['agent', 'client'] as const)('counts once, presented by the %s', async (by) => {
    const token = await sign(BOUND());
    const proof = await proofOf(token);
    expect(await redeem(token, by, { proof })).toMatchObject({ ok: true });
    expect(await redeem(token, by, { proof })).toEqual(refused('proof_replayed'));
    expect(await redeem(token, by, { proof: await proofOf(token, { jti: 'p2' }) })).toMatchObject({ ok: true });
    expect([...world.spent.values()]).toEqual([T + 61, T + 61]);
  });

  it('counts once for all parts of one request', async () => {
    const token = await sign(BOUND());
    const proof = await proofOf(token);
    const used: PresentedToken['used'] = new Map();
    const all = await Promise.all(Array.from({ length: 5 }, () => redeem(token, 'client', { proof, used })));
    expect(all.map(({ ok }) => ok)).toEqual(Array(5).fill(true));
    expect(world.asked.filter((store) => store === 'proofs')).toHaveLength(1);
    // The next request is another.
    expect(await redeem(token, 'client', { proof })).toEqual(refused('proof_replayed'));
  });

  it('counts for none of the parts of a request that replays it', async () => {
    const token = await sign(BOUND());
    const proof = await proofOf(token);
    await redeem(token, 'client', { proof });
    const used: PresentedToken['used'] = new Map();
    const all = await Promise.all(Array.from({ length: 3 }, () => redeem(token, 'client', { proof, used })));
    expect(all).toEqual(Array(3).fill(refused('proof_replayed')));
  });

  it.each<[string, () => Claims, () => void]>([
    ['is revoked', BOUND, () => (world.ended = { id: 'r1', what: 'token', selector: 'jti' })],
    ['is a person’s', () => ({ ...BOUND(), act: { sub: 'alice' } }), () => undefined],
    ['is a client’s that is no agent', () => ({ ...BOUND(), ...client('web') }), () => undefined],
    ['names no agent', () => ({ ...BOUND(), ...NOBODY }), () => undefined],
    ['has expired', () => ({ ...BOUND(), exp: T }), () => undefined],
  ])('is not used up by a token that %s', async (_, claims, prepare) => {
    prepare();
    const token = await sign(claims());
    expect(await redeem(token, 'agent', { proof: await proofOf(token) })).toMatchObject({ ok: false });
    expect(world.spent.size).toBe(0);
  });

  it('is not used up before the token is used', async () => {
    const token = await sign(BOUND());
    const proof = await proofOf(token);
    const { dpop } = proof;
    for (let i = 0; i < 2; i += 1)
      expect(await present(token, 'agent', { proof })).toMatchObject({
        ok: true,
        singleUseProof: { id: expect.stringMatching(/^[\w-]{43}$/) as string, proof: dpop?.jwt, expiresAt: T + 61 },
      });
    expect(world.asked).not.toContain('proofs');
  });

  it('is not used up by a dry run, which says whether it could be', async () => {
    const token = await sign(BOUND());
    const proof = await proofOf(token);
    expect(await rehearse(token, 'agent', { proof })).toMatchObject({ ok: true });
    expect(await rehearse(token, 'agent', { proof })).toMatchObject({ ok: true });
    expect(world.spent.size).toBe(0);
    expect(await redeem(token, 'agent', { proof })).toMatchObject({ ok: true });
    expect(await rehearse(token, 'agent', { proof })).toEqual(refused('proof_replayed'));
  });

  it('that is another of the same jti counts as the same, within one request too', async () => {
    const token = await sign(BOUND());
    const used: PresentedToken['used'] = new Map();
    expect(await redeem(token, 'client', { proof: await proofOf(token), used })).toMatchObject({ ok: true });
    const again = await proofOf(token, { iat: T - 1 });
    expect(await redeem(token, 'client', { proof: again, used })).toEqual(refused('proof_replayed'));
  });

  it('is not used up where it does not hold', async () => {
    const token = await sign(BOUND());
    expect(await redeem(token, 'agent', { proof: await proofOf(token, { htm: 'GET' }) })).toEqual(
      refused('proof_invalid', 'The proof is for "GET", the request was "POST".'),
    );
    expect(world.asked).toEqual([]);
  });
});

describe('a store that fails', () => {
  it.each(['revocations', 'entities', 'proofs'] as const)('is a fault and no denial: %s', async (store) => {
    world.failing = store;
    const token = await sign(BOUND());
    await expect(redeem(token, 'agent', { proof: await proofOf(token) })).rejects.toMatchObject({
      name: 'Fault',
      code: 'database_unavailable',
      detail: store,
    });
  });

  it('is none where it is not needed', async () => {
    world.failing = 'proofs';
    expect(await redeem(await sign())).toMatchObject({ ok: true });
  });
});
