/** `remit token`: tokens of an issuer of many tenants are that tenant's, and what is minted has the claims that it is given. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { tokenCommand } from '../../src/cli/token.js';
import { collectCleanups } from '../support/cleanups.js';
import { makeKey, type Key } from '../tokens/keys.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-tenants-'));
const file = join(directory, 'remit.yaml');
const onSuiteFinished = collectCleanups();
let key: Key;
beforeAll(async () => {
  onSuiteFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  key = await makeKey('ES256', 'k1');
  const issuer = { audience: 'remit', jwks: { keys: [key.jwk] }, max_token_bytes: 20_000 };
  const tenants = { issuer: 'https://login.example/{tenantid}', tenants: ['acme', 'beta'], alias: 'login' };
  const settings = {
    schema: { relationships: 'a', actions: 'b' },
    policies: '.',
    data: 'data',
    issuers: [{ ...issuer, ...tenants }],
  };
  writeFileSync(file, stringify(settings));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const now = Math.floor(Date.now() / 1000);
const mint = (tenant: string, claims: object = {}): Promise<string> =>
  key.sign(
    { alg: 'ES256', kid: 'k1', typ: 'at+jwt' },
    { iss: `https://login.example/${tenant}`, sub: 'alice', aud: 'remit', exp: now + 600, act: { sub: 'bot' }, ...claims },
  ); // prettier-ignore

/** Runs the command on the configuration. @returns what it prints */
async function run(...args: readonly string[]): Promise<string> {
  const printed: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  await tokenCommand.run([...args, '--config', file]);
  return printed.join('');
}
const verdict = async (token: string, ...args: readonly string[]): Promise<unknown> =>
  JSON.parse(await run('verify', '--json', ...args, token));

describe('verify', () => {
  const ISSUER_UNKNOWN = { valid: false, reasons: [{ code: 'token_issuer_unknown' }] };

  it('takes a token of a tenant that is listed, however long its issuer lets it be', async () => {
    const token = await mint('acme', { pad: 'x'.repeat(12_000) });
    expect(await verdict(token)).toEqual({ signature: 'valid', valid: true, reasons: [] });
    expect(await verdict(await mint('evil'))).toMatchObject(ISSUER_UNKNOWN);
  });

  it('takes no other tenant’s where one is expected', async () => {
    const expected = ['--issuer', 'https://login.example/acme'];
    expect(await verdict(await mint('acme'), ...expected)).toMatchObject({ signature: 'valid', valid: true });
    expect(await verdict(await mint('beta'), ...expected)).toMatchObject(ISSUER_UNKNOWN);
    expect(await verdict(await mint('acme'), '--issuer', 'https://login.example/{tenantid}')).toMatchObject(ISSUER_UNKNOWN);
  }); // prettier-ignore
});

it('inspect names the user with the tenant', async () => {
  const inspection = JSON.parse(await run('inspect', '--json', await mint('beta'))) as object;
  expect(inspection).toMatchObject({ issuerKnown: true, token: { user: 'login|beta|alice' }, problems: [] });
});

it('mint gives a token the claims that policies read', async () => {
  const token = await run('mint', '--user', 'ann', '--agent', 'bot', '--claims', '{"region":"eu"}');
  expect(decodeJwt(token.trim())).toMatchObject({ claims: { region: 'eu' } });
  const inspection = JSON.parse(await run('inspect', '--json', token.trim())) as object;
  expect(inspection).toMatchObject({ token: { claims: { region: 'eu' } } });
});
