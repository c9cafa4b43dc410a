/**
 * An agent that asks for itself states what it wants to do, and the action's properties count. Of anything else its word
 * proves nothing, so its own question is answered as an API's is, or more narrowly: what could decide something is denied,
 * and the rest makes no difference.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/model/decision.js';
import { omitNulls, type Properties } from '../../src/model/question.js';
import type { TokenSpec } from '../../src/author/test/format.js';
import { rulesOf } from '../policy/sources.js';
import { CLIENT, entity, SmallWorld } from './small-world.js';
import { assertUntilSeen } from '../support/until-seen.js';

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
}
`,
  schema: `entity User { frozen?: Bool };
entity Agent { kind?: String };
entity Doc { status?: String, @class("pii") author?: String };
@scope("docs.read")
action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: {
  user: User, action: { branch?: String, tags?: { hot?: Bool } }, request: { ip?: String }
} };
`,
  policies: `@id("all") permit (principal, action, resource);
@id("main") forbid (principal, action, resource) when { context.action has branch && context.action.branch == "main" };
@id("hot") forbid (principal, action, resource) when { context.action has tags && context.action.tags has hot && context.action.tags.hot };
@id("drafts") forbid (principal, action, resource) unless { resource has status && resource.status == "final" };
@id("outside") forbid (principal, action, resource) when { context.request has ip && context.request.ip != "10.0.0.1" };
@id("crawlers") forbid (principal is Agent, action, resource) when { principal has kind && principal.kind == "crawler" };
@id("authors") @duty("mask:author") permit (principal, action, resource) when { context.action has branch };
`,
});

interface Statements {
  readonly subject: Properties;
  readonly action: Properties;
  readonly resource: Properties;
  readonly context: Properties;
}
const statements = (values: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<Properties> =>
  fc
    .record(Object.fromEntries(Object.entries(values).map(([name, options]) => [name, fc.constantFrom(...options)])), {
      requiredKeys: [],
    })
    .map((stated) => stated as Properties);
const rarely = (values: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<Properties> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: statements(values) });
const stated: fc.Arbitrary<Statements> = fc.record({
  subject: rarely({ frozen: [false, true, null], nick: ['x', 1] }),
  action: statements({
    branch: ['main', 'feature', null],
    tags: [{ hot: true }, { hot: null }, {}],
    amount: [5, 500, null],
    other: [[]],
  }),
  resource: rarely({ status: ['final', 'draft', null], amount: [5, 500], other: [true] }),
  context: rarely({
    ip: ['10.0.0.1', '10.0.0.2', null],
    hour: [10, 20, null],
    purpose: ['pay', 'play'],
    amount: [5],
    other: ['x'],
  }),
});
const token: fc.Arbitrary<Partial<TokenSpec>> = fc.record(
  {
    purpose: fc.constant('pay'),
    details: fc.constantFrom(
      [{ type: 'remit', actions: ['read'], constraints: { amount: { max: 100 } } }],
      [{ type: 'remit', actions: ['read'], constraints: { 'resource.amount': { max: 100 } } }],
    ),
  },
  { requiredKeys: [] },
);
const state = fc.record({
  status: fc.constantFrom('final', 'final', 'draft'),
  kind: fc.constantFrom('helper', 'helper', 'crawler'),
  caveat: fc.constantFrom('', '', '[office_hours]'),
});

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

const ORDINARY_CLIENT = { kind: 'client', client: { ...CLIENT, may: new Set(['evaluate'] as const) } } as const;

describe("an agent's own question", () => {
  it('is answered as that of an API, or more narrowly', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(stated, token, state, async (said, claims, { status, kind, caveat }) => {
      const stored = {
        relationships: ['agent:a#delegator@user:ann', `doc:plan#reader@user:ann${caveat}`],
        entities: [
          entity('agent', 'a', { kind }),
          entity('user', 'ann'),
          entity('doc', 'plan', { status, author: 'x' }),
        ],
      };
      const spec: TokenSpec = { user: 'ann', agent: 'a', scope: 'docs.read', ...claims };
      const question = {
        subject: { type: 'user', id: 'ann', properties: omitNulls(said.subject) },
        action: { name: 'read', properties: omitNulls(said.action) },
        resource: { type: 'doc', id: 'plan', properties: omitNulls(said.resource) },
        context: omitNulls(said.context),
      };
      const byClient = await world.ask(stored, { ...question, caller: ORDINARY_CLIENT }, spec);
      const byAgent = await world.ask(stored, question, spec, 'agent');
      if (byAgent.decision) expect(outcomeOf(byClient)).toEqual(outcomeOf(byAgent));
      const statedElsewhere = [question.subject.properties, question.resource.properties, question.context];
      const isPlain = statedElsewhere.every((values) => Object.keys(values).length === 0);
      if (isPlain) expect(outcomeOf(byAgent)).toEqual(outcomeOf(byClient));
      seen.add(byAgent.decision ? `allow${isPlain ? '' : ' beside others'}` : (byAgent.reasons[0]?.code ?? ''));
    });
    const kinds = [
      'allow',
      'allow beside others',
      'attributes_unproven',
      'policy_forbid',
      'purpose_mismatch',
      'context_missing',
      'authorization_details_mismatch',
    ];
    await assertUntilSeen(
      () => fc.assert(property, { numRuns: 500 }),
      () => kinds.filter((kind) => !seen.has(kind)),
    );
  });

  it.each<[string, Partial<Statements>, Partial<TokenSpec>]>([
    ['resource.properties.status', { resource: { status: 'final', other: 1 } }, {}],
    ['subject.properties.frozen', { subject: { frozen: false } }, {}],
    ['context.ip', { context: { ip: '10.0.0.1' } }, {}],
    [
      'resource.properties.amount',
      { resource: { amount: 1 } },
      { details: [{ type: 'remit', actions: ['read'], constraints: { 'resource.amount': { max: 9 } } }] },
    ],
  ])('can not state %s', async (place, said, claims) => {
    const stored = {
      relationships: ['agent:a#delegator@user:ann', 'doc:plan#reader@user:ann'],
      entities: [entity('agent', 'a'), entity('user', 'ann'), entity('doc', 'plan', { status: 'final' })],
    };
    const decision = await world.ask(
      stored,
      {
        subject: { type: 'user', id: 'ann', properties: said.subject ?? {} },
        resource: { type: 'doc', id: 'plan', properties: said.resource ?? {} },
        context: said.context ?? {},
      },
      { user: 'ann', agent: 'a', scope: 'docs.read', ...claims },
      'agent',
    );
    expect(decision.reasons).toEqual([
      {
        code: 'attributes_unproven',
        step: 'binding',
        message: `An agent's own question can not state ${place}: leave it out, or let the API ask with the agent's token.`,
      },
    ]);
  });
});

function outcomeOf({ decision, reasons, obligations }: Decision): unknown {
  return { decision, reasons: reasons.map(({ code }) => code), obligations };
}
