/** Decisions explained: each condition as Cedar itself judged it, on the request that was decided. */
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { readSources } from '../../../src/config/files.js';
import { explainRecord, hasPath, type Explanation } from '../../../src/records/explain/explain.js';
import type { PolicyExplanation } from '../../../src/records/explain/policies.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';
import { start, type Running } from '../../support/sample.js';
import { decided, withAllStored } from './sample-decisions.js';

let remit: Running;
let rules: Rules;
beforeAll(async () => {
  remit = await start();
  rules = remit.service.activePolicies.rules;
  return () => remit.stop();
});

async function asked(
  action: string,
  resource: string,
  { properties = {}, chain = [] as string[], user = 'alice', agent = 'hr-assistant' } = {},
): Promise<ReplayableRecord> {
  const scope = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
  const token = await remit.mint({ user, agent, chain, scope });
  const [type, id] = resource.split(':');
  return decided(remit, {
    subject: { type: 'user', id: user },
    action: { name: action, properties },
    resource: { type, id },
    context: { token },
  });
}

/** The sample's rules with more policies. */
function withPolicies(text: string): Rules {
  const sources = readSources(remit.service.config.sources);
  return loadRules({ ...sources, policies: [...sources.policies, { name: 'more.cedar', text }] });
}

function policy(told: Explanation, id: string, role = 'acting'): PolicyExplanation | undefined {
  return told.policies.find((one) => one.role === role)?.policies.find((one) => one.id === id);
}

