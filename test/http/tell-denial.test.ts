/** Remedies of an answer: waiting, where time helps, and the page at which the user delegates; agents aren't told how much is left. */
import { beforeAll, describe, expect, it } from 'vitest';
import { tellRemedies } from '../../src/http/tell-denial.js';
import { limitRemedies } from '../../src/policy/remedies.js';
import { reason } from '../../src/model/reasons.js';
import { clientNamed, startWith, T, type Answer, type Running } from '../support/sample.js';
import { QUESTION } from '../law/small-world.js';
import { makeKey, type Key } from '../tokens/keys.js';

const ISSUER = 'https://corp.example';
let key: Key;
let remit: Running;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    issuers: [{ issuer: ISSUER, jwks: { keys: [key.jwk] }, audience: 'remit', primary: true }],
    clients: [clientNamed('api', 'api', 'evaluate', 'search')],
    delegations: { delegate_url: 'https://portal.example/delegate?to={agent}' },
  });
  return () => remit.stop();
});

const mint = (sub: string, more: object = {}): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: ISSUER, aud: 'api', sub, act: { sub: 'hr-assistant' }, scope: 'hr.employees.read', client_id: 'c', iat: T, exp: T + 600, ...more },
  ); // prettier-ignore
const post = async (path: string, token: string, sub = 'alice', resource: object = { id: 'erin' }): Promise<Answer> =>
  (
    await remit.post(
      `/access/v1/${path}`,
      { subject: { type: 'user', id: sub }, action: { name: 'read' }, resource: { type: 'employee', ...resource }, context: { token } },
      { authorization: 'Bearer api-key' },
    )
  ).json(); // prettier-ignore

describe('waiting', () => {
  it('helps with a token that is not valid yet', async () => {
    const { context } = await post('evaluation', await mint('alice', { nbf: T + 120 }));
    expect(context?.reasons).toMatchObject([{ code: 'token_not_yet_valid', not_before: new Date((T + 120) * 1000).toISOString() }]); // prettier-ignore
    expect(context?.remedies).toEqual([
      { type: 'time', not_before: new Date((T + 120) * 1000).toISOString() },
      { type: 'token', challenge: 'Bearer error="invalid_token"' },
    ]);
  });

  it('helps with no token that has ended, or whose beginning has no date', async () => {
    for (const more of [{ exp: T - 300, iat: T - 600 }, { nbf: 1e15 }, { nbf: 8.64e15 }]) {
      const { context, decision } = await post('evaluation', await mint('alice', more));
      expect(decision).toBe(false);
      expect(context?.remedies).toEqual([{ type: 'token', challenge: 'Bearer error="invalid_token"' }]);
    }
  });

  const exceeded = (resets_at?: string) => ({
    ...reason('consent', 'limit_exceeded'),
    required: 2,
    remaining: 1,
    ...(resets_at === undefined ? {} : { resets_at }),
  });
  it('helps with limits where each of them has more some time', () => {
    const [soon, later] = ['2030-01-01T00:00:00.000Z', '2030-01-02T00:00:00.000Z'];
    const remedies = limitRemedies([exceeded(soon), exceeded(later)]);
    expect(remedies).toEqual([
      { type: 'limit', required: 2, remaining: 1, resets_at: soon },
      { type: 'limit', required: 2, remaining: 1, resets_at: later },
    ]);
    expect(limitRemedies([exceeded(soon), exceeded()])).toEqual([]);
    const denial = { reasons: [exceeded(soon), exceeded(later)], remedies };
    const agent = { kind: 'agent', agent: 'hr-assistant', presented: {} } as never;
    expect(tellRemedies(denial, agent, 'hr-assistant', undefined)).toEqual([{ type: 'limit', resets_at: later }]);
    expect(tellRemedies(denial, QUESTION.caller, 'hr-assistant', undefined)).toEqual(remedies);
  });
});

describe('the page at which users delegate', () => {
  const remedy = { type: 'delegation', delegate_url: 'https://portal.example/delegate?to=hr-assistant' };

  it('is told of a delegation that is missing, of a list as well, and of nothing else', async () => {
    const missing = await post('evaluation', await mint('dave'), 'dave');
    expect(missing.context?.remedies).toContainEqual(remedy);
    const list = await post('search/resource', await mint('dave'), 'dave', {});
    expect(list.context?.remedies).toContainEqual(remedy);
    const other = await post('evaluation', await mint('alice', { scope: 'none' }));
    expect(other.context?.remedies.map(({ type }) => type)).toEqual(['scope']);
  });

  it('has the agent’s id as one part of its address', () => {
    const denial = { reasons: [reason('delegation', 'delegation_missing')], remedies: [] };
    expect(tellRemedies(denial, QUESTION.caller, 'a/b?c=d&e#f', 'https://x.example/{agent}')).toEqual([
      { type: 'delegation', delegate_url: 'https://x.example/a%2Fb%3Fc%3Dd%26e%23f' },
    ]);
    expect(tellRemedies(denial, QUESTION.caller, undefined, 'https://x.example/{agent}')).toEqual([]);
    // Users delegate without a page of the deployment's, too.
    expect(tellRemedies(denial, QUESTION.caller, 'a', undefined)).toEqual([{ type: 'delegation' }]);
  });
});
