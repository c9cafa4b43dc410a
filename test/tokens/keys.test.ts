/** The keys of issuers: where they may be fetched, and the limits of a fetch. */
import { generateKeyPairSync } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import type { JWK } from 'jose';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConfigError, Fault } from '../../src/model/faults.js';
import type { IssuerConfig } from '../../src/tokens/issuers.js';
import { checkInlineKeys, keysUriProblem, MAX_KEYS_BYTES, createRemoteKeys } from '../../src/tokens/keys.js';
import { isPublicAddress } from '../../src/runtime/ip-address.js';
import { verifySignature } from '../../src/tokens/signature.js';
import { makeKey, T, type Key } from './keys.js';
import { rejectionOf, refusal } from './refused.js';
import { json, raw, serveKeys, type Answer, type KeyServer } from './server.js';
import { EXPONENT, FACTORED, ROCA, SHORT, shortKey } from './weak.js';

let key: Key;
let other: Key;
let rsa: JWK;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  other = await makeKey('ES256', 'k2');
  rsa = (await makeKey('RS256', 'r1')).jwk;
});

describe('inline keys', () => {
  const config = (issuer: string, more: Partial<IssuerConfig>): IssuerConfig => ({
    issuer,
    jwks: { keys: [key.jwk] },
    audience: 'remit',
    primary: false,
    shapes: ['act'],
    algorithms: ['ES256'],
    ...more,
  });
  const bare = (jwk: JWK): JWK => JSON.parse(JSON.stringify({ ...jwk, alg: undefined })) as JWK;

  it('are taken where they are public keys', async () => {
    await expect(
      checkInlineKeys([
        config('https://a', { jwks: { keys: [key.jwk, bare(key.jwk)] } }),
        config('https://b', { jwks: { keys: [rsa] }, algorithms: ['RS256', 'ES256'] }),
        config('https://c', { jwks: undefined, jwks_uri: 'https://c/jwks' }),
        config('https://d', { jwks: { keys: [bare(rsa)] }, algorithms: ['RS256', 'ES256'] }),
      ]),
    ).resolves.toBeUndefined();
  });

  it('are taken without their algorithm where any of their issuer’s fits', async () => {
    const configs = [config('https://a', { jwks: { keys: [bare(rsa)] }, algorithms: ['ES256', 'RS256'] })];
    await expect(checkInlineKeys(configs)).resolves.toBeUndefined();
  });

  it.each<[string, (good: JWK) => JWK, string?]>([
    ['no point on the curve', (good) => ({ ...good, x: 'AAAA' })],
    ['a point beside the curve', (good) => ({ ...good, y: good.x ?? '' })],
    ['half a key', ({ y: _, ...half }) => half],
    ['another curve than it says', (good) => ({ ...good, crv: 'P-384' })],
    ['nothing but a type', () => ({ kty: 'RSA' })],
    ['a shared secret', () => ({ kty: 'oct', k: 'AAAA', alg: 'HS256' })],
    ['a private key', () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })],
    [
      'a private RSA key',
      () => ({
        ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
        alg: 'RS256',
      }),
    ],
    ['a short key', () => ({ ...shortKey(1024), alg: 'RS256' }), SHORT],
    ['an exponent of 1', () => ({ ...rsa, e: 'AQ' }), EXPONENT],
    ['an even exponent', () => ({ ...rsa, e: 'AQAA' }), EXPONENT],
    ['a key of the flawed library', () => ({ kty: 'RSA', n: ROCA, e: 'AQAB', alg: 'RS256' }), FACTORED],
  ])('are refused for %s', async (_, spoil, why = 'is not a public key') => {
    const configs = [config('https://a', {}), config('https://b', { jwks: { keys: [key.jwk, spoil(key.jwk)] } })];
    await expect(checkInlineKeys(configs)).rejects.toThrow(
      new ConfigError(`jwks.keys[1] of "https://b" ${why}`, 'issuers'),
    );
  });
});