describe('an explanation', () => {
  it('has the path that a record lacks where it was proved later, and says why where it could not be', async () => {
    const record = await asked('read', 'employee:erin');
    const steps = record.rationale.steps.map((one) => {
      const { path: _path, ...evidence } = one.evidence;
      return one.step === 'relationship' ? { ...one, evidence } : one;
    });
    const without = { ...record, rationale: { ...record.rationale, steps } };
    const path = record.rationale.steps.find(({ step }) => step === 'relationship')?.evidence['path'] as string[];
    expect([hasPath(record), hasPath(without)]).toEqual([true, false]);
    expect(explainRecord(without, rules, { path })).toEqual({
      ...explainRecord(record, rules),
      steps: without.rationale.steps,
    });
    const told = explainRecord(without, rules, { problem: 'it is gone (revision_expired)' });
    expect(told.relationships).toHaveLength(explainRecord(record, rules).relationships.length - 1);
    expect(told.inconclusive).toEqual([expect.stringMatching(/can’t be proved: it is gone \(revision_expired\)$/)]);
  });

  it('says who, what and when, and by which rules', async () => {
    const record = await asked('delete', 'employee:erin', { chain: ['planner'] });
    expect(explainRecord(record, rules)).toMatchObject({
      id: record.id,
      decision: false,
      who: 'agent:hr-assistant for user:alice',
      chain: ['agent:planner'],
      action: 'delete',
      resource: 'employee:erin',
      client: 'dev',
      rules: { same: true, result_now: false },
      inconclusive: [],
    });
  });

  it('draws the relationships that grant as a tree, and those of a delegation that was passed on', async () => {
    const { relationships } = explainRecord(
      await asked('push', 'repository:payments-api', { user: 'liam', agent: 'code-bot' }),
      rules,
    );
    expect(relationships).toEqual([
      {
        object: 'agent:code-bot',
        relation: 'delegator',
        branches: [
          {
            relation: 'delegator',
            object: 'agent:planner',
            branches: [{ relation: 'delegator', object: 'user:liam', branches: [] }],
          },
        ],
      },
      expect.objectContaining({ object: 'repository:payments-api', relation: 'push' }),
    ]);
  });

  it('names the policies that spoke first, and takes apart those that stayed silent', async () => {
    const told = explainRecord(await asked('export', 'employee:erin'), rules);
    const [first] = told.policies[0]?.policies ?? [];
    expect(first).toMatchObject({ id: 'agents-work-with-records', effect: 'permit', applies: true });
    expect(first?.source).toMatch(/^policies\/hr\.cedar:\d+$/);
    expect(policy(told, 'only-payroll-exporters-export')).toMatchObject({
      effect: 'forbid',
      applies: true,
      clauses: [
        {
          kind: 'unless',
          satisfied: true,
          parts: [
            {
              text: 'principal.kind == "payroll-exporter"',
              held: false,
              values: { 'principal.kind': '"assistant"' },
            },
          ],
        },
      ],
    });
    expect(policy(told, 'suspended-agents-do-nothing')).toMatchObject({ effect: 'forbid', applies: false });
    // Another action's, and so none of this one's.
    expect(policy(told, 'agents-never-delete')).toBeUndefined();
  });

  it('says what is not reached behind what is absent', async () => {
    const push = await asked('push', 'repository:payments-api', { user: 'carol', agent: 'code-bot' });
    expect(policy(explainRecord(push, rules), 'agents-push-to-unprotected-branches')?.clauses).toEqual([
      {
        kind: 'when',
        satisfied: false,
        parts: [
          { text: 'context.action has branch', held: false, values: { 'context.action.branch': 'absent' } },
          {
            text: 'resource.protected_branches.contains(context.action.branch)',
            held: 'unreached',
            values: { 'context.action.branch': 'absent', 'resource.protected_branches': '["main"]' },
          },
        ],
      },
    ]);
  });

  it('names the error of a condition, and the operand that it is in', async () => {
    const erring = withPolicies(
      '@id("erring") forbid (principal is Agent, action == HR::Action::"read", resource is HR::Employee) when { resource.status == "active" && context.delegation.depth * 9007199254740991 * 9007199254740991 > 1 };',
    );
    const record = await withAllStored(remit, await asked('read', 'employee:erin', { chain: ['planner'] }));
    const told = explainRecord(record, erring);
    expect(policy(told, 'erring')).toMatchObject({
      applies: { error: expect.stringContaining('overflow') as string },
      clauses: [
        { kind: 'when', satisfied: false, parts: [{ held: true }, { held: { error: expect.any(String) as string } }] },
      ],
    });
    expect(told.rules).toMatchObject({ same: false, result_now: false });
    expect(told.decision).toBe(true);
  });

  it('does not make up what JSON cannot hand to Cedar as it is', async () => {
    const scope = 'principal is Agent, action == HR::Action::"read", resource is HR::Employee';
    const near = withPolicies(
      `@id("beyond") forbid (${scope}) when { resource.status == "active" && context.delegation.depth < 9223372036854775807 };`,
    );
    const record = await withAllStored(remit, await asked('read', 'employee:erin'));
    expect(policy(explainRecord(record, near), 'beyond')).toMatchObject({
      applies: true,
      clauses: [{ kind: 'when', satisfied: undefined, parts: [{ held: true }, { held: 'inconclusive' }] }],
    });
  });

  it('says which attribute other rules read that isn’t on record, and shows nothing in its place', async () => {
    const other = withPolicies(
      '@id("paid") forbid (principal, action == HR::Action::"read", resource) when { resource has salary && resource.salary > 0 };',
    );
    const told = explainRecord(await asked('read', 'employee:erin'), other);
    expect(told.rules).toMatchObject({ same: false, result_now: undefined });
    expect(told.inconclusive).toEqual(['These rules need what is not on record: employee:erin.salary.']);
  });

  it('asks the forbids of each earlier agent, and of the duties only for the one that acts', async () => {
    const told = explainRecord(await asked('read', 'employee:erin', { chain: ['retired-bot'] }), rules);
    expect(policy(told, 'suspended-agents-do-nothing')?.applies).toBe(false);
    expect(policy(told, 'suspended-agents-do-nothing', 'earlier')?.applies).toBe(true);
    expect(policy(told, 'pay-is-for-the-cleared')).toMatchObject({ effect: 'duty', applies: true });
    expect(policy(told, 'pay-is-for-the-cleared', 'earlier')).toBeUndefined();
  });

  it('agrees with the decision on every policy that made it', async () => {
    for (const record of [
      await asked('read', 'employee:erin'),
      await asked('update', 'employee:erin'),
      await asked('delete', 'employee:erin'),
      await asked('merge', 'repository:payments-api', {
        user: 'carol',
        agent: 'code-bot',
        properties: { branch: 'main' },
      }),
    ]) {
      const evidence = record.rationale.steps.find(({ step }) => step === 'policy')?.evidence;
      const made = (evidence?.['permitted_by'] ?? evidence?.['forbidden_by'] ?? []) as { id: string }[];
      expect(made.length).toBeGreaterThan(0);
      const told = explainRecord(record, rules);
      for (const { id } of made) expect(policy(told, id)?.applies, id).toBe(true);
    }
  });

  it('tells nothing of the policies where the resource is out of reach', async () => {
    const told = explainRecord(
      await asked('merge', 'repository:payments-api', { properties: { branch: 'main' } }),
      rules,
    );
    expect(told.policies[0]).toMatchObject({
      policies: [],
      not_evaluated: expect.stringContaining('out of reach') as string,
    });
    expect(JSON.stringify(told)).not.toContain('protected_branches');
  });

  it('of a decision without its facts says what there is', async () => {
    const { facts: _, ...record } = await asked('delete', 'employee:erin');
    const told = explainRecord(record, rules);
    expect(told.steps).toHaveLength(8);
    expect(told.policies).toEqual([]);
    expect(told.inconclusive).toEqual([expect.stringContaining('not on record')]);
  });

  it('says that a record was changed', async () => {
    const record = await asked('delete', 'employee:erin');
    expect(explainRecord({ ...record, decision: true, reasons: [] }, rules).inconclusive).toEqual([
      expect.stringContaining('the record was changed, or Remit has a fault'),
    ]);
  });

  it('takes hundreds of policies, and one with as many conditions as are allowed', async () => {
    const scope = 'principal is Agent, action == HR::Action::"read", resource is HR::Employee';
    const many = Array.from(
      { length: 300 },
      (_, i) => `@id("many-${i}") forbid (${scope}) when { principal.kind == "kind-${i}" };`,
    );
    const long = Array.from({ length: 80 }, (_, i) => `principal.kind != "kind-${i}"`).join(' && ');
    const text = `${many.join('\n')}\n@id("long") forbid (${scope}) when { ${long} && resource.status == "gone" };`;
    const record = await withAllStored(remit, await asked('read', 'employee:erin'));
    const told = explainRecord(record, withPolicies(text));
    expect(policy(told, 'many-299')?.applies).toBe(false);
    expect(policy(told, 'long')?.clauses[0]?.parts).toHaveLength(81);
  }, 120_000);
});
