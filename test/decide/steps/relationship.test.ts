/** The evidence of a permission that a caveat decides: its path, or that it isn't known over which relationships. */
import { beforeAll, expect, it } from 'vitest';
import { startFiles, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startFiles({
    'schema.zed': `caveat at_desk(desk string, wanted string) {
  desk == wanted
}
definition user {}
definition team {
  relation member: user
}
definition doc {
  relation reader: user | user with at_desk | team#member with at_desk
  permission read = reader
}
`,
    'schema.cedarschema': 'entity User; entity Doc; @title("Read") action "read" appliesTo { principal: [User], resource: [Doc] };\n',
    'policies/all.cedar': '@id("all") permit (principal, action, resource);\n',
    'world.yaml': `relationships: |
  doc:one#reader@user:ann[at_desk:{"wanted":"front"}]
  doc:two#reader@team:a#member[at_desk:{"wanted":"front"}]
  doc:two#reader@team:b#member[at_desk:{"wanted":"back"}]
  team:a#member@user:ann
  team:b#member@user:ann
`,
  }); // prettier-ignore
  return () => remit.stop();
});

it.each([
  ['one', { path: ['doc:one#reader@user:ann'] }],
  ['two', { path_unknown: 'a caveat decides, which leaves open over which relationships' }],
])('Of doc:%s: %j', async (id, evidence) => {
  const { decision, context } = await remit.evaluate({
    subject: { type: 'user', id: 'ann' },
    action: { name: 'read' },
    resource: { type: 'doc', id },
    context: { mode: 'human', desk: 'front' },
  });
  expect(decision).toBe(true);
  const step = context?.rationale.steps.find((one) => one.step === 'relationship');
  const { permission, revision, ...rest } = step?.evidence ?? {};
  expect([permission, typeof revision, rest]).toEqual(['read', 'string', evidence]);
});
