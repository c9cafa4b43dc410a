/** Loading: the sample as it is shipped, and what only schema, graph and policies together can get wrong. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCedarAnswer } from '../../src/decide/cedar-outcome.js';
import type { Reason } from '../../src/model/reasons.js';
import type { CedarAnswer } from '../../src/policy/cedar.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { loadRules, type Rules, type RuleSources } from '../../src/policy/load.js';
import { marked, POLICY, refusal, rulesOf, SCHEMA, ZED } from './sources.js';

const sample = fileURLToPath(new URL('../../fixtures/acme.remit.yaml', import.meta.url));

describe('the sample', () => {
  const sources = readSources(loadConfig(sample, {}).sources);
  const rules = loadRules(sources);

  it('loads, with everything in it', () => {
    const names = rules.vocabulary.actions.map((a) => `${a.uid.type} ${a.name}`).sort();
    expect(names).toEqual([
      'Code::Action merge',
      'Code::Action push',
      'Code::Action read',
      'HR::Action delete',
      'HR::Action export',
      'HR::Action read',
      'HR::Action update',
      'Office::Action read',
      'Office::Action send',
    ]);
    expect(rules.vocabulary).toMatchObject({ userObject: 'user', agentObject: 'agent' });
    expect(rules.policies.size).toBe(19);
    expect([...rules.policies.values()].filter((p) => p.duties !== undefined).map((p) => p.id)).toEqual([
      'owners-hear-of-protected-merges',
      'pay-is-for-the-cleared',
      'agent-exports-carry-no-pii',
      'agent-exports-are-reviewed',
    ]);
  });

  it('cites each policy where it stands', () => {
    for (const policy of rules.policies.values()) {
      const cut = policy.source.lastIndexOf(':');
      const file = sources.policies.find((f) => f.name === policy.source.slice(0, cut));
      const line = file?.text.split('\n')[Number(policy.source.slice(cut + 1)) - 1];
      expect(line).toBe(`@id("${policy.id}")`);
    }
  });

  it('has a version that every change of a source changes, and nothing else', () => {
    const changed = (change: (s: RuleSources) => RuleSources): string => loadRules(change(sources)).version;
    const touch = <T extends { name: string; text: string }>(file: T): T => ({ ...file, text: `${file.text}\n` });
    const versions = [
      rules.version,
      changed((s) => ({ ...s, relationships: touch(s.relationships) })),
      changed((s) => ({ ...s, actions: s.actions.map(touch) })),
      changed((s) => ({ ...s, policies: s.policies.map((p, i) => (i === 2 ? touch(p) : p)) })),
    ];
    expect(new Set(versions).size).toBe(versions.length);
    for (const version of versions) expect(version).toMatch(/^[0-9a-f]{64}$/);
    expect(changed((s) => ({ ...s, relationships: { ...s.relationships, name: 'elsewhere' } }))).toBe(rules.version);
  });
});

/** Asks the duties, or the policies that decide, as a user who views a document. */
function ask(rules: Rules, which: 'deciding' | 'duties'): CedarAnswer {
  const { vocabulary } = rules;
  const on = vocabulary.find('view', 'doc');
  const user = vocabulary.entityTypes.get('User');
  if (on === undefined || user === undefined) throw new TypeError('no such action or type');
  return rules[which].ask(rules[which].slice(user, on.action, on.resourceType), {
    principal: { type: 'User', id: 'u' },
    action: on.action.uid,
    resource: { type: 'Doc', id: 'd' },
    context: {},
    entities: [],
  });
}

