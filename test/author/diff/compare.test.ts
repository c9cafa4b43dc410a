/** Differences between two sets of rules are found and grouped, the dangerous first, and nothing else is reported. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { compareRules, failsOn, type RulesDiff } from '../../../src/author/diff/compare.js';
import { isIrreversible } from '../../../src/author/diff/danger.js';
import { comparisonJson, comparisonText } from '../../../src/author/diff/report.js';
import type { TestCase } from '../../../src/author/test/case.js';
import { readSuite } from '../../../src/author/test/suite.js';
import type { DecisionRecord } from '../../../src/model/decision.js';
import { replayRecord } from '../../../src/records/replay.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';
import { APPROVAL_FILES } from '../../support/approval-world.js';
import { changed, rules, sources } from './sample-rules.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 300_000 });

const EXPORTERS = 'unless { principal.kind == "payroll-exporter" }';
const generated = (before: Rules, after: Rules, requests = 3000): Promise<RulesDiff> =>
  compareRules(before, after, { cases: [], requests, seed: 1, records: [] });
/** `newly_allowed export employee [irreversible] only-payroll-exporters-export`. */
const told = ({ groups }: RulesDiff): string[] =>
  groups.map(
    ({ change, action, resource, dangers, responsible }) =>
      `${change} ${action} ${resource} [${dangers.join(' ')}] ${responsible.map(({ id }) => id).join(' ')}`,
  );

describe('of the policies', () => {
  it('what is newly allowed is told, with the policy that allows it and an example that shows it', async () => {
    const after = changed([EXPORTERS, 'unless { principal.kind == "payroll-exporter" || principal.kind == "auditor" }']);
    const comparison = await generated(rules, after);
    const [first] = comparison.groups;
    expect(first).toMatchObject({
      change: 'newly_allowed',
      dangers: ['irreversible'],
      responsible: [{ id: 'only-payroll-exporters-export', change: 'changed' }],
      before: 'policy_forbid only-payroll-exporters-export',
      after: 'permitted by agents-work-with-records',
      example: { where: ['principal.kind: "auditor"'] },
    });
    const record = first?.example.record as DecisionRecord;
    expect(replayRecord({ ...record, rationale: { steps: [] } }, after)).toMatchObject({ kind: 'changed', change: 'newly_allowed' });
    expect(replayRecord(record, rules)).toMatchObject({ kind: 'changed', change: 'reasons' });
    expect([failsOn(comparison, 'widening'), failsOn(comparison, 'change'), failsOn(comparison, undefined)]).toEqual([true, true, false]);
  }); // prettier-ignore

  it('what is newly denied is no widening', async () => {
    const comparison = await generated(rules, changed([EXPORTERS, '']));
    expect(told(comparison)[0]).toBe('newly_denied export employee [] only-payroll-exporters-export');
    expect([failsOn(comparison, 'widening'), failsOn(comparison, 'change')]).toEqual([false, true]);
  });

  it('fields that were masked and are no longer are told by their names', async () => {
    const after = changed([/(?<=pay-is-for-the-cleared[^]*?)@duty\("mask:pii"\)/, '@duty("mask:ssn")']);
    const { groups } = await generated(rules, after);
    expect(groups[0]).toMatchObject({ change: 'fewer_obligations', dangers: ['classified_shown'], shown: ['salary'] });
  });

  it('obligations that are no longer due are named, and those that are newly due', async () => {
    const after = changed([/(?<=pay-is-for-the-cleared[^]*?)@duty\("mask:pii"\)/, '@duty("mask:ssn=last4, notification:owner")']);
    const comparison = await generated(rules, after);
    const [first] = comparison.groups;
    expect(first).toMatchObject({
      lifted: [{ duty: 'mask:salary' }, { duty: 'mask:ssn', instead: 'mask:ssn=last4' }],
      imposed: [{ duty: 'notification:owner' }],
      shown: ['salary', 'ssn'],
    });
    const of = { before: { name: 'a', version: '1' }, after: { name: 'b', version: '2' }, seed: 1, milliseconds: 1 };
    const text = comparisonText(comparison, of, (line) => line);
    expect(text).toContain('    no longer due: mask:salary, mask:ssn (now mask:ssn=last4)\n    newly due: notification:owner\n');
    const { differences } = comparisonJson(comparison, of) as { readonly differences: readonly object[] };
    expect(differences[0]).toMatchObject({ lifted: first?.lifted, imposed: first?.imposed });
  }); // prettier-ignore

  it('attributes that are of no class any more are', async () => {
    const { groups, schema } = await generated(rules, changed([/@class\("pii"\)\s+ssn/, 'ssn']));
    expect(groups[0]).toMatchObject({ change: 'fewer_obligations', dangers: ['classified_shown'], shown: ['ssn'] });
    expect(schema.map(({ name }) => name)).toContain('read employee');
  });

  it('an agent that may do what its user may not comes before all', async () => {
    const after = changed(
      ['permit (\n  principal is User,\n  action in [HR::Action::"reads", HR::Action::"writes", ', 'permit (\n  principal is User,\n  action in [HR::Action::"reads", '],
      ['@id("agents-never-delete")', '@id("users-never-delete")'],
      [/(?<=users-never-delete[^]*?)principal is Agent/, 'principal is User'],
      ['[HR::Action::"reads", HR::Action::"update", HR::Action::"export"]', '[HR::Action::"reads", HR::Action::"writes", HR::Action::"export"]'],
    ); // prettier-ignore
    const [first] = (await generated(rules, after)).groups;
    expect(first).toMatchObject({
      change: 'newly_allowed',
      action: 'delete',
      dangers: ['beyond_user', 'irreversible'],
    });
  });

  it('one that no decision shows is named all the same', async () => {
    const after = changed(['@title("Agents never delete employee records.")', '@title("Never.")']);
    const comparison = await generated(rules, after);
    expect(told(comparison)).toEqual([]);
    expect(comparison.unseen).toMatchObject([{ id: 'agents-never-delete', change: 'changed' }]);
    expect([failsOn(comparison, 'widening'), failsOn(comparison, 'change')]).toEqual([false, true]);
  });

  it('between the same ones there is none, and nothing is asked', async () => {
    const comparison = await generated(rules, changed());
    expect(comparison.counts.requests.asked).toBe(0);
    expect([comparison.groups, comparison.schema, comparison.policies]).toEqual([[], [], []]);
  });
});

