/** What a set of policies gives up: found whatever became of a forbid, a duty, a file, a schema or a suite, and never where something is only added. */
import { describe, expect, it } from 'vitest';
import { findRelaxations, type TestedRules } from '../../../src/service/reload/relaxations.js';
import { loadRules } from '../../../src/policy/load.js';

const ZED = `definition user {}
definition agent { relation delegator: user }
definition note {
  relation owner: user
  relation reader: user | user:*
  permission edit = owner
  permission view = owner + reader
}
caveat by_day(hour int) { hour < 18 }
`;
const CEDAR = `entity User;
entity Agent { suspended: Bool };
entity Note { @class("pii") phone?: String };
@permission("view") @scope("notes.read") @title("Read a note")
action "read" appliesTo { principal: [Agent, User], resource: [Note], context: { delegation: Remit::Delegation } };
`;
const PERMIT = '@id("read")\npermit (principal, action == Action::"read", resource);\n';
const FORBID =
  '@id("suspended")\n@title("No suspended agents")\nforbid (principal is Agent, action, resource) when { principal.suspended };\n';
const DUTY = '@id("hide")\n@duty("mask:pii")\npermit (principal is Agent, action, resource);\n';

interface Files {
  readonly zed: string;
  readonly cedar: string;
  readonly policies: Readonly<Record<string, string>>;
  readonly suites: Readonly<Record<string, string>>;
}
const FILES: Files = {
  zed: ZED,
  cedar: CEDAR,
  policies: { 'a.cedar': PERMIT, 'b.cedar': FORBID, 'c.cedar': DUTY },
  suites: { 'a_test.yaml': '1' },
};
const read = (change: Partial<Files>): TestedRules => {
  const { zed, cedar, policies, suites } = { ...FILES, ...change };
  return {
    rules: loadRules({
      relationships: { name: 'a.zed', text: zed },
      actions: [{ name: 'a.cedarschema', text: cedar }],
      policies: Object.entries(policies).map(([name, text]) => ({ name, text })),
    }),
    suites: Object.entries(suites).map(([name, sha256]) => ({ name, sha256 })),
  };
};
const found = (change: Partial<Files>): string[] => findRelaxations(read({}), read(change));
const { policies: P } = FILES;

describe('is given up', () => {
  it.each<[string, Partial<Files>, string[]]>([
    ['a forbid that is gone', { policies: { ...P, 'b.cedar': '// nothing\n' } }, ['b.cedar is gone, with its policies', 'forbid "suspended" is gone']],
    ['a file of permits', { policies: { 'b.cedar': FORBID, 'c.cedar': DUTY } }, ['a.cedar is gone, with its policies']],
    ['a forbid that is a permit', { policies: { ...P, 'b.cedar': FORBID.replace('forbid', 'permit') } }, ['forbid "suspended" is a permit now']],
    ['a forbid that is a duty', { policies: { ...P, 'b.cedar': FORBID.replace('forbid', '@duty("mask:pii")\npermit') } }, ['forbid "suspended" is a duty now']],
    ['a forbid with another condition', { policies: { ...P, 'b.cedar': FORBID.replace('principal.suspended', 'principal.suspended && principal == Agent::"x"') } }, ['forbid "suspended" is changed']],
    ['a forbid with another scope', { policies: { ...P, 'b.cedar': FORBID.replace('action,', 'action == Action::"read",') } }, ['forbid "suspended" is changed']],
    ['a forbid that can be lifted', { policies: { ...P, 'b.cedar': `@remedy("consent")\n${FORBID}` } }, ['forbid "suspended" is changed']],
    ['a forbid with another name', { policies: { ...P, 'b.cedar': FORBID.replace('"suspended"', '"gone"') } }, ['forbid "suspended" is gone']],
    ['a duty that is gone', { policies: { ...P, 'c.cedar': PERMIT.replace('"read"', '"other"') } }, ['duty "hide" is gone']],
    ['a duty that only permits', { policies: { ...P, 'c.cedar': DUTY.replace('@duty("mask:pii")\n', '') } }, ['duty "hide" is a permit now']],
    ['a duty that does less', { policies: { ...P, 'c.cedar': DUTY.replace('mask:pii', 'notification:owner') } }, ['duty "hide" is changed']],
    ['a permission that is wider', { zed: ZED.replace('permission edit = owner', 'permission edit = owner + reader') }, ['permission edit of definition note of the SpiceDB schema is changed or gone']],
    ['a relation that takes more', { zed: ZED.replace('relation owner: user', 'relation owner: user | user:*') }, ['relation owner of definition note of the SpiceDB schema is changed or gone']],
    ['a caveat that holds longer', { zed: ZED.replace('< 18', '< 24') }, ['caveat by_day of the SpiceDB schema is changed or gone']],
    ['an action without its scope', { cedar: CEDAR.replace('@scope("notes.read")', '') }, ['action Action::"read" of the Cedar schema is changed or gone']],
    ['an action with another permission', { cedar: CEDAR.replace('"view"', '"edit"') }, ['action Action::"read" of the Cedar schema is changed or gone']],
    ['a suite', { suites: {} }, ['the tests in a_test.yaml are gone']],
    ['a suite under another name with another text', { suites: { 'b_test.yaml': '2' } }, ['the tests in a_test.yaml are gone']],
  ])('%s', (_what, change, told) => {
    expect(found(change)).toEqual(told);
  }); // prettier-ignore

  it('a class of the type that it is on, with every action on that type', () => {
    const cedar = CEDAR.replace('@class("pii")', '@class("secret")');
    expect(found({ cedar, policies: { ...P, 'c.cedar': DUTY.replace('mask:pii', 'mask:secret') } })).toEqual([
      'duty "hide" is changed',
      'action Action::"read" of the Cedar schema is changed or gone',
      'entity Note of the Cedar schema is changed or gone',
    ]);
  });
});

describe('is not given up', () => {
  it.each<[string, Partial<Files>]>([
    ['anything of the same files', {}],
    ['a policy in a file that is renamed', { policies: { 'z.cedar': FORBID, 'a.cedar': PERMIT, 'c.cedar': DUTY } }],
    ['a policy that moved into another file', { policies: { 'a.cedar': `${PERMIT}${FORBID}`, 'c.cedar': DUTY } }],
    ['a policy with another title, comment and white space', { policies: { ...P, 'b.cedar': `// why\n${FORBID.replace('No suspended', 'None').replace(' when', '\n  when')}` } }],
    ['anything where policies are added', { policies: { ...P, 'd.cedar': FORBID.replace('suspended"', 'more"') } }],
    ['a permit that is one of several in its file', { policies: { ...P, 'b.cedar': `${FORBID}${PERMIT.replace('"read"', '"more"')}` } }],
    ['anything where definitions, members and caveats are added', { zed: `${ZED.replace('permission edit', 'relation auditor: user\n  permission edit')}definition file {}\ncaveat c(a int) { a > 1 }` }],
    ['a schema with other comments', { zed: `/* hi */ ${ZED.replace('permission', '// why\n permission')}` }],
    ['anything where an action is added', { cedar: `${CEDAR}@permission("edit") @title("Edit") action "edit" appliesTo { principal: [User], resource: [Note] };` }],
    ['an action with another title', { cedar: CEDAR.replace('Read a note', 'Look at a note') }],
    ['a suite that is renamed, changed or added', { suites: { 'a_test.yaml': '3', 'b_test.yaml': '2' } }],
    ['a suite that is only renamed', { suites: { 'b_test.yaml': '1' } }],
  ])('%s', (_what, change) => {
    expect(found(change)).toEqual([]);
  }); // prettier-ignore
});
