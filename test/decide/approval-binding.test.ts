/** An approval is bound to its question: how the question is spelled doesn't matter, and every other difference has a place. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TokenSpec } from '../../src/author/test/format.js';
import { bindApproval, findBindingDifference } from '../../src/decide/approval-binding.js';
import type { ApprovalStep } from '../../src/model/approvals.js';
import type { BoundQuestion } from '../../src/decide/bound-question.js';
import { judgeOpeningSteps, openQuestion, JUDGING_STEPS } from '../../src/decide/decide.js';
import { collectNeeds } from '../../src/decide/facts.js';
import { omitNulls, type Client, type Properties, type Question } from '../../src/model/question.js';
import { Deadline } from '../../src/runtime/deadline.js';
import { NOOP_OBSERVER } from '../../src/telemetry/observer.js';
import { CLIENT, QUESTION, SmallWorld } from '../law/small-world.js';
import { rulesOf } from '../policy/sources.js';

const RULES = rulesOf({
  zed: `caveat office_hours(hour int) {
  hour >= 9 && hour < 17
}

definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user | user with office_hours
  permission read = reader
  permission write = reader
}
`,
  schema: `entity User;
entity Agent;
entity Doc;
@scope("docs.read")
action "read", "write" appliesTo { principal: [User, Agent], resource: [Doc],
  context: { action: { sum?: Long }, request: { ip?: String, unread?: String, device?: { id?: String } } } };
`,
  policies: `@id("all") permit (principal, action, resource);
@id("outside") forbid (principal, action, resource) when { context.request has ip && context.request.ip == "evil" };
@id("stolen") @duty("notification:owner") permit (principal, action, resource)
when { context.request has device && context.request.device has id && context.request.device.id == "stolen" };
`,
});

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

const ANN: TokenSpec = { user: 'ann', agent: 'bot', scope: 'docs.read' };

async function bind(question: Partial<Question>, token: TokenSpec = ANN): Promise<BoundQuestion> {
  const deps = await world.deps({ relationships: [], entities: [] });
  const asked = { ...QUESTION, ...question, token: await world.token(token) };
  const { bound } = judgeOpeningSteps(await Deadline.run(1000, (deadline) => openQuestion(asked, deps, deadline)), NOOP_OBSERVER);
  if (bound === undefined) throw new TypeError('the question is not bound');
  return bound;
} // prettier-ignore

const factsOf = (bound: BoundQuestion): Parameters<typeof bindApproval>[1] => ({
  needs: collectNeeds(JUDGING_STEPS, bound),
  delegation: () => undefined,
  delegationsFault: undefined,
  consents: undefined,
});

/** @returns the place at which the second question differs from the first, which was approved */
async function differ(
  approved: Partial<Question>,
  asked: Partial<Question>,
  { steps = [], ...tokens }: { approved?: TokenSpec; asked?: TokenSpec; steps?: ApprovalStep[] } = {},
): Promise<string | undefined> {
  const [first, second] = [await bind(approved, tokens.approved), await bind(asked, tokens.asked ?? tokens.approved)];
  const binding = bindApproval(first, factsOf(first), steps);
  return findBindingDifference(binding, bindApproval(second, factsOf(second), steps, binding));
}

const action = (properties: object): Partial<Question> => ({
  action: { name: 'read', properties: properties as Properties },
});
const context = (values: object): Partial<Question> => ({ context: values as Properties });
const subject = (type: string, id: string, properties: Properties = {}): Partial<Question> => ({
  subject: { type, id, properties },
});
const client = (more: Partial<Client>): Partial<Question> => ({
  caller: { kind: 'client', client: { ...CLIENT, ...more } },
});

/** The same values, written differently. */
const respell = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(respell);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]): [string, unknown] => [name, respell(member)]);
  return Object.fromEntries([...members.reverse(), ['nothing', null]]);
};
const properties = fc
  .dictionary(fc.constantFrom('amount', 'branch', 'to', 'é', '__proto__', 'a.b', '0'), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })
  .map((values) => JSON.parse(JSON.stringify(values)) as Properties); // prettier-ignore
const stated = (values: Properties): Properties => omitNulls(respell(values) as Properties);