const NO_PASSWORD = 'must not carry a password';
const NO_TLS = 'must be https, or say jwks_network: private';
describe('keys may be fetched from', () => {
  it.each<[string, string | undefined, string | undefined]>([
    ['https://keys.example/jwks', undefined, undefined],
    ['https://keys.example:8443/jwks', undefined, undefined],
    ['HTTPS://KEYS.EXAMPLE/jwks', undefined, undefined],
    // An address that the operator wrote is accepted as it is.
    ['https://10.0.0.7/jwks', undefined, undefined],
    ['https://[fd00::7]/jwks', undefined, undefined],
    ['http://localhost:8080/jwks', undefined, undefined],
    ['http://127.0.0.1/jwks', undefined, undefined],
    ['http://127.8.9.10/jwks', undefined, undefined],
    ['http://[::1]:8080/jwks', undefined, undefined],
    ['http://keys.example/jwks', undefined, NO_TLS],
    ['http://10.0.0.7/jwks', undefined, NO_TLS],
    ['http://0.0.0.0/jwks', undefined, NO_TLS],
    ['http://[::ffff:127.0.0.1]/jwks', undefined, NO_TLS],
    ['http://localhost.evil.example/jwks', undefined, NO_TLS],
    ['http://127.0.0.1.evil.example/jwks', undefined, NO_TLS],
    ['http://127.evil.example/jwks', undefined, NO_TLS],
    ['http://keys.example/jwks', 'public', NO_TLS],
    ['http://keys.example/jwks', 'private', undefined],
    ['http://10.0.0.7/jwks', 'private', undefined],
    ['https://user@keys.example/jwks', undefined, NO_PASSWORD],
    ['https://user:secret@keys.example/jwks', undefined, NO_PASSWORD],
    ['https://:secret@keys.example/jwks', undefined, NO_PASSWORD],
    ['http://user:secret@localhost/jwks', undefined, NO_PASSWORD],
    ['http://user:secret@keys.example/jwks', 'private', NO_PASSWORD],
  ])('%s, network %s: %s', (uri, network, problem) => {
    expect(keysUriProblem(uri, network as 'public' | 'private' | undefined)).toBe(problem);
  });
});

