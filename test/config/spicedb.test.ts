/** Which SpiceDB the configuration means, and what is wrong with it: named at its place, the key never said. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig, type Environment } from '../../src/config/config.js';

const KEY = 'a-very-secret-key';
const PEM = readFileSync('test/support/certificates/server.pem', 'utf8');
const client = `clients: [{ id: a, key_sha256: ${'a'.repeat(64)} }]`;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-config-'));
  writeFileSync(join(directory, 'key'), `${KEY}\n`);
  writeFileSync(join(directory, 'spaced'), `${KEY} ${KEY}\n`);
  writeFileSync(join(directory, 'ca.pem'), PEM);
  writeFileSync(join(directory, 'no.pem'), 'hello');
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});

function load(spicedb: string, env: Environment = {}, more = client) {
  const file = join(directory, 'remit.yaml');
  writeFileSync(
    file,
    `schema: { relationships: a.zed, actions: a.cedarschema }\npolicies: p\nspicedb: ${spicedb}\n${more}\n`,
  );
  return loadConfig(file, env);
}
const server = `mode: server, endpoint: "spicedb.internal:50051"`;

describe('a SpiceDB of the configuration', () => {
  it('is embedded unless it says otherwise', () => {
    expect(load('{}').spicedb).toBeUndefined();
    expect(load('{ mode: embedded }').spicedb).toBeUndefined();
  });

  it('is a server with a key, an authority, or the system’s', () => {
    const address = {
      endpoint: 'spicedb.internal:50051',
      key: KEY,
      ca: undefined,
      plaintext: false,
      consistency: 'full',
    };
    expect(load(`{ ${server}, token: ${KEY} }`).spicedb).toEqual(address);
    expect(load(`{ ${server}, token_file: key }`).spicedb).toEqual(address);
    expect(load(`{ ${server}, token: ${KEY}, ca: ca.pem }`).spicedb).toEqual({ ...address, ca: PEM });
    for (const endpoint of ['127.0.0.1:1', '[::1]:50051', 'localhost:65535'])
      expect(load(`{ mode: server, endpoint: "${endpoint}", token: k }`).spicedb).toMatchObject({ endpoint });
  });

  it('is asked for each check unless its answers may be kept', () => {
    expect(load(`{ ${server}, token: k }`).spicedb).toMatchObject({ consistency: 'full' });
    expect(load(`{ ${server}, token: k, consistency: bounded }`).spicedb).toMatchObject({ consistency: 'bounded' });
  });

  it('is what the environment says before the file', () => {
    const env = { SPICEDB_ENDPOINT: 'other:1', SPICEDB_TOKEN: KEY, SPICEDB_CA: join(directory, 'ca.pem') };
    const address = { endpoint: 'other:1', key: KEY, ca: PEM, plaintext: false, consistency: 'full' };
    expect(load('{ mode: server }', env).spicedb).toEqual(address);
    expect(load(`{ ${server}, token_file: nowhere, ca: nowhere }`, env).spicedb).toEqual(address);
  });

  it('speaks plaintext only where that is said, and says what it gives up beyond loopback', () => {
    expect(load(`{ ${server}, token: k, insecure_plaintext: true }`)).toMatchObject({
      spicedb: { plaintext: true },
      warnings: [expect.stringContaining('the key travels to spicedb.internal:50051')],
    });
    for (const endpoint of ['127.0.0.1:1', 'localhost:1', '[::1]:1'])
      expect(load(`{ mode: server, endpoint: "${endpoint}", token: k, insecure_plaintext: true }`).warnings).toEqual(
        [],
      );
  });

  it.each<[string, string, string, Environment?]>([
    ['no endpoint', '{ mode: server, token: k }', 'spicedb.endpoint: is required'],
    [
      'an endpoint with a scheme',
      '{ mode: server, endpoint: "https://x:1", token: k }',
      '"https://x:1" is not host:port',
    ],
    ['an endpoint without a port', '{ mode: server, endpoint: x, token: k }', '"x" is not host:port'],
    ['a port beyond all', '{ mode: server, endpoint: "x:70000", token: k }', 'is not host:port'],
    [
      'an endpoint of the environment',
      '{ mode: server, token: k }',
      'SPICEDB_ENDPOINT: "x"',
      { SPICEDB_ENDPOINT: 'x' },
    ],
    ['no key', `{ ${server} }`, 'spicedb.token: is required'],
    ['two keys', `{ ${server}, token: k, token_file: key }`, 'spicedb.token_file: and "token" exclude each other'],
    ['a key file that is not there', `{ ${server}, token_file: nowhere }`, 'nowhere: there is no such file'],
    [
      'a key file with more than a key',
      `{ ${server}, token_file: spaced }`,
      'spicedb.token_file: must be printable ASCII',
    ],
    ['a key that can’t travel', `{ ${server}, token: "${KEY}é" }`, 'spicedb.token: must be printable ASCII'],
    ['such a key of the environment', `{ ${server} }`, 'SPICEDB_TOKEN: must be', { SPICEDB_TOKEN: `${KEY} ` }],
    [
      'an authority that is not there',
      `{ ${server}, token: k, ca: nowhere.pem }`,
      'nowhere.pem: there is no such file',
    ],
    ['an authority that is none', `{ ${server}, token: k, ca: no.pem }`, 'spicedb.ca: '],
    [
      'plaintext with an authority',
      `{ ${server}, token: k, ca: ca.pem, insecure_plaintext: true }`,
      'spicedb.insecure_plaintext: ',
    ],
    ['a server’s key with the embedded one', '{ endpoint: "x:1" }', 'spicedb.endpoint: is for "mode: server"'],
    ['plaintext with the embedded one', '{ insecure_plaintext: true }', 'spicedb.insecure_plaintext: is for'],
    [
      'a server of the environment’s alone',
      '{}',
      'SPICEDB_ENDPOINT: is for "spicedb.mode: server"',
      { SPICEDB_ENDPOINT: 'x:1' },
    ],
    ['another mode', '{ mode: cluster }', 'spicedb.mode: must be "embedded" or "server"'],
    ['another consistency', `{ ${server}, token: k, consistency: eventual }`, 'must be "full" or "bounded"'],
    ['a consistency with the embedded one', '{ consistency: bounded }', 'spicedb.consistency: is for "mode: server"'],
    ['an unknown key', `{ ${server}, token: k, tokn: x }`, 'spicedb.tokn: unknown key'],
  ])('refuses %s', (_, spicedb, message, env = {}) => {
    const refusal = (): unknown => load(spicedb, env);
    expect(refusal).toThrow(message);
    expect(refusal).not.toThrow(KEY);
  });

  it('that is a server goes with clients, and without a world', () => {
    const good = `{ ${server}, token: k }`;
    expect(() => load(good, {}, '')).toThrow('clients: at least one is needed');
    expect(() => load(good, {}, `${client}\nworld: world.yaml`)).toThrow('world: is for the embedded SpiceDB');
  });
});
