/** Whatever is done to valid tokens: none that was altered is believed, and none of it is more than refused. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { REASONS } from '../../src/model/reasons.js';
import { inspectToken } from '../../src/tokens/inspect.js';
import { SIGNATURE_ALGORITHMS } from '../../src/tokens/algorithms.js';
import { Issuers, type IssuerConfig } from '../../src/tokens/issuers.js';
import { TokenVerifier } from '../../src/tokens/verify.js';
import { encoded, makeKey, NOW, T, type Key } from './keys.js';

type Members = Record<string, unknown>;
const ISSUERS = {
  'https://ec.example': 'ES256',
  'https://rsa.example': 'RS256',
  'https://ed.example': 'Ed25519',
} as const;

let configs: IssuerConfig[];
/** Kept between tries, as in a service: what is kept of a valid token must help no other. */
let verifier: TokenVerifier;
let valid: string[];
let stranger: Key;

beforeAll(async () => {
  stranger = await makeKey('ES256', 'k1');
  configs = [];
  valid = [];
  for (const [issuer, alg] of Object.entries(ISSUERS)) {
    const key = await makeKey(alg, 'k1');
    configs.push({
      issuer,
      jwks: { keys: [key.jwk] },
      audience: 'remit',
      primary: configs.length === 0,
      alias: `a${configs.length}`,
      shapes: ['act', 'client_id', 'agent'],
      algorithms: ['ES256', 'RS256', 'Ed25519'],
      token_types: ['at+jwt', 'JWT'],
    });
    const claims = { iss: issuer, sub: 'alice', aud: 'remit', iat: T, exp: T + 300, client_id: 'web', scope: 'a' };
    valid.push(
      await key.sign({ alg, typ: 'at+jwt', kid: 'k1' }, { ...claims, act: { sub: 'bot', act: { sub: 'planner' } } }),
      await key.sign({ alg, typ: 'at+jwt', kid: 'k1' }, { ...claims, sub: 'bob', act: { sub: 'bot' } }),
      await key.sign({ alg, kid: 'k1' }, { ...claims, jti: 'j1' }),
    );
  }
  verifier = new TokenVerifier(new Issuers(configs));
  for (const token of valid) expect(await verifier.verify(token, undefined, NOW), token).toMatchObject({ ok: true });
});

const decoded = (part: string): Members => JSON.parse(Buffer.from(part, 'base64url').toString()) as Members;
const partsOf = (token: string): [string, string, string] => token.split('.') as [string, string, string];
const replaced = (token: string, i: number, part: string): string => partsOf(token).with(i, part).join('.');

/** Named by its index, because the tokens are made after the tests are named. */
const token = fc.nat().map((i) => valid[i % valid.length] ?? '');
const part = fc.nat({ max: 2 });
const odd = fc.constantFrom(...Array.from('AQgw019-_.=+/ \n\t\r\u0000\u00e9\u2028"{}'));

