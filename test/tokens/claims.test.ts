/** The claims of a token: of the right types, of bounded size, named where they aren't. */
import { describe, expect, it } from 'vitest';
import { parseClaims } from '../../src/tokens/claims.js';
import { T } from './keys.js';
import { reasonOf } from './refused.js';

const CLAIMS = { iss: 'https://login.example', sub: 'alice', aud: 'hr-api', exp: T + 300 };
const many = (length: number): string[] => Array.from({ length }, (_, i) => `x${i}`);

describe('readClaims', () => {
  it('takes the least that a token needs', () => {
    expect(parseClaims(CLAIMS)).toEqual(CLAIMS);
  });

  it('takes everything that a token can say, and keeps what it does not know', () => {
    const full = {
      ...CLAIMS,
      aud: ['hr-api', 'other'],
      nbf: T,
      iat: T - 0.5,
      jti: 'j1',
      client_id: 'hr-assistant',
      scope: 'hr.employees.read  hr.employees.write',
      authorization_details: [
        { type: 'hr', actions: ['read'], identifier: 'erin', custom: { a: 1 } },
        {
          type: 'hr',
          locations: ['https://hr.example'],
          datatypes: ['salary'],
          privileges: ['admin'],
          resources: ['employee:erin'],
          constraints: { amount: { max: 5 } },
          purpose: 'payroll',
          access: 'background',
        },
      ],
      act: { sub: 'hr-assistant', act: { sub: 'planner' } },
      sub_profile: 'user',
      sid: 's1',
      txn: 't1',
      tctx: { purpose: 'payroll' },
      rctx: { req_ip: '192.0.2.1' },
      purpose: 'payroll',
      access: 'background',
      cnf: { jkt: 'A'.repeat(43), 'x5t#S256': 'b'.repeat(43), kid: 'x' },
      own: ['x'],
    };
    expect(parseClaims(full)).toEqual(full);
  });

  it.each<[string, Record<string, unknown>]>([
    ['iss', { iss: undefined }],
    ['iss', { iss: 1 }],
    ['iss', { iss: '' }],
    ['iss', { iss: ['https://login.example'] }],
    ['sub', { sub: undefined }],
    ['sub', { sub: '' }],
    ['sub', { sub: 7 }],
    ['sub', { sub: null }],
    ['sub', { sub: ['alice'] }],
    ['sub', { sub: { id: 'alice' } }],
    ['sub', { sub: 'a'.repeat(1_025) }],
    ['sub', { sub: 'alice\n' }],
    ['sub', { sub: 'e\u0301' }],
    ['aud', { aud: undefined }],
    ['aud', { aud: '' }],
    ['aud', { aud: [] }],
    ['aud', { aud: ['hr-api', 1] }],
    ['aud', { aud: { 0: 'hr-api' } }],
    ['aud', { aud: many(257) }],
    ['exp', { exp: undefined }],
    ['exp', { exp: String(T + 300) }],
    ['exp', { exp: null }],
    ['exp', { exp: true }],
    ['exp', { exp: -1 }],
    ['exp', { exp: 1e300 }],
    // In milliseconds, as some issuers write it by mistake: far beyond the year 9999 it would never end.
    ['exp', { exp: 1000 * (T + 300) }],
    ['nbf', { nbf: String(T) }],
    ['nbf', { nbf: null }],
    ['iat', { iat: 'now' }],
    ['iat', { iat: [T] }],
    ['jti', { jti: 1 }],
    ['jti', { jti: '' }],
    ['client_id', { client_id: 1 }],
    ['scope', { scope: ['a', 'b'] }],
    ['scope', { scope: 'x'.repeat(4097) }],
    ['authorization_details', { authorization_details: { type: 'hr' } }],
    ['authorization_details', { authorization_details: '[]' }],
    ['authorization_details', { authorization_details: Array.from({ length: 33 }, () => ({ type: 'hr' })) }],
    ['authorization_details[0]', { authorization_details: ['hr'] }],
    ['authorization_details[1].type', { authorization_details: [{ type: 'hr' }, { actions: ['read'] }] }],
    ['authorization_details[0].actions', { authorization_details: [{ type: 'hr', actions: 'read' }] }],
    ['authorization_details[0].actions[0]', { authorization_details: [{ type: 'hr', actions: [1] }] }],
    ['authorization_details[0].locations', { authorization_details: [{ type: 'hr', locations: null }] }],
    ['authorization_details[0].identifier', { authorization_details: [{ type: 'hr', identifier: 5 }] }],
    ['authorization_details[0].resources', { authorization_details: [{ type: 'hr', resources: {} }] }],
    ['authorization_details[0].actions', { authorization_details: [{ type: 'hr', actions: many(101) }] }],
    ['authorization_details[0].datatypes', { authorization_details: [{ type: 'hr', datatypes: 'salary' }] }],
    ['authorization_details[0].privileges[1]', { authorization_details: [{ type: 'hr', privileges: ['a', ''] }] }],
    ['authorization_details[0].constraints', { authorization_details: [{ type: 'hr', constraints: [] }] }],
    ['authorization_details[0].purpose', { authorization_details: [{ type: 'hr', purpose: '' }] }],
    ['authorization_details[0].access', { authorization_details: [{ type: 'hr', access: 'offline' }] }],
    ['act', { act: null }],
    ['act', { act: 'hr-assistant' }],
    ['act', { act: 7 }],
    ['act', { act: true }],
    ['act', { act: [{ sub: 'hr-assistant' }] }],
    ['sub_profile', { sub_profile: ['user'] }],
    ['sub_profile', { sub_profile: '' }],
    ['sid', { sid: 1 }],
    ['txn', { txn: '' }],
    ['tctx', { tctx: 'payroll' }],
    ['rctx', { rctx: [] }],
    ...['iss', 'aud', 'jti', 'client_id', 'sub_profile', 'sid', 'txn', 'purpose'].map(
      (claim): [string, Record<string, unknown>] => [claim, { [claim]: 'a\nb' }],
    ),
    ['jti', { jti: 'a\u0000' }],
    ['sid', { sid: 'a\u0085' }],
    ['aud[1]', { aud: ['hr-api', 'a\u007f'] }],
    ['authorization_details[0].resources[0]', { authorization_details: [{ type: 'hr', resources: ['a\tb'] }] }],
    ['purpose', { purpose: '' }],
    ['purpose', { purpose: ['payroll'] }],
    ['access', { access: 'offline' }],
    ['access', { access: null }],
    ['cnf', { cnf: null }],
    ['cnf', { cnf: 'A'.repeat(43) }],
    ['cnf.jkt', { cnf: { jkt: 'A'.repeat(42) } }],
    ['cnf.jkt', { cnf: { jkt: `${'A'.repeat(42)}=` } }],
    ['cnf.jkt', { cnf: { jkt: `${'A'.repeat(43)}\n` } }],
    ['cnf.jkt', { cnf: { jkt: null } }],
    ['cnf.x5t#S256', { cnf: { jkt: 'A'.repeat(43), 'x5t#S256': 'AB:CD' } }],
  ])('refuses %s in %j', (claim, change) => {
    const reason = reasonOf(() => parseClaims({ ...CLAIMS, ...change }));
    expect(reason).toMatchObject({ code: 'token_claims_invalid', step: 'token' });
    expect(reason.message).toContain(`The claim "${claim}" is not acceptable: `);
    expect(reason.message).toMatch(/\.$/);
  });

  it.each([
    ['is required', { exp: undefined }, 'The claim "exp" is not acceptable: is required.'],
    ['of another type', { exp: 'soon' }, 'The claim "exp" is not acceptable: must be of type number, not string.'],
    ['not an id', { sub: 'a\u0000' }, 'The claim "sub" is not acceptable: must not contain control characters.'],
    [
      'no thumbprint',
      { cnf: { jkt: 'x' } },
      'The claim "cnf.jkt" is not acceptable: must be a SHA-256 thumbprint in base64url.',
    ],
  ])('says of one that it is %s', (_, change, message) => {
    expect(reasonOf(() => parseClaims({ ...CLAIMS, ...change })).message).toBe(message);
  });
});
