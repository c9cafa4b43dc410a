/** Generated requests reach what policies are about, whatever they compare: each applies to some, and not to others. */
import { describe, expect, it } from 'vitest';
import { answerRecord } from '../../../src/records/redecide.js';
import { listQuestionKinds } from '../../../src/author/diff/question-kinds.js';
import { generateRequests, type GeneratedRequest } from '../../../src/author/diff/requests.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';

const ZED = `use expiration
definition user {}
definition agent { relation delegator: user }
definition folder { relation owner: user }
definition doc {
  relation owner: user | agent
  relation robot: agent
  permission view = owner
  permission share = owner
}
`;
const SCHEMA = `entity Folder;
entity User { department: String, born?: datetime };
entity Agent in [Folder] { kind: String, suspended: Bool, level: Long };
entity Doc in [Folder] {
  status: String, pages: Long, tags: Set<String>, owner: User, price: decimal, until: datetime, network: ipaddr,
  lasts: duration, address: { city: String, zip?: String }, secret?: Bool, department?: String, limits: Set<Long>,
};
action "view" appliesTo { principal: [User, Agent], resource: [Doc], context: {
  delegation: Remit::Delegation, can: { share: Bool }, agent_can?: { robot: Bool }, now: datetime, user?: User,
  action: { branch?: String, size?: Long }, request: { reason?: String }, claims: { region?: String },
  history: { @count("view by user within PT1H") seen: Long, @happened("view within PT1H") known: Bool },
} };
`;

/** Conditions of forbids, by what they compare. */
const CONDITIONS: Readonly<Record<string, string>> = {
  'a number of before': 'context.history.seen >= 10',
  'something before': 'context.history.known',
  text: 'resource.status == "draft"',
  pattern: 'resource.status like "arch*"',
  long: 'principal.level > 3',
  'long within': 'resource.pages >= 10 && resource.pages < 12',
  bool: 'principal.suspended',
  set: 'resource.tags.contains("internal")',
  'all of a set': 'resource.tags.containsAll(["x", "y"])',
  'empty set': 'resource.tags.isEmpty()',
  'one of a list': '["a", "b"].contains(principal.kind)',
  'set of numbers': 'resource.limits.contains(42)',
  entity: 'context has user && resource.owner == context.user',
  decimal: 'resource.price.greaterThan(decimal("99.50"))',
  'before a time': 'resource.until < datetime("2029-01-01")',
  'before now': 'resource.until < context.now',
  duration: 'resource.lasts > duration("2h30m")',
  network: 'resource.network.isInRange(ip("10.0.0.0/8"))',
  record: 'resource.address.city == "Graz"',
  'optional within': 'resource.address has zip && resource.address.zip == "8010"',
  optional: 'resource has secret && resource.secret',
  'not there': '!(resource has department)',
  'two attributes': 'resource has department && context has user && resource.department == context.user.department',
  'of the user': 'context has user && context.user.department == "legal"',
  'behind a reference': 'resource.owner.department == "behind"',
  'behind a name': 'User::"root".department == "root"',
  chain: 'context.delegation.depth > 3',
  scope: 'context.delegation.scopes.contains("docs.audit")',
  purpose: 'context.delegation has purpose && context.delegation.purpose == "payroll"',
  background: 'context.delegation.access == "background"',
  direct: 'context.delegation.mode == "direct"',
  clock: 'context.now.toTime() < duration("5h")',
  branch: 'context.action has branch && context.action.branch == "main"',
  size: 'context.action has size && context.action.size > 100',
  reason: 'context.request has reason && context.request.reason == "audit"',
  claim: 'context.claims has region && context.claims.region == "eu"',
  can: 'context.can.share',
  'agent can': 'context has agent_can && context.agent_can.robot',
  'this agent': 'principal == Agent::"root"',
  'this document': 'resource == Doc::"plan"',
  'in a folder': 'resource in Folder::"top"',
  'agent in a folder': 'principal in Folder::"top"',
  either: 'if resource.pages > 500 then resource.status == "long" else resource.status == "short"',
};
const rules = loadRules({
  relationships: { name: 'z', text: ZED },
  actions: [{ name: 's', text: SCHEMA }],
  policies: [
    {
      name: 'p',
      text: [
        '@id("all") permit (principal, action, resource);',
        '@id("scoped agent") forbid (principal == Agent::"bad", action, resource);',
        '@id("scoped folder") forbid (principal, action, resource in Folder::"closed");',
        ...Object.entries(CONDITIONS).map(([id, when]) => `@id("${id}") forbid (principal is Agent, action, resource) when { ${when} };`),
      ].join('\n'),
    },
  ],
}); // prettier-ignore

const generated = (of: Rules, count: number, seed = 1): GeneratedRequest[] => [
  ...generateRequests(listQuestionKinds(of, of), { count, seed }),
];
const all = generated(rules, 4000);
/** The policies that forbid each request. */
const forbidding = all.map(({ record }) => {
  const came = answerRecord(record, rules);
  if (came.kind !== 'decided') throw new Error(`${record.id}: ${JSON.stringify(came)}`);
  const { steps } = came.decision.rationale;
  const cited = steps.find(({ step }) => step === 'policy')?.evidence['forbidden_by'] as readonly { id: string }[] | undefined; // prettier-ignore
  return (cited ?? []).map(({ id }) => id);
});

describe('whatever a policy compares, some request meets it and some does not', () => {
  it.each([...Object.keys(CONDITIONS), 'scoped agent', 'scoped folder'])('%s', (id) => {
    expect(forbidding.some((ids) => ids.includes(id))).toBe(true);
    expect(forbidding.some((ids) => !ids.includes(id))).toBe(true);
  });
});

it('each can be decided: nothing that is required lacks, and nothing is of a wrong type', () => {
  const reasons = new Set(all.flatMap(({ record }) => {
    const came = answerRecord(record, rules);
    return came.kind === 'decided' ? came.decision.reasons.map(({ code }) => code) : [came.kind];
  })); // prettier-ignore
  // The action has no scope, so no token covers it.
  expect([...reasons].sort()).toEqual(['authorization_details_mismatch', 'delegation_missing', 'policy_forbid', 'relationship_missing']); // prettier-ignore
});

it('every mode is asked, an agent also by the word of its client where no scope covers it', () => {
  expect([...new Set(all.map(({ kind }) => kind.mode))].sort()).toEqual(['delegated', 'direct', 'human', 'vouched']);
});

it('are as many as are wanted, the same for a seed, and others for another', () => {
  expect(all.length).toBeLessThanOrEqual(4000);
  expect(generated(rules, 200).length).toBeLessThanOrEqual(200);
  expect(generated(rules, 200)).toEqual(generated(rules, 200));
  expect(generated(rules, 2000, 2)).not.toEqual(generated(rules, 2000));
  // However few are wanted, each kind is asked once.
  expect(generated(rules, 1).map(({ where }) => where)).toEqual([[], [], [], []]);
});

it('values that a schema allows and no clock reaches are left out', () => {
  const far = loadRules({
    relationships: { name: 'z', text: ZED },
    actions: [{ name: 's', text: SCHEMA }],
    policies: [
      {
        name: 'p',
        text: '@id("p") permit (principal, action, resource) when { context.now.toTime() < duration("106751991167d") || context.now < datetime("0001-01-01") };',
      },
    ],
  });
  const made = generated(far, 300);
  expect(made.length).toBeGreaterThan(10);
  for (const { record } of made) expect(record.evaluated_at).toMatch(/^2030-/);
});
