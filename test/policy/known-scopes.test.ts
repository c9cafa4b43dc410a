/** A scope is known where an action needs it, or a policy compares the token's scopes with it. */
import { expect, it } from 'vitest';
import { listKnownScopes } from '../../src/policy/known-scopes.js';
import { checkReferences } from '../../src/config/check-references.js';
import { rulesOf } from './sources.js';

const SCHEMA = `entity User;
entity Agent;
entity Doc { status?: String };
@scope("doc.view") @background_scope("doc.view.background")
action "view" appliesTo { principal: [User, Agent], resource: [Doc], context: { delegation: Remit::Delegation } };
`;

const rulesWith = (condition: string): ReturnType<typeof rulesOf> =>
  rulesOf({ schema: SCHEMA, policies: `@id("p") forbid (principal, action, resource) when { ${condition} };` });
const known = (condition: string): string[] => [...listKnownScopes(rulesWith(condition))].sort();

it.each([
  ['context.delegation.scopes.contains("doc.audit")', ['doc.audit']],
  ['resource is Doc && !(context.delegation.scopes.containsAny(["a", "b"]))', ['a', 'b']],
  ['["a", "b"].containsAll(context.delegation.scopes)', ['a', 'b']],
  ['if context.delegation.scopes == ["a"] then context.delegation.scopes.contains("b") else false', ['a', 'b']],
  ['context["delegation"]["scopes"].contains("c")', ['c']],
  ['context.delegation.mode == "human" && context.delegation.scopes.contains("d")', ['d']],
  ['context.delegation.scopes.contains("no token, with blanks")', []],
  ['context.delegation.mode == "human"', []],
])('%s', (condition, scopes) => {
  expect(known(condition)).toEqual([...scopes, 'doc.view', 'doc.view.background'].sort());
});

it('An issuer may map to a scope that only a policy reads, and to none that nothing reads', () => {
  const issuer = (scope: string): Parameters<typeof checkReferences>[0] => ({
    clients: [],
    approvals: { administeredBy: new Map(), deputies: new Map() },
    issuers: [{ issuer: 'https://login.example', scopes: { audit: [scope] } }] as never,
  });
  const rules = rulesWith('context.delegation.scopes.contains("doc.audit")');
  expect(checkReferences(issuer('doc.audit'), rules)).toEqual([]);
  expect(checkReferences(issuer('doc.audits'), rules)).toMatchObject([
    {
      path: ['issuers', 0, 'scopes', 'audit'],
      message: 'issuer "https://login.example": no action has the scope "doc.audits", and no policy names it',
      suggestion: 'did you mean "doc.audit"?',
    },
  ]);
});