describe('an action whose name says that it can’t be put right', () => {
  it.each(['delete', 'bulkDelete', 'share_document', 'export-all', 'refund'])('%s', (name) => {
    expect(isIrreversible(name)).toBe(true);
  });
  it.each(['read', 'update', 'undeleted', 'sharepoint', ''])('and not %j', (name) => {
    expect(isIrreversible(name)).toBe(false);
  });
});

it('differences beyond those that are kept count as a widening', async () => {
  const comparison = await generated(rules, changed());
  expect(failsOn(comparison, 'widening')).toBe(false);
  expect(failsOn({ ...comparison, dropped: 1 }, 'widening')).toBe(true);
});

describe('of the schemas', () => {
  it('an action that is gone, or new, is said, and what comes of it', async () => {
    const after = changed(['action "export" appliesTo', 'action "extract" appliesTo'], [/HR::Action::"export"/g, 'HR::Action::"extract"']);
    const comparison = await generated(rules, after);
    expect(comparison.schema).toMatchObject([
      { what: 'action', name: 'export employee', change: 'removed' },
      { what: 'action', name: 'extract employee', change: 'added' },
    ]);
    expect(told(comparison)).toContainEqual(expect.stringMatching(/^newly_allowed extract employee/));
    expect(told(comparison)).toContainEqual(expect.stringMatching(/^newly_denied export employee/));
  }); // prettier-ignore

  it('another permission is asked for: who lacks the former one and is let in is dangerous', async () => {
    const after = changed([/@permission\("manage"\)(?=\s+@scope\("hr.employees.write"\)\s+@title\("Delete)/, '@permission("view")']); // prettier-ignore
    const comparison = await generated(rules, after);
    expect(comparison.schema[0]?.details).toEqual(['@permission: "manage" becomes "view"']);
    expect(told(comparison)[0]).toBe('newly_allowed delete employee [without_permission irreversible] ');
  });

  it('a permission that the graph grants otherwise may widen, whatever is asked', async () => {
    const after = changed(['permission view = manage', 'permission view = manage + manager']);
    const comparison = await generated(rules, after);
    expect(comparison.groups).toEqual([]);
    expect(comparison.schema).toMatchObject([{ what: 'permission', name: 'employee#view', change: 'changed' }]);
    expect([failsOn(comparison, 'widening'), failsOn(comparison, 'change')]).toEqual([true, true]);
  });

  it('a carriage return in a caveat is no end of a comment: CEL reads on to the end of the line', async () => {
    const withCaveat = (body: string): Rules =>
      changed([/^definition user/m, `caveat unread(x string) {\n${body}\n}\n\ndefinition user`]);
    const before = withCaveat('x == "a"\n// note\r|| true');
    const { schema } = await generated(before, withCaveat('x == "a"\n|| true'));
    expect(schema).toEqual([expect.objectContaining({ what: 'caveat', change: 'changed' })]);
  });

  it('a comment changes nothing', async () => {
    const after = changed(['permission view = manage', '// seen from above\n  permission view = manage']);
    expect((await generated(rules, after)).schema).toEqual([]);
  });
});

describe('the sample', () => {
  it('is taken around what changed, among however many other policies', async () => {
    const many = (extra: string): Rules =>
      loadRules({
        ...sources,
        policies: [
          ...sources.policies,
          {
            name: 'many.cedar',
            text: Array.from(
              { length: 300 },
              (_, i) =>
                `@id("p${i}") forbid (principal is Agent, action == HR::Action::"read", resource is HR::Employee) when { resource.status == "s${i}" && principal.kind == "k${i}"${i === 200 ? extra : ''} };`,
            ).join('\n'),
          },
        ],
      });
    const comparison = await generated(many(''), many(' && resource has title'), 1500);
    expect(told(comparison)[0]).toBe('newly_allowed read employee [] p200');
  });

  it('is bounded, and the same for the same seed', async () => {
    const after = changed([EXPORTERS, '']);
    const [few, again] = [await generated(rules, after, 40), await generated(rules, after, 40)];
    expect(few.counts.requests.asked).toBeLessThanOrEqual(40);
    expect(few.counts.requests.asked).toBeGreaterThan(0);
    expect(again).toEqual(few);
    expect((await generated(rules, after, 0)).counts.requests.asked).toBe(0);
  });
});

it('what is printed names the danger first, and is data as well', async () => {
  const after = changed([EXPORTERS, 'unless { principal.kind != "assistant" }']);
  const comparison = await generated(rules, after);
  const of = { before: { name: 'a', version: '1' }, after: { name: 'b', version: '2' }, seed: 1, milliseconds: 1 };
  const text = comparisonText(comparison, of, (line) => line);
  expect(text).toContain('danger: by its name the action destroys, hands out or gives away');
  expect(text.indexOf('newly allowed')).toBeLessThan(text.indexOf('decided alike'));
  expect(JSON.parse(JSON.stringify(comparisonJson(comparison, of)))).toMatchObject({
    before: { name: 'a', policy_version: '1' },
    differences: [{ change: 'newly_allowed', example: { origin: 'request', record: { facts: {} } } }, {}, {}, {}],
  });
});

/** The cases of a suite that names its own world. */
function casesOf(text: string, suiteRules: Rules): readonly TestCase[] {
  const directory = mkdtempSync(join(tmpdir(), 'remit-diff-'));
  try {
    const path = join(directory, 'a_test.yaml');
    writeFileSync(path, text);
    const read = readSuite(path, {
      approverRules: NO_APPROVER_RULES,
      rules: suiteRules,
      world: () => ({ relationships: [], entities: [] }),
    });
    if ('findings' in read) throw new Error(JSON.stringify(read.findings));
    return read.suite.cases;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('approvals', () => {
  const APPROVED = APPROVAL_FILES['policies/all.cedar'] ?? '';
  const withPolicies = (text: string): Rules =>
    loadRules({
      relationships: { name: 'graph.zed', text: APPROVAL_FILES['schema.zed'] ?? '' },
      actions: [{ name: 'actions.cedarschema', text: APPROVAL_FILES['schema.cedarschema'] ?? '' }],
      policies: [{ name: 'policies.cedar', text }],
    });
  const before = withPolicies(APPROVED);
  const after = withPolicies(APPROVED.replace('approval:own', 'approval:push'));
  const suite = (approvals: string): string => `now: 2030-03-04T10:00:00Z
world:
  relationships: |
    repository:api#owner@user:olga
    repository:api#maintainer@user:max
    repository:api#maintainer@user:ann
    agent:coder#delegator@user:ann
  entities:
    - { type: user, id: ann }
    - { type: agent, id: coder }
tokens:
  coder: { user: ann, agent: coder, scope: code.write }
tests:
  - { name: merges, who: coder, actions: merge, resources: repository:api, expect: allow${approvals} }
`;
  const compare = (approvals: string): Promise<RulesDiff> =>
    compareRules(before, after, { cases: casesOf(suite(approvals), before), requests: 0, seed: 1, records: [] });

  it('are given by the people of a case, by either set of rules: who may give them is a difference', async () => {
    // A maintainer may approve now.
    const widened = await compare(', approvals: [{ by: max }]');
    expect(told(widened)).toEqual(['newly_allowed merge repository [] approved']);
    expect(failsOn(widened, 'widening')).toBe(true);
    // An owner may do so by both.
    expect((await compare(', approvals: [{ by: olga }]')).groups).toEqual([]);
    const [asked] = (await compare('')).groups;
    expect(asked).toMatchObject({
      change: 'reasons',
      before: 'approval_required; policy_forbid approved; to be asked of holders of own',
      after: 'approval_required; policy_forbid approved; to be asked of holders of push',
    });
  });
});

describe('attributes of a @class', () => {
  const withDuty = (duty: string, notes = '@class("pii") contact?: Contact, status?: String'): Rules =>
    loadRules({
      relationships: { name: 'graph.zed', text: 'definition user {}\ndefinition doc {\n  relation reader: user\n}\n' },
      actions: [
        {
          name: 'schema.cedarschema',
          text: `entity User; type Contact = { phone: String, at: { street: String, city: String } };
entity Doc { ${notes} };
@permission("reader") @title("Read") action "read" appliesTo { principal: [User], resource: [Doc] };`,
        },
      ],
      policies: [{ name: 'all.cedar', text: `@id("all") permit (principal, action, resource);\n${duty === '' ? '' : `@id("hide") @duty("${duty}") permit (principal, action, resource);`}` }],
    }); // prettier-ignore
  const shown = async (before: string, after: string, notes?: string): Promise<readonly string[][]> => {
    const { groups } = await generated(withDuty(before, notes), withDuty(after, notes), 50);
    return groups.filter(({ dangers }) => dangers.includes('classified_shown')).map((group) => [...group.shown]);
  };
  it.each<[string, string, string[]]>([
    ['mask:contact.phone', '', ['contact.phone']],
    ['mask:contact.at', 'mask:contact.at.city', ['contact.at.street']],
    ['mask:contact.phone', 'mask:contact.phone=last4', ['contact.phone']],
    ['mask:pii', '', ['contact']],
    ['mask:pii', 'mask:contact.at', ['contact.phone']],
    ['visible_fields:status', '', ['contact']],
    ['visible_fields:status', 'visible_fields:status, visible_fields:contact.phone', ['contact.phone']],
  ])('%s, then %j: %j are shown', async (before, after, fields) => {
    expect(await shown(before, after)).toEqual([fields]);
  });
  it.each([
    ['mask:pii', 'mask:contact.phone, mask:contact.at'],
    ['mask:pii', 'visible_fields:status'],
    ['visible_fields:status', 'mask:pii'],
    ['mask:status', ''],
  ])('%s, then %j: none is shown', async (before, after) => {
    expect(await shown(before, after)).toEqual([]);
  });
  it('within what has none is named itself', async () => {
    const notes = 'contact?: { @class("pii") phone: String, name: String }';
    expect(await shown('mask:contact', '', notes)).toEqual([['contact.phone']]);
  });
});

describe('the example of a difference', () => {
  const SOURCES = {
    relationships: {
      name: 'graph.zed',
      text: 'definition user {}\ndefinition doc {\n  relation reader: user\n  permission read = reader\n}\n',
    },
    actions: [
      {
        name: 'schema.cedarschema',
        text: `entity User;
entity Doc { status?: String };
@title("Read") action "read" appliesTo { principal: [User], resource: [Doc], context: { now: datetime, local: Remit::Local } };
`,
      },
    ],
    zone: 'Europe/Berlin',
  };
  const withForbid = (condition: string): Rules =>
    loadRules({
      ...SOURCES,
      policies: [
        {
          name: 'all.cedar',
          text: `@id("all") permit (principal, action, resource);\n@id("hours") forbid (principal, action, resource) when { ${condition} };\n`,
        },
      ],
    });
  const HEADER = { before: { name: 'a', version: '1' }, after: { name: 'b', version: '2' }, seed: 1, milliseconds: 1 };
  const printed = (comparison: RulesDiff): string => comparisonText(comparison, HEADER, (line) => line);

  it('shows what the changed policies read, at the usual hour too, by the clock of the zone', async () => {
    const before = withForbid('context.local.hour < 6');
    const after = withForbid('context.local.hour < 14');
    const comparison = await generated(before, after);
    const [group] = comparison.groups;
    expect(group).toMatchObject({ change: 'newly_denied', example: { where: [] }, values: { 'context.local.hour': '13' } });
    expect(printed(comparison)).toContain('    with: context.local.hour = 13\n');
    expect(printed(comparison)).not.toContain('as usual');
  }); // prettier-ignore

  it('gives instants with the offset of the zone', async () => {
    const before = withForbid('context.now < datetime("2030-03-04T10:00:00Z")');
    const after = withForbid('context.now < datetime("2030-03-04T12:30:00Z") && resource has status');
    const comparison = await generated(before, after);
    const values = comparison.groups.map((group) => group.values['context.now']);
    expect(values).toContain('2030-03-04T13:00:00+01:00');
    expect(printed(comparison)).toContain('resource.status = "');
    const unusual = comparison.groups.flatMap(({ example }) => example.where).filter((text) => text.includes('now'));
    expect(unusual.every((text) => text.endsWith('+01:00'))).toBe(true);
    const data = JSON.parse(JSON.stringify(comparisonJson(comparison, HEADER))) as {
      differences: { example: { values: Record<string, string> } }[];
    };
    expect(data.differences.map(({ example }) => example.values['context.now'])).toEqual(values);
  });

  it('shows them of a record and of a case as well', async () => {
    const before = withForbid('context.local.hour < 6');
    const after = withForbid('context.local.hour < 14');
    const record = (await generated(before, after)).groups[0]?.example.record as DecisionRecord;
    const ofRecords = await compareRules(before, after, { cases: [], requests: 0, seed: 1, records: [record] });
    expect(ofRecords.groups).toMatchObject([{ example: { origin: 'record' }, values: { 'context.local.hour': '13' } }]);
    const suite = `now: 2030-03-04T12:00:00Z
world: { relationships: "doc:plan#reader@user:ann" }
tests:
  - { name: Ann reads, who: user:ann, actions: read, resources: doc:plan, expect: [{ decision: allow }] }
`;
    const cases = casesOf(suite, after);
    const ofCases = await compareRules(before, after, { cases, requests: 0, seed: 1, records: [] });
    expect(ofCases.groups).toMatchObject([{ example: { origin: 'case' }, values: { 'context.local.hour': '13' } }]);
  });
});
