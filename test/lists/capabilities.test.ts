/** Capabilities where a question lacks what only the request can say: what can't succeed whatever it says isn't offered. */
import { beforeAll, describe, expect, it } from 'vitest';
import { GraphSnapshot } from '../../src/graph/snapshot.js';
import { findCapabilities } from '../../src/lists/capabilities.js';
import { entity, QUESTION, SmallWorld } from '../law/small-world.js';
import { rulesOf } from '../policy/sources.js';

const RULES = rulesOf({
  zed: `caveat on_site(site string) {
  site == "here"
}

definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user
  relation editor: user with on_site
  permission read = reader
  permission edit = editor
}
`,
  schema: `entity User;
entity Agent;
entity Doc;
action "send" appliesTo { principal: [User, Agent], resource: [Doc], context: { local: Remit::Local, action: { to: String } } };
action "move" appliesTo { principal: [User, Agent], resource: [Doc], context: { local: Remit::Local, can: { edit: Bool } } };
action "sign" appliesTo { principal: [User, Agent], resource: [Doc], context: { action: { name: String } } };
action "drop" appliesTo { principal: [User, Agent], resource: [Doc], context: { action: { why: String } } };
`.replaceAll('\naction', '\n@permission("read") @scope("docs")\naction'),
  policies: `@id("all") permit (principal, action in [Action::"send", Action::"move", Action::"sign"], resource);
@id("nights") forbid (principal, action, resource) when { context has local && context.local.hour < 6 };
@id("editors") forbid (principal, action == Action::"move", resource) unless { context.can.edit };
@id("strangers") forbid (principal, action == Action::"send", resource) when { context.action.to == "all" };
@id("seals") @remedy("approval:edit") forbid (principal, action == Action::"sign", resource);
`,
});

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

const RELATIONSHIPS = ['agent:a#delegator@user:ann', 'doc:plan#reader@user:ann', 'doc:plan#editor@user:ann[on_site]'];

async function list(now: string): Promise<Record<string, string>> {
  const state = { relationships: RELATIONSHIPS, entities: [entity('agent', 'a')], now: new Date(now) };
  const deps = await world.deps(state);
  const token = await world.token({ user: 'ann', agent: 'a', scope: 'docs' });
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
      [status, ...remedies.map(({ type }) => type)].join(' '),
    ]),
  );
}

describe('capabilities', () => {
  it('by day depend on what the request will say', async () => {
    // Nothing permits "drop", whatever the request says.
    expect(await list('2030-03-04T10:00:00Z')).toEqual({ send: 'depends', move: 'depends', sign: 'depends approval' });
  });

  it('at night are without what is forbidden then, whatever the request will say', async () => {
    expect(await list('2030-03-04T02:00:00Z')).toEqual({ sign: 'depends approval' });
  });
});