// prettier-ignore
const PRIVATE = [
  '0.0.0.0', '0.1.2.3', '10.0.0.0', '10.1.2.3', '10.255.255.255', '100.64.0.0', '100.127.255.255', '127.0.0.1',
  '127.255.255.255', '169.254.0.1', '169.254.169.254', '172.16.0.0', '172.31.255.255', '192.0.0.1', '192.0.0.192',
  '192.168.0.0', '192.168.255.255', '198.18.0.0', '198.19.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1',
  '255.255.255.255', '::', '::1', '0:0:0:0:0:0:0:1', 'fc00::1', 'fd12:3456::1', 'fdff:ffff::', 'fe80::1', 'febf::1',
  'ff02::1', '::ffff:10.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::FFFF:A9FE:A9FE', '64:ff9b::10.0.0.1',
  '64:ff9b::a9fe:a9fe', 'fe80::1%eth0', 'fec0::1', '2002:a00:1::1', '2002:7f00:1::', '64:ff9b:1::a00:1', '::10.0.0.1',
];
// prettier-ignore
const PUBLIC = [
  '1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.1',
  '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.167.255.255', '192.169.0.0',
  '198.17.255.255', '198.20.0.0', '223.255.255.255', '2001:4860:4860::8888', '2606:4700::1111', 'fbff::1',
  '::ffff:8.8.8.8', '::ffff:808:808',
];
describe('private', () => {
  it.each(PRIVATE)('is %j', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
  it('is what is for examples and for nobody', () => {
    const nobodys = ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '100::1'];
    expect(nobodys.filter((address) => isPublicAddress(address))).toEqual([]);
  });
  it('is what is no address: it leads nowhere that one should go', () => {
    const none = ['', 'localhost', '127.1', '0x7f000001', '10.0.0.256', '10.0.0.1 ', '[::1]'];
    expect(none.filter((address) => isPublicAddress(address))).toEqual([]);
  });
  it.each(PUBLIC)('is not %j', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

/** The address of this machine's own name: a test can't make another name resolve to a private address. */
const own = await lookup(hostname(), { family: 4 }).catch(() => undefined);

let server: KeyServer;
beforeAll(async () => {
  server = await serveKeys();
  return () => {
    server.close();
  };
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('a key server', () => {
  type Keys = ReturnType<typeof createRemoteKeys>;
  const HEADER = { alg: 'ES256', kid: 'k1' };
  const good = (): Answer => json({ keys: [key.jwk] });
  const verify = async (keys: Keys, by = key, kid = by.kid): Promise<void> =>
    verifySignature(await by.sign({ ...HEADER, kid }, { exp: T }), {
      issuer: 'https://i',
      keys,
      algorithms: ['ES256'],
    });
  const remote = (url = server.url, network?: 'private'): Keys => {
    server.hits = 0;
    return createRemoteKeys(url, network);
  };
  /** Rather than until the test's own end. */
  const inTime = (work: Promise<unknown>): Promise<unknown> =>
    Promise.race([
      work,
      new Promise((_, fail) => setTimeout(() => fail(new Error('no answer in ten seconds')), 10_000)),
    ]);
  const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
    const thrown: unknown = await inTime(work).then(
      () => new Error('no fault'),
      (error: unknown) => error,
    );
    if (!(thrown instanceof Fault)) throw thrown;
    expect(thrown.code).toBe('keys_unavailable');
    return thrown;
  };
  const after =
    (ms: number, then: Answer): Answer =>
    (response, request) =>
      void setTimeout(() => then(response, request), ms);
  const filled = (bytes: number): string => {
    const text = JSON.stringify({ keys: [key.jwk], x: '' });
    return text.replace('"x":""', `"x":"${'x'.repeat(bytes - text.length)}"`);
  };

  it('is asked once, without credentials, for as long as its answer is kept', async () => {
    let headers: object = {};
    server.answer = (response, request) => {
      headers = request.headers;
      good()(response, request);
    };
    const keys = remote();
    await Promise.all(Array.from({ length: 10 }, () => verify(keys)));
    await verify(keys);
    expect(server.hits).toBe(1);
    expect(Object.keys(headers)).not.toContain('authorization');
    expect(Object.keys(headers)).not.toContain('cookie');
  });

  it('that has rotated its keys is asked again by the first token of the new key, and once a second at most by tokens of strangers', async () => {
    let keysNow = [key.jwk];
    server.answer = (response, request) => {
      json({ keys: keysNow })(response, request);
    };
    let now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const keys = remote();
    await verify(keys);
    now += 10_000;
    keysNow = [key.jwk, other.jwk];
    await Promise.all(Array.from({ length: 20 }, () => verify(keys, other)));
    expect(server.hits).toBe(2);
    // Each asks for a key that there is not, ten times a second for half a minute.
    for (let i = 0; i < 300; i += 1) {
      now += 100;
      expect(await rejectionOf(verify(keys, other, `stranger-${i}`))).toEqual(refusal('token_key_unknown'));
    }
    const asked = server.hits - 2;
    expect([asked >= 29, asked <= 30], `${asked}`).toEqual([true, true]);
    // A rotation meanwhile waits for a second at most.
    keysNow = [await makeKey('ES256', 'k3').then((third) => ({ ...third.jwk, kid: 'k3' }))];
    now += 1_001;
    await expect(verify(keys, other)).resolves.toBeUndefined();
  });

  it('whose new key was asked for too soon is asked again by itself, however many strangers come', async () => {
    // Signed before, so that they come within one pause.
    const names = Array.from({ length: 200 }, (_, i) => `stranger-${i}`);
    const strangers = await Promise.all(names.map((kid) => other.sign({ ...HEADER, kid }, { exp: T })));
    server.answer = json({ keys: [key.jwk] });
    const keys = remote();
    await verify(keys);
    server.answer = json({ keys: [key.jwk, other.jwk] });
    const fromIssuer = { issuer: 'https://i', keys, algorithms: ['ES256'] };
    const refusals = await Promise.all(strangers.map((token) => rejectionOf(verifySignature(token, fromIssuer))));
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['token_key_unknown']));
    await vi.waitFor(
      () => {
        expect(server.hits).toBe(2);
      },
      { timeout: 10_000 },
    );
    await inTime(vi.waitFor(() => verify(keys, other), { timeout: 10_000 }));
    expect(server.hits).toBe(2);
  });

  it.each<[string, () => Answer]>([
    ['that is a little slow', () => after(300, good())],
    ['that says much', () => json(filled(MAX_KEYS_BYTES))],
    [
      'that sends it in pieces',
      () => (response) => {
        const text = JSON.stringify({ keys: [key.jwk] });
        response.write(text.slice(0, 20));
        setTimeout(() => response.end(text.slice(20)), 50);
      },
    ],
    [
      'of another type of content',
      () => (response) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end(JSON.stringify({ keys: [key.jwk] })),
    ],
  ])('%s is heard', async (_, answer) => {
    server.answer = answer();
    await expect(verify(remote())).resolves.toBeUndefined();
  });

  it.each<[string, () => Answer, RegExp?]>([
    ['that is slow', () => after(5000, good()), /time|abort/i],
    [
      'that is slow after a while',
      () => (response) => {
        response.write('{"keys":');
        setTimeout(() => response.end('[]}'), 5000);
      },
      /time|abort/i,
    ],
    ['that never ends its headers', () => raw('HTTP/1.1 200 OK\r\n')],
    ['that says too much', () => json(filled(MAX_KEYS_BYTES + 1)), /longer than 262144 bytes/],
    ['of 300 KiB', () => json(filled(300 * 1024)), /longer than 262144 bytes/],
    ['that fails', () => (response) => response.writeHead(500).end(JSON.stringify({ keys: [key.jwk] })), /500/],
    ['that knows of none', () => (response) => response.writeHead(404).end(JSON.stringify({ keys: [key.jwk] })), /404/],
    ['that says nothing', () => (response) => response.writeHead(204).end(), /204/],
    ['that says it has not changed', () => (response) => response.writeHead(304).end(), /304/],
    ['whose status is none', () => raw('HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n')],
    ['whose status is zero', () => raw('HTTP/1.1 000 No\r\ncontent-length: 0\r\n\r\n')],
    [
      'that would speak of something else',
      () => raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    ],
    ['that tells to go on', () => raw('HTTP/1.1 100 Continue\r\n\r\n')],
    ['that answers with no JSON', () => json('<html>'), /JSON/],
    ['that answers with nothing', () => json(''), /JSON/],
    ['that answers with half of it', () => json('{"keys":['), /JSON/],
    ['that says a member twice', () => json('{"keys":[],"keys":[]}'), /given twice/],
    ['that answers with a list', () => json([]), /malformed/i],
    ['that answers with keys that are none', () => json({ keys: [1] }), /malformed/i],
    [
      'that compresses unasked',
      () => (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from([31, 139, 8])),
      /JSON/,
    ],
  ])('%s is a fault, and soon, and forgotten once it is well again', async (_, answer, detail) => {
    server.answer = answer();
    const keys = remote();
    const fault = await faultOf(verify(keys));
    expect(fault.detail).toMatch(/^https:\/\/i: /);
    if (detail !== undefined) expect(fault.detail).toMatch(detail);
    const { hits } = server;
    server.answer = good();
    // Not once for every token that comes meanwhile.
    await faultOf(verify(keys));
    expect(server.hits).toBe(hits);
    const later = performance.now() + 1001;
    vi.spyOn(performance, 'now').mockReturnValue(later);
    await expect(inTime(verify(keys))).resolves.toBeUndefined();
  });

  it('that is not there is a fault', async () => {
    expect((await faultOf(verify(remote('http://127.0.0.1:1/jwks')))).detail).toMatch(/ECONNREFUSED/);
  });

  it.each([301, 302, 303, 307, 308])('that sends elsewhere with %i is not followed', async (status) => {
    const elsewhere = await serveKeys();
    elsewhere.answer = good();
    server.answer = (response) => response.writeHead(status, { location: elsewhere.url }).end();
    expect((await faultOf(verify(remote()))).detail).toMatch(String(status));
    expect(elsewhere.hits).toBe(0);
    elsewhere.close();
  });

  it('that sends without end is hung up on', async () => {
    let sent = 0;
    const closed = new Promise<void>((done) => {
      server.answer = (response) => {
        response.on('close', done);
        const more = (): void => {
          sent += 16_384;
          if (!response.destroyed) response.write(Buffer.alloc(16_384, 32), () => setImmediate(more));
        };
        more();
      };
    });
    await faultOf(verify(remote()));
    await closed;
    // Bytes in the machine's own buffers are not read.
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  it('that withdraws a key is asked again after a minute', async () => {
    server.answer = json({ keys: [key.jwk, other.jwk] });
    const keys = remote();
    await verify(keys);
    server.answer = json({ keys: [other.jwk] });
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(new Date().getTime() + 59_000);
    await verify(keys);
    expect(server.hits).toBe(1);
    vi.setSystemTime(new Date().getTime() + 2_000);
    expect(await rejectionOf(verify(keys))).toEqual(refusal('token_key_unknown'));
    await verify(keys, other);
    expect(server.hits).toBe(2);
  });

  it('that is down when it is asked again leaves nobody with the old keys', async () => {
    server.answer = good();
    const keys = remote();
    await verify(keys);
    server.answer = (response) => response.writeHead(503).end();
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(new Date().getTime() + 61_000);
    await faultOf(verify(keys));
  });

  it('is asked for a key that is new, and not by every token that names none', async () => {
    let now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    server.answer = json({ keys: [key.jwk] });
    const keys = remote();
    await verify(keys);
    server.answer = json({ keys: [key.jwk, other.jwk] });
    now += 999;
    for (let i = 0; i < 20; i += 1) await rejectionOf(verify(keys, other, `k${i + 2}`));
    expect(server.hits).toBe(1);
    now += 1;
    await verify(keys, other);
    expect(server.hits).toBe(2);
    expect(await rejectionOf(verify(keys, other, 'k9'))).toEqual(refusal('token_key_unknown'));
    expect(server.hits).toBe(2);
  });

  describe.skipIf(own === undefined || isPublicAddress(own.address))(
    `of this machine's own name (${own === undefined ? 'which leads nowhere here' : own.address})`,
    () => {
      let near: KeyServer;
      beforeAll(async () => {
        near = await serveKeys(own?.address);
        near.answer = good();
        return () => {
          near.close();
        };
      });
      const url = (): string => `http://${hostname()}:${near.port}/jwks`;

      it('is not asked, for the name resolves to a private address', async () => {
        expect((await faultOf(verify(remote(url())))).detail).toContain(
          `"${hostname()}" resolves to a private address`,
        );
        expect(near.hits).toBe(0);
      });

      it('is asked where the issuer says so', async () => {
        await expect(verify(remote(url(), 'private'))).resolves.toBeUndefined();
        expect(near.hits).toBe(1);
      });
    },
  );

  it('whose name leads nowhere is a fault', async () => {
    expect((await faultOf(verify(remote('http://keys.invalid/jwks')))).detail).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });
});