describe('duties', () => {
  const permitting = '@id("notify") @duty("notification:owner") permit (principal, action, resource);\n';

  // As JSON they would be nested more deeply than Cedar reads, and another number.
  it.each([
    [
      'with many alternatives',
      Array.from({ length: 90 }, (_, i) => `principal == User::"${i === 89 ? 'u' : i}"`).join(' || '),
    ],
    [
      'with a number that JavaScript has not',
      '9007199254740993 == 9007199254740993 && 9007199254740993 != 9007199254740992',
    ],
  ])('%s are asked as they are written', (_, condition) => {
    expect(
      ask(
        rulesOf({
          policies: `@id("mask") @duty("mask:pii") permit (principal, action, resource) when { ${condition} };`,
        }),
        'duties',
      ),
    ).toEqual({ decision: 'allow', determining: ['mask'], errors: [] });
  });

  it('that fail are an error, which denies', () => {
    const duty =
      '@id("mask") @duty("mask:pii") permit (principal, action, resource) when { 9223372036854775807 + 1 > 0 };';
    const answer = ask(rulesOf({ policies: permitting + duty }), 'duties');
    expect(answer.errors).toMatchObject([{ policy: 'mask' }]);
    const reasons: Reason[] = [];
    expect(readCedarAnswer('obligations', { kind: 'answer', answer }, reasons, [])?.determining).not.toContain('mask');
    expect(reasons).toMatchObject([{ step: 'obligations', code: 'policy_error', policies: ['mask'] }]);
  });

  it('neither permit nor forbid', () => {
    const duties = `${permitting}@id("mask") @duty("mask:pii") permit (principal, action, resource);\n`;
    expect(ask(rulesOf({ policies: duties }), 'deciding')).toEqual({ decision: 'deny', determining: [], errors: [] });
    const permitted = { decision: 'allow', determining: ['all'], errors: [] };
    expect(ask(rulesOf({ policies: duties + POLICY }), 'deciding')).toEqual(permitted);
  });

  it('apply only where their conditions hold', () => {
    const rules = rulesOf({
      policies: `${permitting}@id("mask") @duty("mask:pii") permit (principal, action, resource) unless { principal is User };`,
    });
    expect(ask(rules, 'duties').determining).toEqual(['notify']);
  });

  it.each([
    [
      'that mask what is not there',
      '\n‹here›@id("a") @duty("notification:x, mask:pi")\npermit (principal, action, resource is Doc);',
      '@duty "mask:pi": "Doc" has no attribute of @class("pi") and none called so (did you mean "pii"?)',
    ],
    [
      'that mask what only another type has',
      '‹here›@id("a") @duty("mask:pii")\npermit (principal, action, resource is Folder);',
      '@duty "mask:pii": "Folder" has no attribute of @class("pii") and none called so',
    ],
    [
      'that notify nobody',
      '‹here›@id("a") @duty("notification:a b")\npermit (principal, action, resource);',
      '@duty "notification:a b": "a b" is not the name of a recipient',
    ],
    [
      'that are reviewed by holders of what is not there',
      '‹here›@id("a") @duty("review:lok")\npermit (principal, action, resource is Folder);',
      '@duty: no resource it applies to has a permission "lok" (did you mean "look"?)',
    ],
    [
      'of an unknown kind',
      `${POLICY}\n‹here›@id("a") @duty("hide:pii")\npermit (principal, action, resource);`,
      '@duty "hide:pii" is of no known kind: mask, visible_fields, notification, review',
    ],
  ])('are refused %s', (_, marking, message) => {
    const { text, line } = marked(marking);
    const schema = `${SCHEMA}entity Folder;\naction "look" appliesTo { principal: [User], resource: [Folder] };`;
    const zed = ZED.replace('definition folder {', 'definition folder {\n  relation look: user');
    expect(refusal(() => rulesOf({ zed, schema, policies: text }))).toBe(`policies.cedar:${line}: ${message}`);
  });
});

