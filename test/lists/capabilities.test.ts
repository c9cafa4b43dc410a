/** Capabilities where a question lacks what only the request can say: what can't succeed whatever it says isn't offered. */
import { beforeAll, describe, expect, it } from 'vitest';
import { GraphSnapshot } from '../../src/graph/snapshot.js';
import { findCapabilities } from '../../src/lists/capabilities.js';
import type { Remedy } from '../../src/model/remedies.js';
import { entity, QUESTION, SmallWorld } from '../law/small-world.js';
import { rulesOf } from '../policy/sources.js';

const RULES = rulesOf({
  zed: `use expiration
caveat on_site(site string) {
  site == "here"
}

definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user
  relation editor: user with on_site
  relation guest: user with expiration
  relation peeker: user
  permission read = reader
  permission enter = guest
  permission peek = peeker + reader
  permission edit = editor
}
`,
  schema: `entity User;
entity Agent;
entity Doc;
action "send" appliesTo { principal: [User, Agent], resource: [Doc], context: { local: Remit::Local, action: { to: String } } };
action "move" appliesTo { principal: [User, Agent], resource: [Doc], context: { local: Remit::Local, can: { edit: Bool } } };
action "sign" appliesTo { principal: [User, Agent], resource: [Doc], context: { action: { name: String } } };
action "halt" appliesTo { principal: [User, Agent], resource: [Doc], context: { action: { why: String }, approval?: Remit::Approval } };
action "step" appliesTo { principal: [User, Agent], resource: [Doc], context: { approval?: Remit::Approval } };
action "drop" appliesTo { principal: [User, Agent], resource: [Doc], context: { action: { why: String } } };
@consent("standing")
action "mail", "open", "tell", "late", "long", "once", "urgent" appliesTo { principal: [User, Agent], resource: [Doc], context: { consent?: Remit::Consent, approval?: Remit::Approval } };
@consent("each")
action "pay", "burn" appliesTo { principal: [User, Agent], resource: [Doc], context: { approval?: Remit::Approval } };
`.replaceAll('\naction', '\n@permission("read") @scope("docs")\naction')
    .concat(`@permission("enter") @scope("docs") @elevation("guest by edit for PT1H if peek")
action "enter", "knock" appliesTo { principal: [User, Agent], resource: [Doc], context: { approval?: Remit::Approval } };
`),
  policies: `@id("all") permit (principal, action in [Action::"send", Action::"move", Action::"sign"], resource);
@id("asking") permit (principal, action in [Action::"mail", Action::"open", Action::"tell", Action::"late", Action::"long", Action::"once", Action::"urgent", Action::"halt", Action::"step", Action::"pay", Action::"burn", Action::"enter", Action::"knock"], resource);
@id("consented") forbid (principal is Agent, action == Action::"open", resource) unless { context has consent && context.consent has expires_at };
@id("approved") @remedy("approval:edit") forbid (principal is Agent, action in [Action::"tell", Action::"pay"], resource) unless { context has approval };
@id("never") forbid (principal is Agent, action in [Action::"burn", Action::"knock"], resource);
@id("nights") forbid (principal, action, resource) when { context has local && context.local.hour < 6 };
@id("editors") forbid (principal, action == Action::"move", resource) unless { context.can.edit };
@id("strangers") forbid (principal, action == Action::"send", resource) when { context.action.to == "all" };
@id("asked") @remedy("approval:edit") forbid (principal is Agent, action in [Action::"late", Action::"halt"], resource) unless { context has approval };
@id("undone") forbid (principal is Agent, action in [Action::"late", Action::"halt"], resource) when { context has approval };
@id("lasting") @remedy("approval:edit") forbid (principal is Agent, action == Action::"long", resource) unless { context has approval && context.approval has expires_at && context.approval.expires_at.durationSince(context.approval.approved_at) > duration("15m") };
@id("brief") @remedy("approval:edit") forbid (principal is Agent, action == Action::"once", resource) unless { context has approval && context.approval has expires_at && context.approval.expires_at.durationSince(context.approval.approved_at) <= duration("15m") };
@id("rushed") @remedy("approval:edit") forbid (principal is Agent, action == Action::"urgent", resource) unless { context has approval && context.approval.emergency };
@id("signed-in") @remedy("step_up:high") forbid (principal is Agent, action == Action::"step", resource) unless { principal == Agent::"strong" };
@id("stepped") @remedy("approval:edit") forbid (principal is Agent, action == Action::"step", resource) unless { context has approval };
@id("seals") @remedy("approval:edit") forbid (principal, action == Action::"sign", resource);
`,
});

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

