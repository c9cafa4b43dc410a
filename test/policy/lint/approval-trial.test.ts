/** What an approval changes of a forbid, worked out by its form: the same as Cedar answers, for all values of what it rests on. */
import { isAuthorized, policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tryApproval } from '../../../src/policy/lint/approval-trial.js';

const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('context has approval', 'context.approval.emergency', 'context.approval has expires_at', 'context.a', 'context.b', 'true', 'false'),
    tie('condition').map((inner) => `!(${inner})`),
    fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition')).map(([a, op, b]) => `((${a}) ${op} (${b}))`),
    fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
  ),
})); // prettier-ignore
const clauses = fc.array(fc.tuple(fc.constantFrom('when', 'unless'), condition), { minLength: 1, maxLength: 2 });

function parse(text: string): PolicyJson {
  const answer = policyToJson(text);
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  return answer.json;
}

const entity = (type: string) => ({ type, id: 'x' });
const APPROVAL = {
  by: '',
  approvers: [],
  approved_at: { __extn: { fn: 'datetime', arg: '2030-03-04' } },
  expires_at: { __extn: { fn: 'datetime', arg: '2030-03-05' } },
  emergency: false,
};

/** Whether the forbid applies; one that fails doesn't. */
function appliesByCedar(text: string, context: object): boolean {
  const answer = isAuthorized({
    principal: entity('User'),
    action: entity('Action'),
    resource: entity('Doc'),
    context: context as never,
    policies: { staticPolicies: { x: text } },
    entities: [],
  });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  return answer.response.diagnostics.reason.includes('x');
}

it('is what Cedar answers', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(clauses, (parts) => {
      const text = `forbid (principal, action, resource) ${parts.map(([kind, body]) => `${kind} { ${body} }`).join(' ')};`;
      const worlds = [false, true].flatMap((a) => [false, true].map((b) => ({ a, b })));
      const pairs = worlds.map((world) => ({
        without: appliesByCedar(text, world),
        approved: appliesByCedar(text, { ...world, approval: APPROVAL }),
      }));
      const trial = {
        mayForbidWithout: pairs.some(({ without }) => without),
        mayLift: pairs.some(({ without, approved }) => without && !approved),
        forbidsApproved: pairs.every(({ approved }) => approved),
      };
      expect(tryApproval(parse(text)), text).toEqual(trial);
      seen.add(JSON.stringify(trial));
    }),
    { numRuns: 500 },
  );
  expect(seen.size).toBeGreaterThan(4);
});

it('is not told where it rests on too much', () => {
  const body = Array.from({ length: 13 }, (_, i) => `context.c${i}`).join(' || ');
  expect(tryApproval(parse(`forbid (principal, action, resource) when { ${body} };`))).toBeUndefined();
});
