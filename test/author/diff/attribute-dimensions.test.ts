/** Made-up parties fit the Cedar schema: what it requires is there, so no answer rests on what can't happen. */
import { describe, expect, it } from 'vitest';
import { compareRules, type RulesDiff } from '../../../src/author/diff/compare.js';
import { listQuestionKinds } from '../../../src/author/diff/question-kinds.js';
import { generateRequests } from '../../../src/author/diff/requests.js';
import { answerRecord } from '../../../src/records/redecide.js';
import { withoutAgent } from '../../../src/author/diff/answer.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';

const ZED = `definition user {}
definition agent { relation delegator: user }
definition doc {
  relation reader: user | agent
  permission read = reader
}
`;

/** @param types the members of the types of users and documents, and further types */
function rulesOf(types: { user?: string; doc?: string; more?: string; context?: string }, policies: string): Rules {
  const text = `${types.more ?? ''}
entity User { ${types.user ?? ''} };
entity Agent { kind: String };
entity Doc { ${types.doc ?? ''} };
@scope("docs.read") action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: { ${types.context ?? ''} } };
`;
  return loadRules({
    relationships: { name: 'graph.zed', text: ZED },
    actions: [{ name: 'schema.cedarschema', text }],
    policies: [{ name: 'policies.cedar', text: policies }],
  });
}

const compare = (before: Rules, after: Rules): Promise<RulesDiff> =>
  compareRules(before, after, { cases: [], requests: 500, seed: 1, records: [] });
const listChanges = ({ groups }: RulesDiff): string[] =>
  groups.map(({ change, dangers, before, after }) => `${change} [${dangers.join(' ')}] ${before} -> ${after}`);

const PERMIT = '@id("all") permit (principal, action, resource);';
const FORBID_DRAFTS = `${PERMIT}
@id("no-robots") forbid (principal is Agent, action, resource) when { principal.kind == "robot" };`;
const STATED_TYPES = `department: String, level: Long, born: datetime, home: { street: String, zip?: String }, boss: User,
  grade: Grade, grades: Set<Grade>, place: { grade: Grade }`;
const GRADES = 'entity Grade enum ["junior", "senior"];';

describe('a user whose type requires attributes', () => {
  const types = { user: STATED_TYPES, more: GRADES };

  it('may do alone what an agent may now do, so nothing is beyond the user', async () => {
    const changes = listChanges(await compare(rulesOf(types, FORBID_DRAFTS), rulesOf(types, PERMIT)));
    expect(changes.filter((change) => !change.startsWith('reasons'))).toEqual(
      Array.from({ length: 2 }, () => 'newly_allowed [] policy_forbid no-robots -> permitted by all'),
    );
  });

  it('is still said to be left behind where policies deny the user', async () => {
    const forbidUsers = '@id("no-people") forbid (principal is User, action, resource);';
    const [before, after] = [rulesOf(types, FORBID_DRAFTS + forbidUsers), rulesOf(types, PERMIT + forbidUsers)];
    expect(listChanges(await compare(before, after))).toContain(
      'newly_allowed [beyond_user] policy_forbid no-robots -> permitted by all',
    );
  });

  it('is complete in every request, also without the agent and behind a reference', () => {
    const owned = { ...types, doc: 'owner: User, grade: Grade' };
    const policies = `${FORBID_DRAFTS}
@id("owner") forbid (principal, action, resource) when { resource.owner.department == "x" && resource.grade == Grade::"senior" };
@id("boss") forbid (principal is User, action, resource) when { principal.boss.level > 3 && principal.grade == Grade::"senior" };`;
    const rules = rulesOf(owned, policies);
    const requests = [...generateRequests(listQuestionKinds(rules, rules), { count: 2000, seed: 1 })];
    const records = requests.flatMap(({ record }) => [record, withoutAgent(record) ?? record]);
    const codes = records.flatMap((record) => {
      const answer = answerRecord(record, rules);
      return answer.kind === 'decided' ? answer.decision.reasons.map(({ code }) => code) : [answer.kind];
    });
    expect([...new Set(codes)].sort()).toEqual([
      'delegation_missing',
      'policy_forbid',
      'relationship_missing',
      'scope_insufficient',
    ]);
  });
});

describe('an attribute that only one side requires, and no policy reads', () => {
  it.each([
    ['the later', { doc: '' }, { doc: 'status: String' }],
    ['the earlier', { doc: 'status: String' }, { doc: '' }],
    ['the later, where the earlier allows it', { doc: 'status?: String' }, { doc: 'status: String' }],
    ['the later, of users', { user: '' }, { user: 'status: String' }],
    ['the earlier, of users', { user: 'status: String' }, { user: '' }],
    ['the later, within a record', { doc: 'place: {}' }, { doc: 'place: { city: String }' }],
  ])('%s: no decision differs', async (_, before, after) => {
    const comparison = await compare(rulesOf(before, PERMIT), rulesOf(after, PERMIT));
    expect(comparison.counts.requests.asked).toBeGreaterThan(0);
    expect(listChanges(comparison)).toEqual([]);
  });
});

describe('an attribute that policies read', () => {
  it('may lack where only one side requires it: that is a difference, and no danger', async () => {
    const forbid = '@id("hr") forbid (principal, action, resource) when { context.user has department && context.user.department == "hr" };'; // prettier-ignore
    const [before, after] = [{ user: 'department?: String' }, { user: 'department: String' }];
    const context = 'user: User';
    const changes = listChanges(
      await compare(
        rulesOf({ ...before, context }, FORBID_DRAFTS + forbid),
        rulesOf({ ...after, context }, PERMIT + forbid),
      ),
    );
    expect(changes).toContain('newly_denied [] permitted by all -> attribute_missing');
    expect(changes).toContain('newly_allowed [] policy_forbid no-robots -> permitted by all');
    expect(changes.filter((change) => change.includes('beyond_user'))).toEqual([]);
  });

  it('of another type decides nothing by the type of the other side', async () => {
    const rules = (type: string, value: string): Rules =>
      rulesOf(
        { doc: `level: ${type}` },
        `${PERMIT} @id("secret") forbid (principal, action, resource) when { resource.level == ${value} };`,
      );
    const comparison = await compare(rules('Long', '3'), rules('String', '"high"'));
    expect(comparison.counts.requests.inconclusive).toBeGreaterThan(0);
    expect(listChanges(comparison).filter((change) => change.includes('attribute_missing'))).toEqual([]);
  });
});
