/** Proof of possession: every check of RFC 9449 section 4.3 and of RFC 8705, each failing alone. */
import { createHash, createHmac, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import type { DelegationToken } from '../../src/model/delegation-token.js';
import {
  certificateThumbprint,
  verifyPossession,
  PROOF_MAX_AGE_SECONDS,
} from '../../src/tokens/proof-of-possession.js';
import type { SingleUseProof, PresentedProof } from '../../src/model/credential.js';
import { CLOCK_SKEW_SECONDS } from '../../src/tokens/reading-rules.js';
import { ANOTHER, ANOTHER_THUMBPRINT, CERTIFICATE, THUMBPRINT } from './certificates.js';
import { encoded, makeKey, T, type Key, type Part } from './keys.js';
import { refusal, rejectionOf } from './refused.js';
import { VECTORS } from './vectors.js';
import { ROCA } from './weak.js';

const URL_ = 'https://rs.example/access/v1/evaluation';
/** The access token's text; of it only the hash counts here. */
const TEXT = 'eyJ.eyJ.sig~nature';
const ATH = createHash('sha256').update(TEXT).digest('base64url');

type Members = Readonly<Record<string, unknown>>;
const keys = {} as Record<'holder' | 'thief' | 'rsa' | 'ed', Key>;
let jkt: string;
beforeAll(async () => {
  keys.holder = await makeKey('ES256', 'h');
  keys.thief = await makeKey('ES256', 't');
  keys.rsa = await makeKey('RS256', 'r');
  keys.ed = await makeKey('Ed25519', 'e');
  jkt = await calculateJwkThumbprint(keys.holder.jwk);
});

const bound = (proof: DelegationToken['proof']): DelegationToken => ({
  format: 'access_token',
  issuer: 'https://login.example',
  mode: 'direct',
  user: undefined,
  actors: [],
  clientId: undefined,
  scopes: [],
  authorizationDetails: undefined,
  resources: [],
  access: 'online',
  purpose: undefined,
  session: undefined,
  txn: undefined,
  transaction: undefined,
  requester: undefined,
  proof,
  expiresAt: T + 300,
  notBefore: undefined,
  issuedAt: undefined,
  authenticatedAt: undefined,
  jti: undefined,
  chainComplete: true,
  agentIsClient: false,
});

const bare = ({ kty, crv, x, y, n, e }: JWK): Members => ({ kty, crv, x, y, n, e });
const header = (change: Members = {}, key = keys.holder): Members => ({
  typ: 'dpop+jwt',
  alg: key.alg,
  jwk: bare(key.jwk),
  ...change,
});
const claims = (change: Members = {}): Members => ({ jti: 'j1', htm: 'POST', htu: URL_, iat: T, ath: ATH, ...change });
/** Everything undefined is left out. */
const prove = (change: Members = {}, changed: Members = {}, key = keys.holder): Promise<string> =>
  key.sign(header(changed, key), claims(change));

const present = (
  jwt: string,
  { url = URL_, method = 'POST', now = T, to = jkt } = {},
): Promise<SingleUseProof | undefined> =>
  verifyPossession(bound({ jkt: to, x5t: undefined }), TEXT, { dpop: { jwt, method, url } }, now);

const URL_WRONG = 'The proof\'s "htu" is not the URL of the request.';
const AGE = 'The proof\'s "iat" is not within the last 60 seconds.';
const AHEAD = 'The proof\'s "iat" lies in the future: its clock is ahead.';
const NO_HASH = 'The proof has no "ath", the hash of this token.';
const HASH = 'The proof\'s "ath" is not the hash of this token.';
const KEY = "The proof's key is not the one that the token is bound to.";
const SIGNATURE = 'The signature of the proof does not verify.';
const PUBLIC = 'The "jwk" of the proof is not a public key.';
const NO_JWK = 'The proof has no "jwk".';
const TYP = 'The proof\'s "typ" is not "dpop+jwt".';
const ALG =
  'The proof\'s "alg" is not one of ES256, ES384, ES512, PS256, PS384, PS512, RS256, RS384, RS512, EdDSA, Ed25519.';
const claim = (name: string, why: string): string => `The proof's claim "${name}" is not acceptable: ${why}.`;
const method = (proof: string, request: string): string => `The proof is for "${proof}", the request was "${request}".`;

/** What, the proof, the message, and how it is presented. */
type Refused = [string, () => string | Promise<string>, string | undefined, Parameters<typeof present>[1]?];
// prettier-ignore
const REFUSED: Refused[] = [
  // 2: a single well-formed JWT. The token is good: it is the proof that isn't.
  ['nothing', () => '', undefined],
  ['no JWT', () => 'proof', undefined],
  ['two of them', async () => `${await prove()},${await prove()}`, undefined],
  ['a blank before', async () => ` ${await prove()}`, undefined],
  ['more than 8 KiB', () => prove({ x: 'x'.repeat(7000) }), undefined],
  ['a payload that is none', () => keys.holder.sign(header(), 'x'), undefined],
  ['a claim given twice', () => keys.holder.sign(header(), JSON.stringify(claims()).replace('{', '{"htm":"GET",')), undefined],
  ['a critical extension', () => prove({}, { crit: ['x'], x: 1 }), undefined],
  ['no signature', async () => `${(await prove()).split('.').slice(0, 2).join('.')}.`, undefined],
  // 3: all claims
  ...['jti', 'htm', 'htu', 'iat'].map((name): Refused => [`no ${name}`, () => prove({ [name]: undefined }), claim(name, 'is required')]),
  ['a jti that is a number', () => prove({ jti: 1 }), claim('jti', 'must be of type string, not number')],
  ['an empty jti', () => prove({ jti: '' }), claim('jti', 'must not be empty')],
  ['an endless jti', () => prove({ jti: 'x'.repeat(257) }), claim('jti', 'must be at most 256 characters long')],
  ['an htm that is a list', () => prove({ htm: ['POST'] }), claim('htm', 'must be of type string, not array')],
  ['an htu that is null', () => prove({ htu: null }), claim('htu', 'must be of type string, not null')],
  ['an iat that is a text', () => prove({ iat: String(T) }), claim('iat', 'must be of type number, not string')],
  ['an iat in milliseconds', () => prove({ iat: T * 1000 }), claim('iat', 'must be at most 253402300799')],
  ['an ath that is a number', () => prove({ ath: 1 }), claim('ath', 'must be of type string, not number')],
  // 4: its type
  ['no type', () => prove({}, { typ: undefined }), TYP],
  ['the type of a token', () => prove({}, { typ: 'at+jwt' }), TYP],
  ['the type JWT', () => prove({}, { typ: 'JWT' }), TYP],
  ['the type with more', () => prove({}, { typ: 'dpop+jwt;v=1' }), TYP],
  // 5: its algorithm
  ['the algorithm none', () => prove({}, { alg: 'none' }), ALG],
  ['an algorithm of no kind', () => prove({}, { alg: 'ES256K' }), ALG],
  ['an algorithm in other letters', () => prove({}, { alg: 'es256' }), ALG],
  ['a shared secret', () => hmac({ kty: 'oct', k: 'c2VjcmV0' }), ALG],
  ['the public key as a shared secret', () => hmac(bare(keys.holder.jwk), JSON.stringify(bare(keys.holder.jwk))), ALG],
  // 6: its signature, by the key in its header
  ['no key', () => prove({}, { jwk: undefined }), NO_JWK],
  ['a key of null', () => prove({}, { jwk: null }), NO_JWK],
  ['a key that is a text', () => prove({}, { jwk: 'k1' }), NO_JWK],
  ['a key that is a list', () => prove({}, { jwk: [bare(keys.holder.jwk)] }), SIGNATURE],
  ['a key that is empty', () => prove({}, { jwk: {} }), SIGNATURE],
  ['half a key', () => prove({}, { jwk: { ...bare(keys.holder.jwk), y: undefined } }), SIGNATURE],
  ['a point beside the curve', () => prove({}, { jwk: { ...bare(keys.holder.jwk), y: keys.holder.jwk.x } }), SIGNATURE],
  ['a key for encryption', () => prove({}, { jwk: { ...bare(keys.holder.jwk), use: 'enc' } }), SIGNATURE],
  ['a key of another algorithm', () => prove({}, { jwk: { ...bare(keys.holder.jwk), alg: 'ES384' } }), SIGNATURE],
  ['a key of another type than its algorithm', () => prove({}, { alg: 'RS256' }), SIGNATURE],
  ["another's signature", () => prove({}, { jwk: bare(keys.holder.jwk) }, keys.thief), SIGNATURE],
  ["another proof's signature", async () => [...(await prove()).split('.').slice(0, 2), (await prove({ jti: 'j2' })).split('.')[2]].join('.'), SIGNATURE],
  ['a key in the place of a name', () => prove({}, { jwk: undefined, kid: 'h' }), NO_JWK],
  ['a key by a way to it', () => prove({}, { jwk: undefined, jku: 'https://evil.example/jwks' }), NO_JWK],
  ['a weak key', () => prove({}, { alg: 'RS256', jwk: { kty: 'RSA', n: ROCA, e: 'AQAB' } }), SIGNATURE],
  ['a key that takes long to verify with', () => prove({}, { jwk: { ...bare(keys.rsa.jwk), e: Buffer.alloc(255, 0xff).toString('base64url') } }, keys.rsa), SIGNATURE],
  ['an exponent of 1', () => prove({}, { jwk: { ...bare(keys.rsa.jwk), e: 'AQ' } }, keys.rsa), SIGNATURE],
  // 7: no private key
  ['a private key', () => prove({}, { jwk: privateJwk() }), PUBLIC],
  ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv'].map((name): Refused => [`a key with ${name}`, () => prove({}, { jwk: { ...bare(keys.holder.jwk), [name]: 'AA' } }), PUBLIC]),
  ['a key with an empty d', () => prove({}, { jwk: { ...bare(keys.holder.jwk), d: '' } }), PUBLIC],
  // 8: the method
  ['another method', () => prove({ htm: 'GET' }), method('GET', 'POST')],
  ['a method in other letters', () => prove({ htm: 'post' }), method('post', 'POST')],
  ['another request than the proof is for', () => prove(), method('POST', 'PUT'), { method: 'PUT' }],
  ['a method that would fill the log', () => prove({ htm: 'M\u0001'.repeat(16) }), `The proof is for ${JSON.stringify('M\u0001'.repeat(16))}, the request was "POST".`],
  // 11: its age
  ['an iat of too long ago', () => prove({ iat: T - PROOF_MAX_AGE_SECONDS - 0.001 }), AGE],
  ['an iat of 1970', () => prove({ iat: 0 }), AGE],
  ['an iat too far ahead', () => prove({ iat: T + CLOCK_SKEW_SECONDS + 0.001 }), AHEAD],
  // 12: the token and its key
  ['no ath', () => prove({ ath: undefined }), NO_HASH],
  ['an empty ath', () => prove({ ath: '' }), HASH],
  ["another token's ath", () => prove({ ath: createHash('sha256').update('other').digest('base64url') }), HASH],
  ['an ath with padding', () => prove({ ath: `${ATH}=` }), HASH],
  ['an ath in hexadecimal', () => prove({ ath: Buffer.from(ATH, 'base64url').toString('hex') }), HASH],
  ['an ath of SHA-384', () => prove({ ath: createHash('sha384').update(TEXT).digest('base64url') }), HASH],
  ["a thief's key", () => prove({}, {}, keys.thief), KEY],
  ["a thief's key of another type", () => prove({}, {}, keys.rsa), KEY],
  ['a token bound to another key', () => prove(), KEY, { to: 'A'.repeat(43) }],
];

function hmac(jwk: Part, secret = 'secret'): string {
  const text = `${encoded(header({ alg: 'HS256', jwk }))}.${encoded(claims())}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
function privateJwk(): JWK {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
}

describe('a DPoP proof is refused for', () => {
  it.each<Refused>(REFUSED)('%s', async (_, proof, message, how) => {
    const reason = await rejectionOf(present(await proof(), how));
    expect(reason.code).toBe('proof_invalid');
    if (message !== undefined) expect(reason).toEqual(refusal('proof_invalid', message));
  });
});

describe('a DPoP proof holds', () => {
  it.each<[string, () => Promise<string>]>([
    ['with what it must have', () => prove()],
    ['with more than it must have', () => prove({ nonce: 'n', exp: 0, x: [1] }, { kid: 'h', x: 1 })],
    ['with its type in other letters', () => prove({}, { typ: 'DPoP+JWT' })],
    ['with a key that says what it is for', () => prove({}, { jwk: { ...bare(keys.holder.jwk), use: 'sig', alg: 'ES256', kid: 'x' } })],
    ['with members that could be of its key but are not', () => prove({}, { jwk: { ...bare(keys.holder.jwk), oth: undefined, x5c: ['x'] } })],
    ['made just now, by the clock of another host', () => prove({ iat: T + CLOCK_SKEW_SECONDS })],
    ['made a minute ago', () => prove({ iat: T - PROOF_MAX_AGE_SECONDS })],
    ['made at a fraction of a second', () => prove({ iat: T - 0.25 })],
  ])('%s', async (_, proof) => {
    await expect(present(await proof())).resolves.toMatchObject({ id: expect.stringMatching(/^[\w-]{43}$/) as string });
  }); // prettier-ignore

  it.each(['rsa', 'ed'] as const)('by a key of another kind: %s', async (name) => {
    const to = await calculateJwkThumbprint(keys[name].jwk);
    await expect(present(await prove({}, {}, keys[name]), { to })).resolves.toBeDefined();
    if (name === 'ed') await expect(present(await prove({}, { alg: 'EdDSA' }, keys.ed), { to })).resolves.toBeDefined();
    expect(await rejectionOf(present(await prove({}, {}, keys[name])))).toEqual(refusal('proof_invalid', KEY));
  });
});

describe('the URL of a proof', () => {
  // prettier-ignore
  it.each<[string, string, string]>([
    ['is that of the request', URL_, URL_],
    ['has a scheme in any letters', 'HTTPS://rs.example/access/v1/evaluation', URL_],
    ['has a host in any letters', 'https://RS.Example/access/v1/evaluation', URL_],
    ['may say the default port', 'https://rs.example:443/access/v1/evaluation', URL_],
    ['may say the default port of http', 'http://rs.example:80/x', 'http://rs.example/x'],
    ['may leave the port that is the default', URL_, 'https://rs.example:443/access/v1/evaluation'],
    ['counts without the query', `${URL_}?a=1`, URL_],
    ['counts without the query of the request', URL_, `${URL_}?a=1&b=/x`],
    ['counts without either query', `${URL_}?a=1`, `${URL_}?b=2`],
    ['counts without the fragment', `${URL_}#top`, URL_],
    ['counts without query and fragment', `${URL_}?a#top`, `${URL_}#bottom`],
    ['has escapes in any letters', 'https://rs.example/a%2fb%c3%a9', 'https://rs.example/a%2Fb%C3%A9'],
    ['has letters or their escapes', 'https://rs.example/%61%7Euser', 'https://rs.example/a~user'],
    ['has letters beyond ASCII or their escapes', 'https://rs.example/é', 'https://rs.example/%C3%A9'],
    ['has a root or none', 'https://rs.example', 'https://rs.example/'],
    ['has no root before a query', 'https://rs.example?x=1', 'https://rs.example/'],
    ['has no steps back', 'https://rs.example/access/x/../v1/./evaluation', URL_],
    ['is of another port where the request is', 'https://rs.example:8443/x', 'https://rs.example:8443/x'],
    ['is of an address', 'https://[::1]:8443/x', 'https://[0:0:0:0:0:0:0:1]:8443/x'],
    ['is of a name in its own script', 'https://bücher.example/x', 'https://xn--bcher-kva.example/x'],
  ])('%s: %s for %s', async (_, htu, url) => {
    await expect(present(await prove({ htu }), { url })).resolves.toBeDefined();
  });

  // prettier-ignore
  it.each<[string, string, string]>([
    ['another scheme', 'http://rs.example/access/v1/evaluation', URL_],
    ['another scheme on one port', 'http://rs.example:443/x', 'https://rs.example:443/x'],
    ['another host', 'https://evil.example/access/v1/evaluation', URL_],
    ['a host that ends the same', 'https://x.rs.example/access/v1/evaluation', URL_],
    ['a host with a dot more', 'https://rs.example./access/v1/evaluation', URL_],
    ['another port', 'https://rs.example:8443/access/v1/evaluation', URL_],
    ['another path', 'https://rs.example/access/v1/search', URL_],
    ['a path in other letters', 'https://rs.example/Access/v1/evaluation', URL_],
    ['a slash more', `${URL_}/`, URL_],
    ['a slash less', 'https://rs.example/x', 'https://rs.example/x/'],
    ['two slashes', 'https://rs.example//access/v1/evaluation', URL_],
    ['an escaped slash', 'https://rs.example/access%2Fv1/evaluation', URL_],
    ['an escape of an escape', 'https://rs.example/%2561', 'https://rs.example/%61'],
    ['an escaped question mark', 'https://rs.example/x%3Fa', 'https://rs.example/x?a'],
    ['a path alone', '/access/v1/evaluation', URL_],
    ['a host alone', '//rs.example/access/v1/evaluation', URL_],
    ['no URL', 'access', URL_],
    ['another kind of URL', 'urn:x:access', URL_],
    ['a file', 'file:///access/v1/evaluation', URL_],
    ['another kind of URL on both sides', 'ftp://rs.example/x', 'ftp://rs.example/x'],
    ['a user', 'https://user@rs.example/access/v1/evaluation', URL_],
    ['a user and a password', 'https://user:secret@rs.example/access/v1/evaluation', URL_],
    ['a password alone', 'https://:secret@rs.example/access/v1/evaluation', URL_],
    ['a user on both sides', 'https://user@rs.example/x', 'https://user@rs.example/x'],
    ['a request without a URL', URL_, ''],
  ])('is another for %s: %s for %s', async (_, htu, url) => {
    expect(await rejectionOf(present(await prove({ htu }), { url }))).toEqual(refusal('proof_invalid', URL_WRONG));
  });
});

