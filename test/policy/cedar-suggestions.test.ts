/** What a policy reads of the context undeclared is cured by declaring it, where it is Remit's, and each cure is one. */
import { expect, it } from 'vitest';
import { FindingsError } from '../../src/diagnostics/diagnostics.js';
import { readRules } from '../../src/policy/load.js';
import { CONTEXT_MEMBERS } from '../../src/policy/schema/check-action.js';
import { ZED } from './sources.js';

/** The suggestions, or else the messages, for a policy that reads a member of a context with these declarations. */
function suggestions(read: string, context = 'agent_can?: { view: Bool }'): string[] {
  const schema = `entity User { name?: String };\nentity Agent;\nentity Doc;\naction "view" appliesTo { principal: [User, Agent], resource: [Doc], context: { ${context} } };`;
  const { findings } = readRules({
    relationships: { name: 'graph.zed', text: ZED },
    actions: [{ name: 'schema.cedarschema', text: schema }],
    policies: [
      {
        name: 'policies.cedar',
        text: `@id("p") permit (principal, action, resource) when { (${read}) == (${read}) };`,
      },
    ],
  });
  if (findings.some(({ rule }) => rule !== 'policy-invalid')) throw new FindingsError(findings);
  return [...new Set(findings.map(({ message, suggestion }) => suggestion ?? message))];
}

it.each([
  ['context.now', "declare `now: datetime` in the action's context"],
  ['context.local', "declare `local: Remit::Local` in the action's context"],
  ['context.local.hour', "declare `local: Remit::Local` in the action's context"],
  ['context["delegation"].depth', "declare `delegation: Remit::Delegation` in the action's context"],
  ['context.user', "declare `user: User` in the action's context"],
  ['context.dlegation', 'did you mean `delegation`?'],
  ['context.wifi', "declare it under `request` in the action's context and read `context.request.wifi`, where clients state it"],
])('%s: %s', (read, suggestion) => {
  expect(suggestions(read)).toEqual([suggestion]);
}); // prettier-ignore

it('A member within what is declared is suggested by Cedar', () => {
  expect(suggestions('context.local.huor', 'local: Remit::Local')).toEqual(['did you mean `hour`?']);
});

it.each(['approval', 'consent', 'budget'] as const)('A context that has %s always is named as the cause, and the policies are not', (member) => {
  const type = { approval: 'Approval', consent: 'Consent', budget: 'Budget' }[member];
  const { findings } = readRules({
    relationships: { name: 'graph.zed', text: ZED },
    actions: [{ name: 's', text: `entity User;\nentity Doc;\naction "view" appliesTo { principal: [User], resource: [Doc], context: { ${member}: Remit::${type} } };` }],
    policies: [{ name: 'p', text: `@id("p") permit (principal, action, resource);\n@id("f") forbid (principal, action, resource) unless { context has ${member} };` }],
  });
  expect(findings.map(({ file, line, rule, suggestion }) => `${file}:${line} ${rule} ${suggestion ?? ''}`)).toEqual([
    `s:3 context-member declare it as ${member}?`,
  ]);
}); // prettier-ignore

it('Policies are told that they never match beside another wrong declaration', () => {
  const { findings } = readRules({
    relationships: { name: 'graph.zed', text: ZED },
    actions: [{ name: 's', text: 'entity User;\nentity Doc;\naction "view" appliesTo { principal: [User], resource: [Doc], context: { approval: Remit::Approval } };' }],
    policies: [{ name: 'p', text: '@id("f") forbid (principal, action, resource) when { false };' }],
  });
  expect(findings.map(({ rule }) => rule)).toEqual(['context-member', 'policy-impossible']);
}); // prettier-ignore

it.each(CONTEXT_MEMBERS.filter((member) => member !== 'agent_can'))('The declaration of %s is one that fits', (member) => {
  const [suggestion = ''] = suggestions(`context.${member}`);
  const declaration = (/^declare `(.+)` in the action's context$/.exec(suggestion)?.[1] ?? '')
    .replace('<permission>', 'view')
    .replace('<action>', 'view')
    .replace(/<property>|<member>|<claim>/, 'x')
    .replace('<type>', 'String');
  const read = declaration.includes('?:') ? `context has ${member}` : `context.${member}`;
  expect(suggestions(read, declaration)).toEqual([]);
}); // prettier-ignore
