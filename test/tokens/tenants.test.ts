/** Issuers of many tenants: a name is of a tenant only where nothing but the tenant differs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findTenant, TENANT_ID } from '../../src/tokens/tenants.js';

const TEMPLATE = 'https://login.example/{tenantid}/v2.0';

describe('a name', () => {
  it.each<[string, string | undefined]>([
    ['https://login.example/acme/v2.0', 'acme'],
    ['https://login.example/other/v2.0', undefined],
    ['https://login.example/{tenantid}/v2.0', undefined],
    ['https://login.example//v2.0', undefined],
    ['https://login.example/v2.0', undefined],
    ['https://login.example/acme/v2.0/', undefined],
    ['https://login.example/acme/v1.0', undefined],
    ['https://login.example/acme/x/v2.0', undefined],
    ['https://login.example/acme/v2.0?/v2.0', undefined],
    ['https://login.example/../v2.0', undefined],
    ['https://login.example/ACME/v2.0', undefined],
    ['http://login.example/acme/v2.0', undefined],
    ['https://login.example.evil.example/acme/v2.0', undefined],
    ['', undefined],
  ])('%s is of the tenant %s', (name, tenant) => {
    expect(findTenant(name, TEMPLATE, ['acme'])).toBe(tenant);
  });

  it('is of any tenant where any is accepted, and still of one segment', () => {
    expect(findTenant('https://login.example/other/v2.0', TEMPLATE, 'any')).toBe('other');
    for (const tenant of [
      'a/b',
      '..',
      '.a',
      '{tenantid}',
      'a b',
      'a?b',
      'a#b',
      'a%2Fb',
      'a@b',
      'ä',
      '',
      'x'.repeat(129),
    ])
      expect(findTenant(`https://login.example/${tenant}/v2.0`, TEMPLATE, 'any'), tenant).toBeUndefined();
  });

  it('states the tenant that its template was filled with, whatever that is', () => {
    const text = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(text, text, fc.string({ maxLength: 20 }), (before, after, filling) => {
        fc.pre(!`${before}${after}`.includes('{tenantid}'));
        const tenant = findTenant(`${before}${filling}${after}`, `${before}{tenantid}${after}`, 'any');
        expect(tenant).toBe(TENANT_ID.test(filling) ? filling : undefined);
      }),
    );
  });
});