describe('what a proof uses up', () => {
  it('is the same for one jti of one key, and for nothing else', async () => {
    const use = async (...of: Parameters<typeof prove>): Promise<string | undefined> => {
      const to = await calculateJwkThumbprint((of[2] ?? keys.holder).jwk);
      return (await present(await prove(...of), { to }))?.id;
    };
    const first = await use();
    expect(await use()).toBe(first);
    expect(await use({ iat: T - 1, x: 1 }, { kid: 'x' })).toBe(first);
    expect(await use({ jti: 'j2' })).not.toBe(first);
    expect(await use({}, {}, keys.ed)).not.toBe(first);
    expect(await use({ jti: 'J1' })).not.toBe(first);
  });

  it.each([T, T - PROOF_MAX_AGE_SECONDS, T + CLOCK_SKEW_SECONDS, T - 0.5, T + 0.001])(
    'is remembered until the proof is too old: made at %s',
    async (iat) => {
      const jwt = await prove({ iat });
      const { expiresAt = 0 } = (await present(jwt)) ?? {};
      expect(Number.isInteger(expiresAt)).toBe(true);
      // A sweep of whole seconds forgets what ended before this one.
      expect(await rejectionOf(present(jwt, { now: expiresAt }))).toEqual(refusal('proof_invalid', AGE));
      expect(expiresAt).toBeLessThanOrEqual(iat + PROOF_MAX_AGE_SECONDS + 2);
    },
  );
});

