/** What a test states and nothing reads is a slip, with its place; what anything reads may be stated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { formatProblem } from '../../../src/diagnostics/diagnostics.js';
import { readSuite } from '../../../src/author/test/suite.js';
import { rulesOf } from '../../policy/sources.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

const rules = rulesOf({
  zed: `use expiration
caveat from_office(ip string) { ip == "10.0.0.1" }
definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation owner: user | user with from_office
  permission view = owner
  permission share = owner
}
definition note {
  relation owner: user
  permission view = owner
}
`,
  schema: `entity User { clearance?: String };
entity Agent;
entity Doc { status?: String, address?: { street?: String }, lines?: Set<{ text?: String }>, owner?: User };
@open entity Note { status?: String };
action "view" appliesTo { principal: [User, Agent], resource: [Doc, Note], context: { request: { channel?: String } } };
action "share" appliesTo { principal: [User], resource: [Doc], context: { action: { with?: User, note?: { text?: String } } } };
`,
});

const directory = mkdtempSync(join(tmpdir(), 'remit-stated-'));
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Stated {
  readonly resource?: string;
  readonly type?: string;
  readonly action?: string;
  readonly principal?: string;
  readonly context?: string;
  readonly details?: string;
}

/** The problems of a test that states this, as YAML. */
function said({ resource = '{}', type = 'doc', action = '{}', principal = '{}', context = '{}', details }: Stated): string[] {
  const path = join(directory, 'a_test.yaml');
  writeFileSync(
    path,
    `now: 2030-03-04T10:00:00Z
tokens: { helper: { user: ann, agent: helper${details === undefined ? '' : `, details: ${details}`} } }
principals: { ann: { type: user, id: ann, properties: ${principal} } }
actions: { sharing: { name: share, properties: ${action} } }
resources: { plan: { type: ${type}, id: plan, properties: ${resource} } }
tests:
  - { name: t, who: ann, actions: [${type === 'doc' ? 'sharing, ' : ''}view], resources: plan, context: ${context}, expect: deny }
`,
  );
  const read = readSuite(path, { approverRules: NO_APPROVER_RULES, rules, world: () => ({ relationships: [], entities: [] }) });
  return 'findings' in read ? read.findings.map((finding) => `${finding.line} ${formatProblem(finding)}`) : [];
} // prettier-ignore

const undeclared = (line: number, path: string, meant?: string): string[] => [
  `${line} ${path} is not declared by the Cedar schema, so no decision depends on it${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`,
];

it.each<[Stated, string[]]>([
  [{ resource: '{ satus: sealed }' }, undeclared(5, 'properties.satus', 'status')],
  [{ resource: '{ satus: null }' }, undeclared(5, 'properties.satus', 'status')],
  [{ resource: '{ address: { sreet: Elm } }' }, undeclared(5, 'properties.address.sreet', 'street')],
  [{ resource: '{ lines: [{ text: a }, { txt: b }] }' }, undeclared(5, 'properties.lines[1].txt', 'text')],
  [{ resource: '{ constructor: 1 }' }, undeclared(5, 'properties.constructor')],
  [{ resource: '{ satus: a, adress: {} }' }, [...undeclared(5, 'properties.satus', 'status'), ...undeclared(5, 'properties.adress', 'address')]],
  [{ action: '{ wiht: ben }' }, undeclared(4, 'properties.wiht', 'with')],
  [{ action: '{ note: { txt: hello } }' }, undeclared(4, 'properties.note.txt', 'text')],
  [{ principal: '{ clearence: high }' }, undeclared(3, 'properties.clearence', 'clearance')],
  [{ context: '{ chanel: web }' }, undeclared(7, 'context.chanel', 'channel')],
  [{ context: '{ pi: 10.0.0.1 }' }, undeclared(7, 'context.pi', 'ip')],
  [{ context: '{ ip: 10.0.0.1 }', type: 'note' }, undeclared(7, 'context.ip')],
  [{ resource: '{ amont: 5 }', details: '[{ type: remit, constraints: { resource.amount: { max: 5 } } }]' }, undeclared(5, 'properties.amont', 'amount')],
])('%o is a slip', (stated, findings) => {
  expect(said(stated)).toEqual(findings);
}); // prettier-ignore

it.each<[string, Stated]>([
  ['what the Cedar schema declares', { resource: '{ status: a, address: { street: b }, lines: [{ text: c }], owner: { type: user, id: ben } }', action: '{ with: ben, note: { text: a } }', principal: '{ clearance: high }', context: '{ channel: web }' }],
  ['an attribute of an open type', { type: 'note', resource: '{ color: red }' }],
  ["what a relationship's caveat asks for", { context: '{ ip: 10.0.0.1 }' }],
  ['the purpose', { context: '{ purpose: audit }' }],
  ["what a token's details constrain", { resource: '{ amount: 5 }', context: '{ risk: 1 }', details: '[{ type: remit, constraints: { resource.amount: { max: 5 }, risk: { max: 1 } } }]' }],
  ['a value of another type, which the decision refuses', { resource: '{ status: { a: 1 }, lines: { text: a }, address: [{ sreet: 1 }] }' }],
  ['constraints that are none', { details: '[{ type: remit, constraints: null }, { type: remit, constraints: [a] }]' }],
])('%s may be stated', (_what, stated) => {
  expect(said(stated)).toEqual([]);
}); // prettier-ignore