/** Ways to alter a token; each may leave it as it is. */
const MUTATIONS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'a bit of a part flipped, as text': fc.tuple(token, part, fc.nat(), fc.nat({ max: 6 })).map(([t, i, at, bit]) => {
    const text = partsOf(t)[i] ?? '';
    const n = at % text.length;
    return replaced(t, i, text.slice(0, n) + String.fromCharCode(text.charCodeAt(n) ^ (1 << bit)) + text.slice(n + 1));
  }),
  'a bit of a part flipped, beneath the text': fc.tuple(token, part, fc.nat(), fc.nat({ max: 7 })).map(([t, i, at, bit]) => {
    const bytes = Buffer.from(partsOf(t)[i] ?? '', 'base64url');
    const n = at % bytes.length;
    bytes[n] = (bytes[n] ?? 0) ^ (1 << bit);
    return replaced(t, i, bytes.toString('base64url'));
  }),
  'parts of two tokens swapped': fc.tuple(token, token, part).map(([t, other, i]) => replaced(t, i, partsOf(other)[i] ?? '')),
  'parts in another order, or fewer, or twice': fc
    .tuple(token, fc.array(part, { maxLength: 6 }))
    .map(([t, order]) => order.map((i) => partsOf(t)[i]).join('.')),
  'the header edited': fc
    .tuple(
      token,
      fc.constantFrom('alg', 'typ', 'kid', 'jwk', 'jku', 'x5c', 'crit', 'b64', 'zip', 'cty', '__proto__'),
      fc.oneof(
        fc.constantFrom<unknown>(...SIGNATURE_ALGORITHMS, 'none', 'None', '', 'HS256', 'at+jwt', 'JWT', 'dpop+jwt', 'k1', 'constructor', undefined),
        fc.jsonValue(),
      ),
    )
    .map(([t, member, value]) => replaced(t, 0, edited(partsOf(t)[0], member, value))),
  'a stranger’s key enclosed': token.map((t) => replaced(t, 0, edited(partsOf(t)[0], 'jwk', stranger.jwk))),
  'the claims edited': fc
    .tuple(
      token,
      fc.constantFrom('iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'act', 'client_id', 'scope', 'cnf', 'sid', 'x'),
      fc.oneof(fc.constantFrom<unknown>(...Object.keys(ISSUERS), 'alice', 'bob', 'root', T + 1e6, { sub: 'root' }, undefined), fc.jsonValue()),
    )
    .map(([t, claim, value]) => replaced(t, 1, edited(partsOf(t)[1], claim, value))),
  'the same claims written otherwise': fc.tuple(token, fc.constantFrom(0, 1), fc.boolean()).map(([t, i, sorted]) => {
    const members = decoded(partsOf(t)[i]);
    const text = sorted ? JSON.stringify(Object.fromEntries(Object.entries(members).reverse())) : JSON.stringify(members, null, 1);
    return replaced(t, i, encoded(text));
  }),
  'characters put in or taken out': fc
    .tuple(token, fc.nat(), fc.nat({ max: 3 }), fc.string({ unit: odd, maxLength: 4 }))
    .map(([t, at, gone, put]) => t.slice(0, at % (t.length + 1)) + put + t.slice((at % (t.length + 1)) + gone)),
  'characters before or behind': fc
    .tuple(fc.string({ unit: odd, maxLength: 3 }), token, fc.string({ unit: odd, maxLength: 3 }))
    .map(([before, t, behind]) => before + t + behind),
  'cut short': fc.tuple(token, fc.nat()).map(([t, n]) => t.slice(0, n % t.length)),
  'base64 of other kinds': fc.tuple(token, part, fc.nat({ max: 6 })).map(([t, i, kind]) => {
    const text = partsOf(t)[i] ?? '';
    const bytes = Buffer.from(text, 'base64url');
    const ways = [
      () => bytes.toString('base64'),
      () => bytes.toString('hex'),
      () => `${text}=`,
      () => text + '='.repeat((4 - (text.length % 4)) % 4),
      () => text.replaceAll('-', '+').replaceAll('_', '/'),
      () => trailing(text),
      () => encoded(text),
    ];
    return replaced(t, i, (ways[kind] ?? ways[0])?.() ?? '');
  }),
  'letters in another case': fc
    .tuple(token, fc.nat(), fc.boolean())
    .map(([t, at, upper]) => t.slice(0, at % t.length) + (upper ? t.slice(at % t.length).toUpperCase() : t.slice(at % t.length).toLowerCase())),
  'bytes that are random': fc.tuple(token, part, fc.uint8Array({ maxLength: 300 })).map(([t, i, bytes]) => replaced(t, i, encoded(bytes))),
  'texts that are random': fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.array(fc.base64String(), { maxLength: 6 }).map((all) => all.join('.'))),
}; // prettier-ignore

function edited(text: string, member: string, value: unknown): string {
  return encoded(JSON.stringify(Object.fromEntries([...Object.entries(decoded(text)), [member, value]])));
}
/** The same bytes with other bits at the end, which no decoder looks at; as it is where there are none. */
function trailing(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  if (text.length % 4 === 0) return text;
  return text.slice(0, -1) + (alphabet[alphabet.indexOf(text.at(-1) ?? '') ^ 1] ?? '');
}

describe('a token with', () => {
  it.each(Object.entries(MUTATIONS))('%s is believed only where it is the same', async (_, mutated) => {
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const verification = await verifier.verify(text, undefined, NOW);
        expect(verification.ok).toBe(valid.includes(text));
        if (!verification.ok) expect(REASONS).toHaveProperty(verification.reason.code);
      }),
      { numRuns: 500 },
    );
  });

  it.each(Object.entries(MUTATIONS))('%s can be looked at', (_, mutated) => {
    fc.assert(
      fc.property(mutated, (text) => {
        const inspected = inspectToken(text, configs, [], NOW);
        expect(inspected.verified).toBe(false);
        if (inspected.token === undefined) expect(inspected.problems).not.toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('everything at once is no better', async () => {
    const one = fc.oneof(...Object.values(MUTATIONS));
    // A part of one alteration, parts of others.
    const mixed = fc
      .tuple(one, one, one)
      .map(([a, b, c]) => [a.split('.')[0], b.split('.')[1], c.split('.')[2]].join('.'));
    await fc.assert(
      fc.asyncProperty(mixed, async (text) => {
        expect((await verifier.verify(text, undefined, NOW)).ok).toBe(valid.includes(text));
      }),
      { numRuns: 2000 },
    );
  });
});

it('a valid token is believed again after all that', async () => {
  for (const text of valid) expect(await verifier.verify(text, undefined, NOW)).toMatchObject({ ok: true });
});
