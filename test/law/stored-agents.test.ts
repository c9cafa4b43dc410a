/**
 * What is known of an agent is its stored entity: a suspension is an attribute of it. So without the entity an agent may
 * do nothing, wherever it stands in the chain, and removing one never turns a deny into an allow.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/model/decision.js';
import type { StoredEntity } from '../../src/model/entities.js';
import { rulesOf } from '../policy/sources.js';
import { entity, SmallWorld } from './small-world.js';
import { assertUntilSeen } from '../support/until-seen.js';

const RULES = rulesOf({
  zed: `definition user {}
definition agent {
  relation delegator: user | agent
}
definition doc {
  relation reader: user | agent
  permission read = reader
}
`,
  // Nothing of an agent is required, so it is by its entity alone that an unknown one is told from a harmless one.
  schema: `entity User;
entity Fleet;
entity Agent in [Fleet] { suspended?: Bool, kind?: String };
entity Doc;
@scope("docs.read")
action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: { delegation: Remit::Delegation } };
`,
  policies: `@id("all") permit (principal, action, resource);
@id("suspended") forbid (principal is Agent, action, resource) when { principal has suspended && principal.suspended };
@id("crawlers") forbid (principal is Agent, action, resource) when { principal has kind && principal.kind == "crawler" };
`,
});

const AGENTS = ['a', 'b', 'c', 'd'] as const;
type AgentId = (typeof AGENTS)[number];
interface AgentWorld {
  readonly acting: AgentId;
  readonly chain: readonly AgentId[];
  readonly way: 'token' | 'direct' | 'vouched';
  /** The agents from the one that the user delegated to, to the acting one: each passed the delegation on. */
  readonly through: readonly AgentId[];
  /** null: not stored. */
  readonly stored: Readonly<Record<AgentId, Readonly<Record<string, unknown>> | null>>;
}

const attributes = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom({ suspended: true }, { suspended: false }, { kind: 'crawler' }, null) },
);
const agentWorld: fc.Arbitrary<AgentWorld> = fc
  .tuple(fc.shuffledSubarray([...AGENTS], { minLength: 4 }), fc.nat(2), fc.nat(2))
  .chain(([[acting = 'a', ...others], chained, passed]) =>
    fc.record({
      acting: fc.constant(acting),
      chain: fc.constant(others.slice(0, chained)),
      through: fc.constant(others.toReversed().slice(0, passed)),
      way: fc.constantFrom<AgentWorld['way']>('token', 'direct', 'vouched'),
      stored: fc.record({ a: attributes, b: attributes, c: attributes, d: attributes }),
    }),
  );

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

function judge({ acting, chain, through, way, stored }: AgentWorld): Promise<Decision> {
  const hops = [...through, acting];
  const relationships = [
    'doc:plan#reader@user:ann',
    ...AGENTS.map((agent) => `doc:plan#reader@agent:${agent}`),
    `agent:${hops[0] ?? acting}#delegator@user:ann`,
    ...hops.slice(1).map((agent, i) => `agent:${agent}#delegator@agent:${hops[i] ?? ''}`),
  ];
  const entities: StoredEntity[] = AGENTS.flatMap((id) =>
    stored[id] === null ? [] : [entity('agent', id, stored[id])],
  );
  const state = { relationships, entities };
  if (way === 'vouched') return world.ask(state, { assertedAgent: acting });
  const scope = 'docs.read';
  if (way === 'direct')
    return world.ask(state, { subject: { type: 'agent', id: acting, properties: {} } }, { agent: acting, scope });
  return world.ask(
    state,
    {},
    { user: 'ann', agent: acting, chain: chain.length === 0 ? undefined : [...chain], scope },
  );
}

/** The agents on whom the decision rests. */
function listParties({ acting, chain, through, way }: AgentWorld): readonly AgentId[] {
  if (way === 'direct') return [acting];
  return [...new Set([acting, ...(way === 'token' ? chain : []), ...through])];
}

const runs = { numRuns: 300 };

describe('the agents of a decision', () => {
  it('are all stored and free where it allows, and it denies agent_unknown where one is not stored', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(agentWorld, async (w) => {
      const decision = await judge(w);
      const parties = listParties(w);
      const unknown = parties.filter((id) => w.stored[id] === null);
      const isFree = parties.every((id) => {
        const { suspended, kind } = w.stored[id] ?? {};
        return suspended !== true && kind !== 'crawler';
      });
      expect(decision.decision).toBe(unknown.length === 0 && isFree);
      const named = decision.reasons.filter(({ code }) => code === 'agent_unknown').map(({ message }) => message);
      expect(named.length).toBe(unknown.length);
      for (const id of unknown) expect(named.some((message) => message.startsWith(`agent:${id} `))).toBe(true);
      seen.add(`${w.way} ${String(decision.decision)} ${w.through.length} ${unknown.length > 0 ? 'unknown' : ''}`);
    });
    const kinds = [
      ...['token true', 'direct true', 'vouched true'],
      ...['token true 2', 'token false 2 unknown', 'vouched false 2 unknown', 'direct false 0 unknown'],
    ];
    await assertUntilSeen(
      () => fc.assert(property, runs),
      () => kinds.filter((kind) => ![...seen].some((one) => one.startsWith(kind))),
    );
  });

  it('may lose any entity, and a deny stays a deny', async () => {
    await fc.assert(
      fc.asyncProperty(agentWorld, fc.constantFrom(...AGENTS), async (w, lost) => {
        const before = await judge(w);
        const after = await judge({ ...w, stored: { ...w.stored, [lost]: null } });
        if (!before.decision) expect(after.decision).toBe(false);
        if (listParties(w).includes(lost)) expect(after.decision).toBe(false);
      }),
      runs,
    );
  });
});
