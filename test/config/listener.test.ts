/** `listen`, `limits` and clients' keys as they are configured: what is taken, and where it says what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig, type Config } from '../../src/config/config.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-listener-'));
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});
const certificates = fileURLToPath(new URL('../support/certificates/', import.meta.url));
const tls = { certificate: `${certificates}server.pem`, key: `${certificates}server.key` };
const CLIENT = { id: 'a', key_sha256: 'a'.repeat(64) };

function load(over: object, env: Record<string, string> = {}): Config {
  const file = join(directory, 'remit.yaml');
  const all = { schema: { relationships: 'a', actions: 'b' }, policies: '.', clients: [CLIENT], ...over };
  writeFileSync(file, stringify(all));
  return loadConfig(file, env);
}

describe('listeners', () => {
  it('are one, on loopback and plain, where nothing is said', () => {
    expect(load({})).toMatchObject({ host: '127.0.0.1', port: 7480, tls: undefined, admin: undefined });
    expect(load({}).trustedProxies).toEqual([]);
    for (const port of ['tcp://10.0.0.1:80', 'udp://[::1]:53'])
      expect(load({ listen: { port: 7490 } }, { REMIT_PORT: port })).toMatchObject({
        port: 7490,
        warnings: [expect.stringContaining('REMIT_PORT is ignored: Kubernetes set it')],
      });
    for (const port of ['http://10.0.0.1:80', '65536', '0x50', '-1'])
      expect(() => load({}, { REMIT_PORT: port })).toThrow('is not a port');
    const mapped = ['::ffff:a00:0/104', '::ffff:10.1.2.3', '10.0.0.7'];
    expect(load({ listen: { trusted_proxies: mapped } }).trustedProxies).toEqual([
      '10.0.0.0/8',
      '10.1.2.3',
      '10.0.0.7',
    ]);
  });

  it('are two where administration has its own, which the environment doesn’t move', () => {
    const read = load({ listen: { admin: { port: 7481 } } }, { REMIT_HOST: '0.0.0.0', REMIT_PORT: '9000' });
    expect(read).toMatchObject({ host: '0.0.0.0', port: 9000, admin: { host: '127.0.0.1', port: 7481 } });
  });

  it.each([
    ['both on one port', { port: 7480, admin: { port: 7480 } }, 'listen.admin.port: is the port of the main listener'],
    ['admin keys in the clear beside TLS', { tls, admin: { host: '10.0.0.1', port: 1 } }, 'listen.admin.tls: is required'],
    ['a key of another certificate', { tls: { ...tls, key: `${certificates}thief.key` } }, 'listen.tls: key values mismatch'],
    ['a certificate that is none', { tls: { ...tls, certificate: fileURLToPath(import.meta.url) } }, 'listen.tls: '],
    ['an authority that is none', { tls: { ...tls, client_ca: tls.key } }, 'listen.tls.client_ca: '],
    ['certificates of any origin, and of one', { tls: { ...tls, client_ca: tls.certificate, client_certificates: true } }, 'listen.tls: "client_ca" asks for certificates already'],
    ['the same of administration', { admin: { port: 1, tls: { ...tls, client_ca: tls.key } } }, 'listen.admin.tls.client_ca: '],
    ['a proxy by name', { trusted_proxies: ['proxy.internal'] }, 'listen.trusted_proxies[0]'],
    ['everybody as a proxy', { trusted_proxies: ['10.0.0.0/8', '0.0.0.0/0'] }, 'listen.trusted_proxies[1]'],
    ['everybody as a proxy by IPv6', { trusted_proxies: ['::/0'] }, 'listen.trusted_proxies[0]'],
    ['everybody as a proxy by IPv4 within IPv6', { trusted_proxies: ['::ffff:0:0/96'] }, 'listen.trusted_proxies[0]'],
    ['a network too narrow', { trusted_proxies: ['10.0.0.0/33'] }, 'listen.trusted_proxies[0]'],
  ])('are refused with %s', (_what, listen, place) => {
    expect(() => load({ listen })).toThrow(place);
  }); // prettier-ignore

  it('are on loopback as long as nobody may call, administration’s too', () => {
    const listen = { admin: { host: '10.0.0.1', port: 1 } };
    expect(() => load({ clients: [], listen })).toThrow('without "clients" Remit listens on loopback only, not on 10.0.0.1');
  }); // prettier-ignore
});

describe('limits', () => {
  it('have defaults', () => {
    expect(load({}).limits).toEqual({
      inFlight: 2000,
      agentRate: 500,
      failedRate: 200,
      connections: 2000,
      streams: 64,
      streamIdleMs: 15_000,
      streamMs: 600_000,
    });
  });
  it.each([{ agent_rate: 0 }, { failed_rate: 0.5 }, { connections: 0 }, { connections: 1e6 }])('refuse %j', (limits) => {
    expect(() => load({ limits })).toThrow(`limits.${Object.keys(limits)[0] ?? ''}`);
  }); // prettier-ignore
});

describe('a client’s keys', () => {
  const hashes = ['a', 'b', 'c', 'd', 'e'].map((digit) => digit.repeat(64));
  it('are one or some', () => {
    expect(load({}).clients[0]?.keySha256).toEqual([hashes[0]]);
    expect(load({ clients: [{ id: 'a', key_sha256: hashes.slice(0, 2) }] }).clients[0]?.keySha256).toEqual(hashes.slice(0, 2)); // prettier-ignore
  });
  it.each([
    ['none', [], 'clients[0].key_sha256'],
    ['too many', hashes, 'clients[0].key_sha256'],
    ['one that is no hash', [hashes[0], 'secret'], 'clients[0].key_sha256[1]'],
    ['one twice', [hashes[0], hashes[0]], 'clients: two clients have the key_sha256 "…"'],
  ])('are refused where there are %s', (_what, keys, place) => {
    expect(() => load({ clients: [{ id: 'a', key_sha256: keys }] })).toThrow(place);
  });
});
