/** Reading questions: what items of a batch share is validated once, and each is read as it would be alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluationFormat } from '../../src/http/authzen-formats.js';
import { parseQuestion, type RequestContext } from '../../src/http/authzen-request.js';
import { toBadRequest } from '../../src/http/edge/errors.js';
import type { RequestTokens } from '../../src/http/edge/request-tokens.js';
import type { RelationshipGraph } from '../../src/graph/port.js';
import { BadRequest } from '../../src/model/faults.js';
import { REMIT_CONTEXT_MEMBERS } from '../../src/model/question.js';
import { QUESTION } from '../law/small-world.js';

const requestContext: RequestContext = {
  caller: QUESTION.caller,
  account: QUESTION.account,
  requestId: undefined,
  idempotencyKey: undefined,
  tokenRequired: false,
  usesApprovals: true,
  explain: true,
  // Asked only about a consistency, or a token; these questions state neither.
  relationships: undefined as unknown as RelationshipGraph,
  tokens: { usedProofs: new Map() } as unknown as RequestTokens,
  headerToken: undefined,
  partyTypes: { userObject: 'user', agentObject: 'agent' },
};

/** What becomes of the parts: what the question has of them, or the problem and its place. */
function readParts(parts: object): unknown {
  try {
    const { subject, action, resource, context } = parseQuestion(parts, requestContext);
    return { subject, action, resource, context };
  } catch (error) {
    if (error instanceof BadRequest) return [error.message, error.at];
    throw error;
  }
}

const properties = fc.option(fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }));
const text = fc.constantFrom<unknown>('ann', 'doc', '', 'a\u0007', 7, null);
const part = (...names: string[]): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.record({ ...Object.fromEntries(names.map((name) => [name, text])), properties }, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(undefined, null, [], 'ann', 1) },
  ); // prettier-ignore
const context = fc.oneof(
  { weight: 9, arbitrary: fc.record({ dry_run: fc.constantFrom<unknown>(true, 'yes'), ip: fc.jsonValue(), mode: fc.constantFrom('human', 'x') }, { requiredKeys: [] }) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(undefined, null, 'x') },
); // prettier-ignore
const valid = { subject: { type: 'user', id: 'ann' }, action: { name: 'read' }, resource: { type: 'doc', id: 'plan' } };

describe('a question', () => {
  it('is refused for the first problem of the whole, at its place, and otherwise read as it stands', () => {
    let [good, bad] = [0, 0];
    const parts = fc.record(
      { subject: part('type', 'id'), action: part('name'), resource: part('type', 'id'), context },
      { requiredKeys: [] },
    );
    const examples = ['subject', 'action', 'resource'].map((name) => [{ ...valid, [name]: undefined }] as [object]);
    fc.assert(
      fc.property(fc.oneof(parts, parts.map((some) => ({ ...valid, context: some.context }))), (body) => {
        const whole = evaluationFormat.safeParse(body);
        const read = readParts(body);
        if (whole.success) good += 1;
        else bad += 1;
        if (whole.success && !Array.isArray(read)) expect(read).toMatchObject({ subject: { id: whole.data.subject.id } });
        if (!whole.success) {
          const { message, at } = toBadRequest(whole.error);
          expect(read).toEqual([message, at]);
        }
        // The second reading is of what was kept.
        expect(readParts(body)).toEqual(read);
        expect(readParts(structuredClone(body))).toEqual(read);
      }),
      { numRuns: 500, examples },
    );
    expect(Math.min(good, bad)).toBeGreaterThan(20);
  }); // prettier-ignore

  it('is the same with a member of Remit’s own that is null as without it, and is refused where that is a credential', () => {
    const whole = (context: object): unknown => parseQuestion({ ...valid, context: { ip: 'x', ...context } }, requestContext);
    for (const name of REMIT_CONTEXT_MEMBERS) {
      const isCredential = name === 'token' || name === 'proof';
      if (isCredential) expect(() => whole({ [name]: null })).toThrow(BadRequest);
      else expect(whole({ [name]: null })).toEqual(whole({}));
    }
  }); // prettier-ignore

  it('has its parts read once, however many items share them', () => {
    const count = (items: number): number => {
      let reads = 0;
      const watch = <T extends object>(object: T): T =>
        new Proxy(object, {
          get: (target, name, self) => {
            reads += 1;
            const value: unknown = Reflect.get(target, name, self);
            return typeof value === 'object' && value !== null ? watch(value) : value;
          },
        });
      const defaults = {
        subject: watch({ type: 'user', id: 'ann', properties: { department: 'hr' } }),
        action: watch({ name: 'read', properties: { branch: 'main' } }),
        context: watch({ ip: '10.0.0.1', purpose: 'payroll' }),
      };
      for (let i = 0; i < items; i += 1) {
        const question = parseQuestion({ ...defaults, resource: { type: 'doc', id: `plan-${i}` } }, requestContext);
        expect(question).toMatchObject({ subject: { id: 'ann' }, resource: { id: `plan-${i}` }, context: { ip: '10.0.0.1' } });
      }
      return reads;
    };
    expect(count(1)).toBeGreaterThan(0);
    expect(count(1000)).toBe(count(1));
  }); // prettier-ignore
});
