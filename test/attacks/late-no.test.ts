/**
 * A forbid on what an expired exemption had lifted: a SpiceDB server goes on saying no from its cache, and a policy must
 * not allow by that.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ON_SERVER, startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `use expiration
definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation viewer: user
  relation member: user
  relation exempt: user with expiration
  permission view = viewer
  permission restricted = member - exempt
}
`,
  'schema.cedarschema': `entity User;
entity Agent;
entity Doc;
@scope("read") @permission("view") action "read" appliesTo { principal: [Agent, User], resource: [Doc], context: { can: { restricted: Bool } } };
`,
  'policies/all.cedar': `@id("read") permit (principal, action, resource);
@id("restricted") forbid (principal, action, resource) when { context.can.restricted };
`,
  'world.yaml': stringify({
    relationships: '',
    entities: [
      { type: 'user', id: 'ann' },
      { type: 'doc', id: 'd' },
    ],
  }),
};

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(FILES, { issuers: [], clients: [] });
  return () => remit.stop();
});

it('allows nothing once the exemption has expired, though nothing was written', async () => {
  const end = Date.now() + 2_500;
  await remit.touch('doc:d#viewer@user:ann', 'doc:d#member@user:ann');
  await remit.touch(`doc:d#exempt@user:ann[expiration:${new Date(end).toISOString()}]`);
  const ask = (): Promise<Answer> =>
    remit.evaluate({
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      resource: { type: 'doc', id: 'd' },
      context: { mode: 'human' },
    });
  // The embedded engine knows it exactly; what a server says can't be believed either way.
  const before = await ask();
  expect(before.context?.reasons.map(({ code }) => code)).toEqual(ON_SERVER ? ['graph_unanswerable'] : []);
  await sleep(end - Date.now());
  for (let i = 0; i < 10; i += 1) {
    const after = await ask();
    expect(after.decision).toBe(false);
    expect(['policy_forbid', 'graph_unanswerable']).toContain(after.context?.reason);
    await sleep(50);
  }
});