describe('remedies', () => {
  const schema = `${SCHEMA}entity Folder;\naction "browse" appliesTo { principal: [User], resource: [Doc, Folder] };`;
  const zed = ZED.replace(/definition (doc|folder) \{/g, 'definition $1 {\n  relation browse: user').replace(
    'permission edit',
    'permission approve = owner\n  permission edit',
  );
  const forbid = (remedy: string, scope = 'principal, action, resource'): string =>
    `\n‹here›@id("a") @remedy("${remedy}")\nforbid (${scope});`;

  it.each([
    ['approval:approve', undefined],
    ['approval:owner', undefined],
    ['consent, step_up:high, approval:approve', 'principal, action == Action::"browse", resource'],
  ])('may ask for %s', (remedy, scope) => {
    const { text } = marked(forbid(remedy, scope));
    expect(rulesOf({ zed, schema, policies: text }).policies.size).toBe(1);
  });

  it.each([
    ['a permission that nothing has', 'approval:aprove', undefined, '"aprove" (did you mean "approve"?)'],
    ['one that only another type has', 'approval:approve', 'principal, action, resource is Folder', '"approve"'],
    ['one of several', 'approval:approve, approval:sign', 'principal, action, resource', '"sign"'],
  ])('must not ask for %s', (_, remedy, scope, permission) => {
    const { text, line } = marked(forbid(remedy, scope));
    expect(refusal(() => rulesOf({ zed, schema, policies: text }))).toBe(
      `policies.cedar:${line}: @remedy: no resource it applies to has a permission ${permission}`,
    );
  });
});

describe('policies that Cedar finds wrong by the schema are refused at their line:', () => {
  it.each([
    [
      'an unknown action',
      '@id("b")\npermit (principal, ‹here›action == Action::"vew", resource);',
      'unrecognized action `Action::"vew"` (did you mean `Action::"view"`?)',
    ],
    [
      'an unknown type',
      '@id("b")\npermit (principal, action, ‹here›resource is Dok);',
      'unrecognized entity type `Dok` (did you mean `Doc`?)',
    ],
    [
      'an unknown attribute',
      '@id("b")\npermit (principal, action, resource)\nwhen {\n  ‹here›resource.sttus == "é"\n};',
      'attribute `sttus` on entity type `Doc` not found (did you mean `status`?)',
    ],
    [
      'an optional attribute that is not asked for first',
      '@id("b")\npermit (principal, action, resource)\nwhen { "é🙂" == "é🙂" &&\n  ‹here›resource.status == "x" };',
      'unable to guarantee safety of access to optional attribute',
    ],
    [
      'a member of the context that the action lacks',
      '@id("b")\npermit (principal, action, resource)\nwhen {\n‹here›context.can.view };',
      'attribute `can` in context for Action::"view" not found',
    ],
    [
      'a comparison that can never hold',
      '‹here›@id("b")\npermit (principal, action, resource)\nwhen { "x" == 1 };',
      'policy is impossible: the policy expression evaluates to false for all valid requests',
    ],
    [
      'a scope that no action allows',
      '‹here›@id("b")\npermit (principal is Doc, action == Action::"view", resource);',
      'unable to find an applicable action given the policy scope constraints',
    ],
    // Cedar only warns of it.
    [
      'a policy that can never apply',
      '‹here›@id("b")\npermit (principal, action, resource)\nwhen { principal is Doc };',
      'policy is impossible: the policy expression evaluates to false for all valid requests',
    ],
  ])('%s', (_, marking, message) => {
    const { text, line } = marked(`// one before\n${marking}`);
    const said = refusal(() =>
      rulesOf({ policies: [POLICY, `${text}\n@id("c") permit (principal, action, resource);`] }),
    );
    expect(said).toContain(message);
    expect(said).toMatch(new RegExp(`^policies2\\.cedar:${line}: `));
  });
});

describe('what Cedar would die of is refused, and the process lives:', () => {
  const condition = (text: string): string =>
    `\n\n@id("deep")\npermit (principal, action, resource)\nwhen { ${text} };`;

  it.each([
    ['200 nested parentheses', condition(`${'('.repeat(200)}true${')'.repeat(200)}`)],
    ['400 chained ||', condition(Array.from({ length: 400 }, () => 'resource has status').join(' || '))],
    ['400 chained when', condition('true').replace(';', ' when { resource has status }'.repeat(400) + ';')],
  ])('%s', (_, text) => {
    expect(refusal(() => rulesOf({ policies: text }))).toMatch(
      /^policies\.cedar:3: (the conditions are nested \(or chained\) more than 100 deep: split the policy|Cedar can't read this text \(too deeply nested\?\): .*)$/,
    );
    expect(ask(rulesOf({}), 'deciding').decision).toBe('allow');
  });

  it('a schema nested too deeply', () => {
    const deep = `${'{ a: '.repeat(5000)}Long${' }'.repeat(5000)}`;
    const schema = SCHEMA.replace('ssn?: String', `ssn?: ${deep}`);
    expect(refusal(() => rulesOf({ schema }))).toMatch(/^schema\.cedarschema(:\d+)?: /);
    expect(ask(rulesOf({}), 'deciding').decision).toBe('allow');
  });
});

describe('the graph', () => {
  it('is refused where it cannot be read', () => {
    expect(refusal(() => rulesOf({ zed: `${ZED}\ndefinition doc2 {\n  relation x user\n}` }))).toBe(
      'graph.zed:16: the SpiceDB schema could not be read: expected :',
    );
  });
});
