/** Rules with one question excepted keep the author's text, and decide only that question otherwise. */
import { describe, expect, it } from 'vitest';
import { exceptQuestion, permitQuestion, PolicyVariants } from '../../../src/author/why-not/policy-variants.js';
import { readSources } from '../../../src/config/files.js';
import { loadConfig } from '../../../src/config/config.js';
import { loadRules, type RuleSources } from '../../../src/policy/load.js';
import { SAMPLE } from '../../support/sample.js';

const own = readSources(loadConfig(SAMPLE, {}).sources);
const NARROW = {
  principal: { type: 'Agent', id: 'x"\\y' },
  action: { type: 'HR::Action', id: 'read' },
  resource: { type: 'HR::Employee', id: 'erin' },
};
const CLAUSE =
  'unless { principal == Agent::"x\\"\\\\y" && action == HR::Action::"read" && resource == HR::Employee::"erin" }';

function withText(text: string): {
  readonly sources: RuleSources;
  readonly book: PolicyVariants;
  readonly rules: ReturnType<typeof loadRules>;
} {
  const sources = { ...own, policies: [...own.policies, { name: 'more.cedar', text }] };
  const rules = loadRules(sources);
  return { sources, rules, book: new PolicyVariants(rules, sources) };
}

describe('a policy with an exception', () => {
  it.each([
    ['plain', '@id("p") forbid (principal, action, resource);'],
    [
      'with conditions',
      '@id("p") forbid (principal, action, resource) when { (principal is Agent) } unless { false };',
    ],
    ['with words in its title', '@id("p") @title("forbid (this) ;") forbid (principal, action, resource);'],
    ['with comments', '// forbid (\n@id("p") // (\nforbid ( // )\n principal, action, resource // )\n) // when\n;'],
    ['with a list', '@id("p") forbid (principal, action in [HR::Action::"read", HR::Action::"update"], resource);'],
  ])('%s has it first, and still loads', (_what, text) => {
    const { rules, book } = withText(`${text}\n@id("other") permit (principal is User, action, resource);`);
    const policy = rules.policies.get('p');
    const change = policy === undefined ? undefined : exceptQuestion(policy, NARROW);
    if (change === undefined || !('id' in change)) throw new Error('no exception');
    expect(change.clause).toBe(CLAUSE);
    expect(change.text.replace(`\n${CLAUSE}`, '')).toBe(policy?.text);
    const changed = book.rulesWith([change]);
    expect(changed?.policies.get('p')?.json.conditions[0]?.kind).toBe('unless');
    expect(changed?.policies.get('other')?.text).toBe(rules.policies.get('other')?.text);
    expect(changed?.policies.size).toBe(rules.policies.size);
    expect(changed?.version).not.toBe(rules.version);
  });
});

it('a permit is added for the one question, under an id of its own', () => {
  const { rules, book } = withText('');
  const taken = new Set(rules.policies.keys());
  const change = permitQuestion(NARROW, { type: 'agent', id: 'x' }, taken);
  const changed = book.rulesWith([change]);
  expect(changed?.policies.size).toBe(rules.policies.size + 1);
  const [id = ''] = [...(changed?.policies.keys() ?? [])].filter((one) => !taken.has(one));
  expect(permitQuestion(NARROW, { type: 'agent', id: 'x' }, new Set([id]))).not.toEqual(change);
});

it('rules that would not load are undefined, and without a change they are the current ones', () => {
  const { rules, book } = withText('');
  expect(book.rulesWith([{ kind: 'policy', add: 'permit (nonsense' }])).toBeUndefined();
  expect(book.rulesWith([{ kind: 'time', at: '2030-01-01T00:00:00Z' }])).toBe(rules);
});
