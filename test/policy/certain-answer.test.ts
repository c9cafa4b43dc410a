/**
 * What of an answer stands although some values are unknown: with any values in their place, the forbids that are named
 * apply, and where nothing can permit it nothing does.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FindingCollector } from '../../src/diagnostics/diagnostics.js';
import { CedarEngine, type CedarAnswer } from '../../src/policy/cedar.js';
import { selectCertainAnswer } from '../../src/policy/certain-answer.js';
import { readPolicies } from '../../src/policy/policies.js';
import { rulesOf } from './sources.js';

const CONDITIONS = [
  '',
  'when { context.action.level > 3 }',
  'when { context.action.level > 3 || context.can.view }',
  'when { context.can.view }',
  'unless { context.can.view }',
  'when { context.request.other == 1 }',
  'when { context.action == {level: 1, name: "x"} }',
  'when { context == context }',
  'when { context.action.name == "x" && context.can.view }',
  'unless { context.action has name }',
];
const statement = fc.tuple(fc.constantFrom('permit', 'forbid'), fc.constantFrom(...CONDITIONS));
const RULES = rulesOf({
  schema: `entity User; entity Agent; entity Doc;
action "view" appliesTo { principal: [User, Agent], resource: [Doc],
  context: { action: { level: Long, name: String }, can: { view: Bool }, request: { other: Long } } };`,
});
const [ACTION] = RULES.vocabulary.actions;
const [DOC] = RULES.vocabulary.typesByObject.get('doc') ?? [];
const [USER] = RULES.vocabulary.typesByObject.get('user') ?? [];
if (ACTION === undefined || DOC === undefined || USER === undefined) throw new TypeError('the schema has these');
const QUESTION = { principalType: USER, target: { action: ACTION, resourceType: DOC }, rules: RULES };
const LEVELS = [0, 1, 4];
const NAMES = ['x', 'y'];

describe('the certain part of an answer', () => {
  it('holds whatever the unknown values are', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(statement, { minLength: 1, maxLength: 4 }),
        fc.subarray(['level', 'name'], { minLength: 1 }),
        fc.record({ level: fc.constantFrom(...LEVELS), name: fc.constantFrom(...NAMES) }),
        fc.boolean(),
        (statements, unknown, known, flag) => {
          const text = statements
            .map(([effect, condition], i) => `@id("p${i}") ${effect} (principal, action, resource) ${condition};\n`)
            .join('');
          const engine = new CedarEngine();
          const findings = new FindingCollector();
          const policies = readPolicies([{ name: 'p.cedar', text }], engine, findings);
          expect(findings.all).toEqual([]);
          engine.define('set', Object.fromEntries(policies.map((policy) => [policy.id, policy.text])));
          const ask = (action: Record<string, string | number>): CedarAnswer =>
            engine.authorize('set', {
              principal: { type: 'User', id: 'a' },
              action: { type: 'Action', id: 'view' },
              resource: { type: 'Doc', id: 'd' },
              context: { action, can: { view: flag }, request: { other: 1 } },
              entities: [],
            });
          const rest = Object.fromEntries(Object.entries(known).filter(([name]) => !unknown.includes(name)));
          const paths = unknown.map((name) => `context.action.${name}`);
          const { forbidding, permitsNothing } = selectCertainAnswer(ask(rest), { policies }, paths, QUESTION);
          for (const level of unknown.includes('level') ? LEVELS : [known.level])
            for (const name of unknown.includes('name') ? NAMES : [known.name]) {
              const answer = ask({ level, name });
              if (forbidding.length > 0) expect(answer.decision).toBe('deny');
              expect(answer.determining).toEqual(expect.arrayContaining([...forbidding]));
              if (permitsNothing) expect(answer.decision).toBe('deny');
            }
          seen.add(`${forbidding.length > 0 ? 'forbidden' : ''}${permitsNothing ? 'unpermitted' : ''}`);
        },
      ),
      { numRuns: 300 },
    );
    expect([...seen].sort()).toEqual(['', 'forbidden', 'unpermitted']);
  });
});
