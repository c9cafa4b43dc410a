/** The members of `issuers[]` that say how tokens are read: what fits together, and what nothing in the schemas knows. */
import { describe, expect, it } from 'vitest';
import { checkReferences } from '../../src/config/check-references.js';
import { issuerFormat } from '../../src/config/issuers.js';
import { ConfigError } from '../../src/model/faults.js';
import { loadRules } from '../../src/policy/load.js';
import { NO_APPROVER_RULES } from '../../src/govern/approvals/eligibility.js';
import { configured, type Settings } from '../tokens/configured.js';

const TEMPLATE = 'https://login.example/{tenantid}/v2.0';
const issuer = (members: Settings): Settings => ({
  issuer: 'https://i',
  audience: 'remit',
  primary: true,
  jwks_uri: 'https://i/keys',
  ...members,
});
const problemOf = (members: Settings): string | undefined => {
  try {
    configured(issuer(members));
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
};

describe('the members of an issuer', () => {
  it.each<[Settings, string]>([
    [{ issuer: TEMPLATE }, 'issuers[0].issuer: has {tenantid}, which needs "tenants"'],
    [{ tenants: 'any' }, 'issuers[0].tenants: goes with an "issuer" that has {tenantid} once'],
    [{ issuer: `${TEMPLATE}/{tenantid}`, tenants: ['a'] }, 'goes with an "issuer" that has {tenantid} once'],
    [{ issuer: TEMPLATE, tenants: ['a'], jwks_uri: 'https://i/{tenantid}' }, 'issuers[0].jwks_uri: must be one address, that of the keys of all tenants'],
    [{ shape: 'agent_claim' }, 'the shape "agent_claim" needs the key "agent_claim"'],
    [{ shape: 'act', agent_claim: 'agent_id' }, 'issuers[0].agent_claim: needs the shape "agent_claim"'],
    [{ shape: 'client_id', agent_claim: 'act.client_id' }, 'issuers[0].agent_claim: needs the shape "act"'],
  ])('that do not fit together are an error: %j', (members, problem) => {
    expect(problemOf(members)).toContain(problem);
  }); // prettier-ignore

  it.each<Settings>([
    { tenants: [] },
    { tenants: ['a/b'] },
    { tenants: ['..'] },
    { tenants: 'all' },
    { client_claim: 'iss' },
    { agent_claim: 'exp' },
    { client_claim: '' },
    { client_claim: 'a..b' },
    { client_claim: [] },
    { audience_from: 'aud' },
    { audience_from: 'sub' },
    { audience: [] },
    { clock_tolerance_s: 61 },
    { clock_tolerance_s: -1 },
    { max_token_bytes: 32 * 1024 + 1 },
    { max_token_bytes: 0 },
    { max_audiences: 0 },
    { max_audiences: 1001 },
    { assumed_scopes: [] },
    { assumed_scopes: ['a b'] },
    { foreign_claims: ['scope'] },
    { claims: { 'a b': 'x' } },
    { claims: { region: '' } },
    { claims_object: ['x'] },
    { preset: 'google' },
  ])('have limits: %j', (members) => {
    expect(issuerFormat.safeParse(issuer(members)).success).toBe(false);
  });

  it('state the claims by their paths, and the shape that a claim for the agent implies', () => {
    const members = {
      client_claim: 'azp',
      agent_claim: 'act.client_id',
      claims: { region: 'act.agent_region', plan: 'https://acme.example/plan', zone: ['kubernetes.io', 'zone'] },
    };
    expect(configured(issuer(members))[0]).toMatchObject({
      client_claim: ['azp'],
      agent_claim: ['act', 'client_id'],
      claims: {
        region: ['act', 'agent_region'],
        plan: ['https://acme.example/plan'],
        zone: ['kubernetes.io', 'zone'],
      },
      shapes: ['act'],
    });
    const shapesOf = (more: Settings): unknown => configured(issuer(more))[0]?.shapes;
    expect(shapesOf({})).toEqual(['act']);
    expect(shapesOf({ agent_claim: 'agent_id' })).toEqual(['agent_claim']);
    expect(shapesOf({ agent_claim: 'agent_id', preset: 'cognito' })).toEqual(['agent_claim', 'client_id', 'agent']);
    expect(shapesOf({ agent_claim: 'act.agent', preset: 'cognito' })).toEqual(['act', 'client_id', 'agent']);
    expect(shapesOf({ agent_claim: 'agent_id', shape: ['act', 'agent_claim'] })).toEqual(['act', 'agent_claim']);
  });
});

describe('scopes and claims that nothing knows', () => {
  const rules = loadRules({
    relationships: { name: 's.zed', text: 'definition user {}\ndefinition agent {\n relation delegator: user\n}\ndefinition document {\n relation viewer: user\n permission read = viewer\n}' },
    actions: [
      {
        name: 'a.cedarschema',
        text: 'entity User; entity Agent; entity Document; @scope("docs.read") action read appliesTo { principal: [Agent, User], resource: [Document], context: { claims: { region?: String } } };',
      },
    ],
    policies: [],
  }); // prettier-ignore

  it('are said with what was probably meant', () => {
    const issuers = configured(
      issuer({ assumed_scopes: ['docs.read', 'docs.raed'], claims: { region: 'r', regoin: 'r' } }),
    );
    expect(checkReferences({ clients: [], issuers, approvals: NO_APPROVER_RULES }, rules)).toMatchObject([
      { path: ['issuers', 0, 'assumed_scopes'], message: expect.stringContaining('docs.raed') as string, suggestion: expect.stringContaining('docs.read') as string },
      { path: ['issuers', 0, 'claims', 'regoin'], message: 'issuer "https://i": no action declares context.claims.regoin', suggestion: expect.stringContaining('region') as string },
    ]); // prettier-ignore
  });
});