const KEY_MISSING = 'The token is bound to a key (cnf.jkt), and no DPoP proof was presented.';
const CERTIFICATE_MISSING = 'The token is bound to a certificate (cnf.x5t#S256), and none was stated.';
const CERTIFICATE_WRONG = 'The certificate is not the one that the token is bound to.';
const NOT_BOUND = 'The token is not bound to a key (cnf.jkt).';
describe('a token', () => {
  type Held = ('key' | 'certificate')[];
  const check = async (to: Held, shown: Members): Promise<SingleUseProof | undefined> => {
    const proof = {
      jkt: to.includes('key') ? jkt : undefined,
      x5t: to.includes('certificate') ? THUMBPRINT : undefined,
    };
    const presented: PresentedProof = {
      ...('dpop' in shown ? { dpop: { jwt: await prove(shown['dpop'] as Members), method: 'POST', url: URL_ } } : {}),
      ...('certificate' in shown ? { certificate: shown['certificate'] as string } : {}),
    };
    return verifyPossession(bound(to.length === 0 ? undefined : proof), TEXT, presented, T);
  };

  it.each<[string, Held, Members, boolean]>([
    ['that is not bound needs nothing', [], {}, false],
    ['that is not bound may come over any connection', [], { certificate: THUMBPRINT }, false],
    ['bound to a certificate is used up by nobody', ['certificate'], { certificate: THUMBPRINT }, false],
    ['bound to a key may come over any connection', ['key'], { dpop: {}, certificate: ANOTHER_THUMBPRINT }, true],
    ['bound to both needs both', ['key', 'certificate'], { dpop: {}, certificate: THUMBPRINT }, true],
  ])('%s', async (_, to, shown, used) => {
    expect((await check(to, shown)) !== undefined).toBe(used);
  });

  it.each<[string, Held, Members, ReasonCode, string]>([
    ['not bound, with a proof', [], { dpop: {} }, 'proof_invalid', NOT_BOUND],
    ['bound to a key, without a proof', ['key'], {}, 'proof_missing', KEY_MISSING],
    ['bound to a key, with a certificate', ['key'], { certificate: THUMBPRINT }, 'proof_missing', KEY_MISSING],
    ['bound to a certificate, without one', ['certificate'], {}, 'proof_missing', CERTIFICATE_MISSING],
    ['bound to a certificate, with a proof', ['certificate'], { dpop: {} }, 'proof_missing', CERTIFICATE_MISSING],
    ['bound to a certificate, with it and a proof', ['certificate'], { certificate: THUMBPRINT, dpop: {} }, 'proof_invalid', NOT_BOUND],
    ['bound to a certificate, with another', ['certificate'], { certificate: ANOTHER_THUMBPRINT }, 'proof_invalid', CERTIFICATE_WRONG],
    ['bound to a certificate, with none to speak of', ['certificate'], { certificate: '' }, 'proof_invalid', CERTIFICATE_WRONG],
    ['bound to a certificate, padded', ['certificate'], { certificate: `${THUMBPRINT}=` }, 'proof_invalid', CERTIFICATE_WRONG],
    ['bound to both, without either', ['key', 'certificate'], {}, 'proof_missing', CERTIFICATE_MISSING],
    ['bound to both, without the proof', ['key', 'certificate'], { certificate: THUMBPRINT }, 'proof_missing', KEY_MISSING],
    ['bound to both, without the certificate', ['key', 'certificate'], { dpop: {} }, 'proof_missing', CERTIFICATE_MISSING],
    ['bound to both, with another certificate', ['key', 'certificate'], { dpop: {}, certificate: ANOTHER_THUMBPRINT }, 'proof_invalid', CERTIFICATE_WRONG],
    ['bound to both, with a wrong proof', ['key', 'certificate'], { dpop: { ath: 'x' }, certificate: THUMBPRINT }, 'proof_invalid', HASH],
  ])('%s is refused', async (_, to, shown, code, message) => {
    expect(await rejectionOf(check(to, shown))).toEqual(refusal(code, message));
  }); // prettier-ignore
});