const RELATIONSHIPS = ['agent:a#delegator@user:ann', 'doc:plan#reader@user:ann', 'doc:plan#editor@user:ann[on_site]'];
const DAY = '2030-03-04T10:00:00Z';

async function list(now: string, scope = 'docs', relationships = RELATIONSHIPS): Promise<Record<string, string>> {
  const state = { relationships, entities: [entity('agent', 'a')], now: new Date(now) };
  const deps = await world.deps(state);
  const token = await world.token({ user: 'ann', agent: 'a', scope });
  const capabilities = await findCapabilities(
    (name, type) => ({
      ...QUESTION,
      token,
      action: { name, properties: {} },
      resource: { type, id: '-', properties: {} },
    }),
    new GraphSnapshot(deps.relationships, QUESTION.consistency),
    {
      ...deps,
      entities: { fetch: (needs) => deps.entities.fetch(needs), ids: () => Promise.resolve([]) },
    },
  );
  return Object.fromEntries(
    capabilities.map(({ action, status, remedies }) => [
      action.name,
      [status, ...remedies.map(formatRemedy)].join(' '),
    ]),
  );
}

const formatRemedy = (remedy: Remedy): string =>
  remedy.type === 'approval' ? `approval:${remedy.permission}` : remedy.type;
/** Those for which people can be asked. */
const ASKED = {
  mail: 'remediable consent',
  open: 'remediable consent',
  tell: 'remediable consent approval:edit',
  once: 'remediable consent approval:edit',
  step: 'remediable approval:edit step_up',
  pay: 'remediable approval:edit consent',
  enter: 'remediable approval:edit',
};

describe('capabilities', () => {
  it('by day depend on what the request will say', async () => {
    // Nothing permits "drop", and no approval lifts what forbids "sign" and "halt", whatever the request says.
    expect(await list(DAY)).toEqual({ send: 'depends', move: 'depends', ...ASKED });
  });

  it('at night are without what is forbidden then, whatever the request will say', async () => {
    expect(await list('2030-03-04T02:00:00Z')).toEqual(ASKED);
  });

  it('name a consent beside the scope that lacks as well, and nothing of what a policy forbids whoever says yes', async () => {
    const found = await list(DAY, 'other');
    expect([found['mail'], found['pay'], found['burn'], found['knock']]).toEqual([
      'remediable scope consent',
      'remediable scope approval:edit consent',
      undefined,
      undefined,
    ]);
  });

  it('have a right that may be asked for, only of those who may ask', async () => {
    const peeker = await list(DAY, 'docs', ['agent:a#delegator@user:ann', 'doc:plan#peeker@user:ann']);
    expect(peeker).toEqual({ enter: 'remediable approval:edit' });
    expect(await list(DAY, 'docs', ['agent:a#delegator@user:ann'])).toEqual({});
    expect(await list(DAY, 'docs', ['doc:plan#peeker@user:ann'])).toEqual({});
    const held = [...RELATIONSHIPS, 'doc:plan#guest@user:ann[expiration:2030-03-05T00:00:00Z]'];
    expect((await list(DAY, 'docs', held))['enter']).toBe('allowed');
  });
});