describe('the binding of an approval', () => {
  it('is the same however the question is spelled', async () => {
    await fc.assert(
      fc.asyncProperty(properties, fc.constantFrom('user', 'agent'), fc.constantFrom('x', 'evil'), async (said, as, ip) => {
        const asked = { action: { name: 'read', properties: omitNulls(said) }, context: { ip, hour: 9 } };
        const again = {
          action: { name: 'read', properties: stated(said) },
          context: { hour: 9.0, unknown: 1, ip, supported: null },
          ...(as === 'agent' ? subject('agent', 'bot') : {}),
          supportedObligations: [],
          dryRun: true,
          requestId: 'r',
          idempotencyKey: { text: 'k', countEqualBefore: () => 0 },
        };
        const refreshed = { ...ANN, session: 's', scope: 'docs.read docs.more', purpose: undefined };
        expect(await differ(asked, again, { asked: refreshed })).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  }, 30_000); // prettier-ignore

  it.each<[string, Partial<Question>, Partial<Question>, string]>([
    ['an added property', action({}), action({ amount: 1 }), 'action.properties.amount'],
    ['a property left out', action({ amount: 1 }), action({}), 'action.properties.amount'],
    ['another value', action({ amount: 1 }), action({ amount: 2 }), 'action.properties.amount'],
    ['another type of value', action({ amount: 1 }), action({ amount: '1' }), 'action.properties.amount'],
    ['another order of a list', action({ to: [1, 2] }), action({ to: [2, 1] }), 'action.properties.to'],
    ['a null in a list', action({ to: [1, null] }), action({ to: [1] }), 'action.properties.to'],
    ['what nothing declares', action({ 'a.b': {} }), action({ 'a.b': { c: 1 } }), 'action.properties.a.b'],
    ['another resource', {}, { resource: { type: 'doc', id: 'plan2', properties: {} } }, 'resource'],
    ['what is said of the resource', {}, { resource: { type: 'doc', id: 'plan', properties: { status: 'x' } } }, 'resource'],
    ['another action', {}, { action: { name: 'write', properties: {} } }, 'action.name'],
    ['what a policy reads', context({ ip: 'a' }), context({ ip: 'b' }), 'context.ip'],
    ['what a duty reads', context({}), context({ device: { id: 'a' } }), 'context.device'],
    ['what a caveat reads', context({ hour: 9 }), context({ hour: 10 }), 'context.hour'],
    ['a purpose', context({}), context({ purpose: 'pay' }), 'context.purpose'],
    ['another client', client({ id: 'a' }), client({ id: 'b' }), 'client'],
    ['what is asserted of the user', {}, subject('user', 'ann', { frozen: false }), 'subject'],
    ['whom it is asserted of', subject('user', 'ann', { x: 1 }), subject('agent', 'bot', { x: 1 }), 'subject'],
  ])('holds %s against the approval', async (_what, approved, asked, place) => {
    expect(await differ(approved, asked)).toBe(place);
    expect(await differ(asked, asked)).toBeUndefined();
    expect(await differ(approved, approved)).toBeUndefined();
  }); // prettier-ignore

  it.each<[string, TokenSpec, string]>([
    ['user', { ...ANN, user: 'bob' }, 'user'],
    ['agent', { ...ANN, agent: 'other' }, 'agent'],
    ['chain', { ...ANN, chain: ['planner'] }, 'chain'],
  ])('holds another %s against it', async (_what, token, place) => {
    const asked = subject('user', token.user ?? '');
    expect(await differ(subject('user', 'ann'), asked, { asked: token })).toBe(place);
  });

  it('holds against the user’s own yes whether the agent acts in the background, and not against another person’s', async () => {
    const background: TokenSpec = { ...ANN, background: true };
    const user: ApprovalStep = { kind: 'user' };
    const owner: ApprovalStep = { kind: 'permission', permission: 'own' };
    for (const [approved, asked] of [[ANN, background], [background, ANN]] as const) {
      expect(await differ({}, {}, { approved, asked, steps: [owner, user] })).toBe('access');
      expect(await differ({}, {}, { approved, asked, steps: [owner] })).toBeUndefined();
      expect(await differ({}, {}, { approved, asked: approved, steps: [user] })).toBeUndefined();
    }
  }); // prettier-ignore

  it('leaves out of the context what nothing reads, until something does', async () => {
    expect(await differ(context({ unread: 'a', more: 1 }), context({ unread: 'b', more: 2 }))).toBeUndefined();
    // The token's details read it now.
    const constrained = { ...ANN, details: [{ type: 'remit', actions: ['read'], constraints: { more: { max: 5 } } }] };
    expect(await differ(context({}), context({ more: 2 }), { asked: constrained })).toBe('context.more');
    // They don't any more, and it was approved with it.
    const tokens = { approved: constrained, asked: ANN };
    expect(await differ(context({ more: 2 }), context({ more: 3 }), tokens)).toBe('context.more');
    expect(await differ(context({ more: 2 }), context({ more: 2 }), tokens)).toBeUndefined();
  });

  it('finds every difference of properties, of however many', async () => {
    const many = (count: number, value: unknown): Properties =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, i === 0 ? value : i]));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 60, max: 70 }), fc.integer({ min: 60, max: 70 }), fc.boolean(), async (a, b, changed) => {
        const place = await differ(action(many(a, 1)), action(many(b, changed ? 2 : 1)));
        expect(place === undefined).toBe(a === b && !changed);
      }),
      { numRuns: 50 },
    );
    const bound = await bind(action({ ...many(3000, 1), ['x'.repeat(1000)]: 1 }));
    expect(JSON.stringify(bindApproval(bound, factsOf(bound), [])).length).toBeLessThan(10_000);
  }, 30_000); // prettier-ignore

  it('has a place for each difference between any two questions', async () => {
    await fc.assert(
      fc.asyncProperty(properties, properties, async (a, b) => {
        const place = await differ(action(omitNulls(a)), action(omitNulls(b)));
        const isSame = (await differ(action({ all: omitNulls(a) }), action({ all: omitNulls(b) }))) === undefined;
        expect(place === undefined).toBe(isSame);
      }),
      { numRuns: 100 },
    );
  }, 30_000);
});