describe('the thumbprint of a certificate', () => {
  const der = new X509Certificate(CERTIFICATE).raw;
  it.each<[string, string]>([
    ['as PEM', CERTIFICATE],
    ['as PEM with an end of line', `${CERTIFICATE}\n`],
    ['as PEM of Windows', `${CERTIFICATE.replaceAll('\n', '\r\n')}\r\n`],
    ['as PEM with words before', `subject=CN = agent.example\n${CERTIFICATE}`],
    ['as PEM before that of its issuer', `${CERTIFICATE}\n${ANOTHER}\n`],
    ['as DER in base64', der.toString('base64')],
    ['as DER in base64url', der.toString('base64url')],
    ['as DER in lines', der.toString('base64').replace(/.{64}/g, '$&\n')],
  ])('is read from it %s', (_, text) => {
    expect(certificateThumbprint(text)).toBe(THUMBPRINT);
  });

  it('is of the certificate alone', () => {
    expect(certificateThumbprint(ANOTHER)).toBe(ANOTHER_THUMBPRINT);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['words', 'certificate'],
    ['half a certificate', der.subarray(0, 200).toString('base64')],
    ['PEM of nothing', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----'],
    ['PEM with a line less', CERTIFICATE.split('\n').toSpliced(3, 1).join('\n')],
    ['a key', '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----'],
    ['a thumbprint', THUMBPRINT],
  ])('is none of %s', (_, text) => {
    expect(certificateThumbprint(text)).toBeUndefined();
  });
});

describe('the examples of RFC 9449', () => {
  const check = (example: (typeof VECTORS.dpop)[number], change: Partial<(typeof VECTORS.dpop)[number]> = {}) => {
    const { proof, method: htm, url, iat, jkt: to, token = '' } = { ...example, ...change };
    return verifyPossession(bound({ jkt: to, x5t: undefined }), token, { dpop: { jwt: proof, method: htm, url } }, iat);
  };

  it.each(VECTORS.dpop)('$name', async (example) => {
    // Those to the authorization server go with no token, and so say nothing of one: the last of all checks but the key.
    if (example.token === undefined) {
      expect(await rejectionOf(check(example))).toEqual(refusal('proof_invalid', NO_HASH));
      expect(await rejectionOf(check(example, { url: 'https://other.example/token' }))).toMatchObject({
        message: URL_WRONG,
      });
      expect(await rejectionOf(check(example, { iat: example.iat + 61 }))).toMatchObject({ message: AGE });
      return;
    }
    const use = await check(example);
    expect(use?.expiresAt).toBe(example.iat + PROOF_MAX_AGE_SECONDS + 1);
    const other = { method: 'POST', url: `${example.url}/x`, iat: example.iat + 61, token: 'x', jkt: 'A'.repeat(43) };
    const messages = { method: method(example.method, 'POST'), url: URL_WRONG, iat: AGE, token: HASH, jkt: KEY };
    for (const [name, value] of Object.entries(other))
      expect(await rejectionOf(check(example, { [name]: value })), name).toEqual(
        refusal('proof_invalid', messages[name as keyof typeof messages]),
      );
    // A proof of an access token, altered in its payload.
    const [head = '', , signature = ''] = example.proof.split('.');
    const forged = [head, encoded({ jti: 'x', htm: 'GET', htu: example.url, iat: example.iat }), signature].join('.');
    expect(await rejectionOf(check(example, { proof: forged }))).toEqual(refusal('proof_invalid', SIGNATURE));
  });

  it('are three', () => {
    expect(VECTORS.dpop.map((example) => example.token !== undefined)).toEqual([false, false, true]);
  });
});
