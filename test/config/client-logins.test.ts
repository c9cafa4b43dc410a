/** Clients that log in with tokens: each pair is of one client, and of an issuer whose tokens say that they are for Remit. */
import { describe, expect, it } from 'vitest';
import { checkClientLogins, resolveLogin } from '../../src/config/client-logins.js';
import { clientFormat, resolveClients } from '../../src/config/clients.js';
import { configured } from '../tokens/configured.js';

const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] };
const ISSUERS = configured(
  { issuer: 'https://corp.example', audience: 'remit', primary: true, jwks },
  { issuer: 'https://many.example/{tenantid}', tenants: ['acme'], audience: 'remit', alias: 'many', jwks },
  { issuer: 'https://bare.example', audience: 'app', audience_from: 'client_id', alias: 'bare', jwks },
);
const HASH = 'a'.repeat(64);
const check = (...clients: readonly object[]): void => {
  const parsed = clients.map((client, i) => clientFormat.parse({ id: `c${i}`, ...client }));
  checkClientLogins(resolveClients(parsed, 'remit.yaml'), ISSUERS, 'remit.yaml');
};
const of = (issuer: string, client_id = 'hr', subject?: string): object => ({ token: { issuer, client_id, subject } });

describe('a client', () => {
  it.each<[string, object[]]>([
    ['a key', [{ key_sha256: HASH }]],
    ['a token', [of('https://corp.example')]],
    ['both', [{ key_sha256: HASH, ...of('https://corp.example') }]],
    ['a token of one tenant', [of('https://many.example/acme')]],
    ['the same name at another issuer', [of('https://corp.example'), of('https://many.example/acme')]],
  ])('has %s', (_, clients) => {
    expect(() => check(...clients)).not.toThrow();
  });

  it.each<[string, object[], RegExp]>([
    ['neither key nor token', [{}], /clients\[0\].*needs "key_sha256" or "token"/s],
    ['an issuer that isn’t configured', [of('https://evil.example')], /"https:\/\/evil.example" is not among the issuers/],
    ['an issuer of all tenants', [of('https://many.example/{tenantid}')], /is not among the issuers/],
    ['a tenant that isn’t accepted', [of('https://many.example/beta')], /is not among the issuers/],
    ['tokens that are for any service', [of('https://bare.example')], /don't say that they are for Remit/],
    ['another’s pair', [of('https://corp.example'), of('https://corp.example')], /clients\[1\]\.token.*two clients/s],
    ['another’s pair with a subject', [of('https://corp.example'), of('https://corp.example', 'hr', 'x')], /two clients/],
  ])('has not %s', (_, clients, message) => {
    expect(() => check(...clients)).toThrow(message);
  }); // prettier-ignore

  it('is its own subject unless that is said', () => {
    const token = { issuer: 'https://corp.example', client_id: 'hr' };
    expect(resolveLogin(token)?.subject).toBe('hr');
    expect(resolveLogin({ ...token, subject: '4711' })?.subject).toBe('4711');
    expect(resolveLogin(undefined)).toBeUndefined();
  });

  it.each([
    { issuer: '', client_id: 'x' },
    { issuer: 'x' },
    { client_id: 'x' },
    { issuer: 'x', client_id: 'y', aud: 'z' },
  ])('has no token like %j', (token) => {
    expect(clientFormat.safeParse({ id: 'c', token }).success).toBe(false);
  });
});
