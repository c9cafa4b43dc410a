/** Lints: each finds what it is for, at its place, and nothing where it isn't certain. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProject } from '../../../src/author/check/check.js';
import { runLints, LINTS } from '../../../src/policy/lint/lints.js';
import { readRules } from '../../../src/policy/load.js';

const ZED = `definition user {}
definition agent { relation delegator: user
}
definition team { relation member: user | team#member
}
definition doc {
  relation owner: user | team#member
  relation robot: agent
  permission view = owner
  permission edit = owner
}
`;
const SCHEMA = `entity User in [Group];
entity Group;
entity Agent { suspended: Bool, kind: String };
entity Doc { status?: String };
action "writes";
action "view" appliesTo { principal: [User, Agent], resource: [Doc], context: { delegation: Remit::Delegation } };
action "edit" in ["writes"] appliesTo { principal: [User, Agent], resource: [Doc], context: { delegation: Remit::Delegation } };
`;
const BASE = `@id("all") permit (principal, action, resource);
@id("deep") forbid (principal, action, resource) when { context.delegation.depth > 5 };
`;

interface Texts {
  readonly zed?: string;
  readonly schema?: string;
  readonly policies?: string;
  readonly unseen?: ReadonlyMap<string, readonly string[]>;
  readonly configured?: readonly string[];
}

/** The findings of a set of rules, as `file:line rule message`. */
function lints({ zed = ZED, schema = SCHEMA, policies = '', unseen, configured }: Texts): string[] {
  const { rules, findings, locateDeclaration } = readRules({
    relationships: { name: 'z', text: zed },
    actions: [{ name: 's', text: schema }],
    policies: [{ name: 'p', text: `${BASE}${policies}` }],
  });
  if (rules === undefined) throw new Error(JSON.stringify(findings));
  return runLints({ rules, locateDeclaration, configuredPermissions: new Set(configured), untestedKinds: unseen }).map(
    (f) => `${f.file}:${f.line}:${f.column} ${f.rule} ${f.message}`,
  );
}
const forbid = (id: string, when: string, scope = 'principal, action, resource'): string =>
  `@id("${id}") forbid (${scope})${when === '' ? '' : ` ${when}`};\n`;
const permit = (id: string, when: string): string => `@id("${id}") permit (principal, action, resource) ${when};\n`;

it('finds nothing in what is as it should be', () => {
  expect(lints({})).toEqual([]);
});

it('has a name, a title, a reason and a cure for each lint', () => {
  expect(new Set(LINTS.map(({ rule }) => rule)).size).toBe(LINTS.length);
  for (const { rule, title, why, cure } of LINTS) {
    expect(rule).toMatch(/^[a-z]+(-[a-z]+)+$/);
    for (const text of [title, why, cure]) expect(text).toMatch(/^\S.{8,}/);
  }
});

describe('never-applies', () => {
  const schema = SCHEMA.replaceAll('Remit::Delegation }', 'Remit::Delegation, local: Remit::Local, now: datetime }');
  const found = (when: string): string[] =>
    lints({ schema, policies: forbid('x', when) }).filter((text) => text.includes('never-applies'));

  it.each([
    ['a condition and its opposite', 'when { resource has status && resource.status == "a" } unless { resource.status == "a" }', 'it asks for a condition and its opposite'],
    ['both by &&', 'when { context.delegation.mode == "direct" && !(context.delegation.mode == "direct" || resource has status) }', 'it asks for a condition and its opposite'],
    ['two values of one attribute', 'when { resource has status && resource.status == "a" } when { "b" == resource.status }', 'resource.status can\'t be both "a" and "b"'],
    ['hours over midnight', 'when { context.local.hour >= 22 && context.local.hour < 6 }', "context.local.hour can't be within two ranges that don't meet"],
    ['an hour and its neighbour', 'when { 5 < context.local.hour } unless { context.local.hour > 5 }', "context.local.hour can't be within two ranges that don't meet"],
    ['a range between two whole numbers', 'when { context.delegation.depth > 2 && context.delegation.depth < 3 }', "context.delegation.depth can't be within two ranges that don't meet"],
    ['an hour that there is not', 'when { context.local.hour > 23 }', 'context.local.hour is never more than 23'],
    ['a weekday that there is not', 'when { context.local.weekday == 0 }', 'context.local.weekday is never 0, only 1 to 7'],
    ['a depth below none', 'when { context.delegation.depth < 0 }', 'context.delegation.depth is never less than 0'],
    ['a value outside its range', 'when { context.local.hour == 5 && context.local.hour >= 9 }', "context.local.hour can't be 5 by the other conditions on it"],
    ['a value and not the value', 'when { resource has status && resource.status == "a" && resource.status != "a" }', 'resource.status can\'t be "a" by the other conditions on it'],
    ['one of a list and none of it', 'when { ["a", "b"].contains(context.delegation.access) }', 'context.delegation.access is never "a" or "b", only "online" or "background"'],
    ['two lists without a common value', 'when { resource has status && ["a", "b"].contains(resource.status) && "c" == resource.status }', 'resource.status can\'t be both "a" or "b" and "c"'],
    ['none of all modes', 'when { context.delegation.access != "online" } unless { context.delegation.access == "background" }', 'context.delegation.access is always "online" or "background"'],
    ['two instants the wrong way round', 'when { context.now > datetime("2030-01-02") && context.now < datetime("2030-01-01") }', "context.now can't be within two ranges that don't meet"],
    ['times of day over midnight', 'when { context.now.toTime() >= duration("22h") && context.now.toTime() < duration("6h") }', "context.now.toTime() can't be within two ranges that don't meet"],
    ['a mode that there is not', 'when { context.delegation.mode == "delegate" }', 'context.delegation.mode is never "delegate", only "delegated" or "direct" or "human"'],
  ])('is %s', (_, when, why) => {
    expect(found(when)).toEqual([`p:3:1 never-applies "x" can never apply: ${why}`]);
  }); // prettier-ignore

  it.each([
    'when { resource has status } unless { resource.status == "a" }',
    'when { resource has status && (resource.status == "a" || resource.status == "b") }',
    'when { context.delegation.mode == "direct" }',
    'unless { context.delegation.mode == "delegate" }',
    'when { context.local.hour >= 22 || context.local.hour < 6 }',
    'unless { context.local.hour >= 9 && context.local.hour < 17 }',
    'when { context.local.hour >= 5 && context.local.hour <= 5 }',
    'when { context.local.hour >= 5 && context.local.minute < 5 }',
    'when { context.delegation.depth > 2 && context.delegation.depth < 4 }',
    'when { resource has status && resource.status != "a" && ["a", "b"].contains(resource.status) }',
    'when { context.now > datetime("2030-01-01") && context.now < datetime("2030-01-02") && context.now.toTime() < duration("6h") }',
    'when { context.now.toTime() < duration("6h") && context.now > datetime("1970-01-01T07:00:00Z") }',
  ])('is not %s', (when) => expect(found(when)).toEqual([]));
});

describe('idle-condition', () => {
  const schema = SCHEMA.replaceAll('Remit::Delegation }', 'Remit::Delegation, local: Remit::Local, now: datetime }');
  const found = (when: string, scope?: string): string[] =>
    lints({ schema, policies: forbid('x', when, scope) }).filter((text) => !text.includes('unread-context'));
  const AGENTS = 'principal is Agent, action, resource';

  it.each([
    ['unless { context.local.hour >= 22 && context.local.hour < 6 }', "its unless can never hold, since context.local.hour can't be within two ranges that don't meet"],
    ['unless { context.delegation.mode == "delegate" }', 'its unless can never hold, since context.delegation.mode is never "delegate", only "delegated" or "direct" or "human"'],
    ['unless { context.local.weekday == 0 || resource has status }', 'a part of its unless can never hold, since context.local.weekday is never 0, only 1 to 7'],
    ['unless { false }', 'its unless can never hold, since it is false'],
  ])('is an exception that is never made: %s', (when, why) => {
    expect(found(when)).toEqual([`p:3:1 idle-condition "x" has no such exception: ${why}`]);
  }); // prettier-ignore

  it.each([
    ['when { context.local.hour >= 0 }', 'its when always holds: the opposite never does, since context.local.hour is never less than 0'],
    ['when { context.delegation.depth >= 0 && resource has status }', 'a part of its when always holds: the opposite never does, since context.delegation.depth is never less than 0'],
    ['when { resource has status || !(resource has status) }', 'its when always holds: the opposite never does, since it asks for a condition and its opposite'],
    ['when { context.local.weekday != 0 }', 'its when always holds: the opposite never does, since context.local.weekday is never 0, only 1 to 7'],
  ])('is a condition that always holds: %s', (when, why) => {
    expect(found(when)).toEqual([`p:3:1 idle-condition "x" isn't restricted so: ${why}`]);
  }); // prettier-ignore

  it.each([
    ['unless { principal is User }', AGENTS],
    ['when { principal.suspended } unless { principal in Group::"staff" }', AGENTS],
    ['unless { resource == Doc::"a" && principal is User }', AGENTS],
  ])('is an exception that types rule out: %s of %s', (when, scope) => {
    expect(found(when, scope)).toEqual([
      'p:3:1 idle-condition "x" has no such exception: its unless can never hold, by the types of the schema',
    ]);
  });

  it.each([
    ['unless { context.local.hour >= 9 && context.local.hour < 17 }'],
    ['unless { context.local.hour >= 22 || context.local.hour < 6 }'],
    ['unless { resource has status && resource.status == "a" }'],
    ['when { principal is User } unless { resource has status }'],
    ['unless { principal is User && principal in Group::"staff" }'],
    ['when { resource has status && (resource.status == "a" || resource.status == "b") }'],
    ['when { principal.suspended }', AGENTS],
    ['when { resource has status } unless { resource.status == "a" }'],
  ])('is not %s', (when, scope?: string) => expect(found(when, scope)).toEqual([]));

  it('is in no policy of the sample or of a template', async () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    const templates = readdirSync(join(root, 'fixtures/templates')).map((name) => `fixtures/templates/${name}/remit.yaml`);
    for (const config of ['fixtures/acme.remit.yaml', ...templates]) {
      const { rules, findings } = await checkProject(join(root, config), { env: {} });
      expect(rules?.policies.size, config).toBeGreaterThan(3);
      expect(findings, config).toEqual([]);
    }
  }, 120_000); // prettier-ignore
});

describe('never-applies, by each hour that there is', () => {
  const hour = fc.record({
    operator: fc.constantFrom('<', '<=', '>', '>=', '==', '!='),
    limit: fc.integer({ min: -2, max: 26 }),
    mirrored: fc.boolean(),
    negated: fc.boolean(),
  });
  type Condition = typeof hour extends fc.Arbitrary<infer T> ? T : never;
  const write = ({ operator, limit, mirrored, negated }: Condition): string => {
    const text = mirrored ? `${limit} ${operator} context.local.hour` : `context.local.hour ${operator} ${limit}`;
    return negated ? `!(${text})` : text;
  };
  const holds = ({ operator, limit, mirrored, negated }: Condition, value: number): boolean => {
    const [a, b] = mirrored ? [limit, value] : [value, limit];
    const results = { '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b, '==': a === b, '!=': a !== b };
    return results[operator] !== negated;
  };

  it('is a policy that applies at none of them, and each such whose conditions are ranges', () => {
    const sets = fc.sample(fc.array(hour, { minLength: 1, maxLength: 4 }), 400);
    const policies = sets.map((set, i) => forbid(`h${i}`, `when { ${set.map(write).join(' && ')} }`)).join('');
    const schema = SCHEMA.replaceAll('Remit::Delegation }', 'Remit::Delegation, local: Remit::Local }');
    const found = new Set(
      lints({ schema, policies }).flatMap((text) => /never-applies "(h\d+)"/.exec(text)?.slice(1) ?? []),
    );
    for (const [i, set] of sets.entries()) {
      const applies = Array.from({ length: 24 }, (_, value) => value).some((v) => set.every((one) => holds(one, v)));
      if (found.has(`h${i}`)) expect([set, applies]).toEqual([set, false]);
      const isRange = ({ operator, negated }: Condition): boolean =>
        !['==', '!='].includes(operator) || (operator === '==') !== negated;
      if (set.every(isRange) && !applies) expect([...found]).toContain(`h${i}`);
    }
    expect(found.size).toBeGreaterThan(20);
    // An exception of the same conditions can never be made.
    const exceptions = sets.map((set, i) => forbid(`h${i}`, `unless { ${set.map(write).join(' && ')} }`)).join('');
    const idle = lints({ schema, policies: exceptions }).flatMap((text) =>
      text.includes('no such exception') ? (/idle-condition "(h\d+)"/.exec(text)?.slice(1) ?? []) : [],
    );
    expect(new Set(idle)).toEqual(found);
  });
});

describe('shadowed-forbid', () => {
  const agent = 'principal is Agent, action, resource';
  const suspended = 'when { principal.suspended }';
  it.each([
    ['one that asks for more', forbid('a', suspended, agent) + forbid('b', 'when { principal.kind == "x" && principal.suspended }', agent), 4, 'b', 'a'],
    ['the same of one action', forbid('b', suspended, 'principal is Agent, action == Action::"edit", resource') + forbid('a', suspended, agent), 3, 'b', 'a'],
    ['an action of a group', forbid('a', '', 'principal, action in Action::"writes", resource') + forbid('b', '', 'principal, action == Action::"edit", resource'), 4, 'b', 'a'],
    ['one agent', forbid('a', suspended, agent) + forbid('b', suspended, 'principal == Agent::"x", action, resource'), 4, 'b', 'a'],
    ['the same, in other words', forbid('a', 'when { resource has status && principal.suspended }', agent) + forbid('b', 'unless { !principal.suspended || !(resource has status) }', agent), 4, 'b', 'a'],
  ])('is %s', (_, policies, line, one, other) => {
    expect(lints({ policies })).toEqual([
      expect.stringContaining(`p:${line}:1 shadowed-forbid "${one}" forbids nothing that "${other}" (p:`),
    ]);
  }); // prettier-ignore

  it.each([
    ['one that asks for something else', forbid('a', 'when { principal.kind == "x" }', agent) + forbid('b', suspended, agent)],
    ['a wider scope', forbid('a', '', agent) + forbid('b', 'when { resource has status }', 'principal, action, resource')],
    ['a group of people, which may be anybody', forbid('a', '', 'principal in Group::"x", action, resource') + forbid('b', '', 'principal == User::"x", action, resource')],
    ['one without the remedy of the other', `@remedy("approval:edit") ${forbid('a', suspended, agent)}${forbid('b', 'when { principal.suspended && principal.kind == "x" }', agent)}`],
    ['a duty', `@id("a") @duty("notification:x") permit (principal is Agent, action, resource);\n${forbid('b', suspended, agent)}`],
    ['an alternative', forbid('a', 'when { principal.suspended && principal.kind == "x" }', agent) + forbid('b', 'when { principal.suspended || principal.kind == "x" }', agent)],
  ])('is not %s', (_, policies) => {
    expect(lints({ policies }).filter((text) => text.includes('shadowed'))).toEqual([]);
  }); // prettier-ignore
});

describe('missing-delegator', () => {
  const robots = 'definition agent {}';
  it('is a definition of agents that no user can delegate to', () => {
    expect(lints({ zed: ZED.replace(/definition agent \{[^}]*\}/, robots) })).toEqual([
      'z:2:1 missing-delegator "agent" has no relation "delegator", so no agent can act for a user',
    ]);
  });

  it('is none where agents act for themselves alone', () => {
    const schema = SCHEMA.replaceAll('[User, Agent]', '[Agent]');
    expect(lints({ schema, zed: ZED.replace(/definition agent \{[^}]*\}/, robots) }).filter((text) => text.includes('delegator'))).toEqual([]);
  }); // prettier-ignore
});

describe('widening-permit', () => {
  it.each([
    ['when { context.delegation.depth > 1 }', 'permits more the longer'],
    ['when { 1 < context.delegation.depth || resource has status }', 'permits more the longer'],
    ['unless { context.delegation.depth <= 1 }', 'permits more the longer'],
    ['when { context.delegation.scopes.contains("x") }', 'grants because of a scope'],
    ['when { resource has status && context.delegation.scopes.containsAny(["x"]) }', 'grants because of a scope'],
    ['unless { context.delegation.scopes.contains("x") }', 'permits with fewer scopes'],
    ['when { !context.delegation.scopes.contains("x") }', 'permits with fewer scopes'],
    ['when { context.delegation.scopes.isEmpty() }', 'permits with fewer scopes'],
  ])('is %s', (when, why) => {
    expect(lints({ policies: permit('x', when) })).toEqual([
      expect.stringContaining(`p:3:1 widening-permit "x" ${why}`),
    ]);
  });

  it.each(['when { context.delegation.depth < 3 }', 'when { context.delegation.mode == "human" }'])(
    'is not %s',
    (when) => expect(lints({ policies: permit('x', when) })).toEqual([]),
  );
});

describe('relaxed-forbid', () => {
  it.each([
    ['when { context.delegation.scopes.contains("x") }', 'forbids because of a scope'],
    ['unless { !context.delegation.scopes.contains("x") }', 'forbids because of a scope'],
    ['when { if context.delegation.scopes.contains("x") then principal is Agent else false }', 'forbids because'],
    ['when { context.delegation.depth < 2 }', 'forbids less the longer'],
    ['unless { context.delegation.depth > 1 }', 'forbids less the longer'],
  ])('is %s', (when, why) => {
    expect(lints({ policies: forbid('x', when) })).toEqual([
      expect.stringContaining(`p:3:1 relaxed-forbid "x" ${why}`),
    ]);
  });

  it.each(['unless { context.delegation.scopes.contains("x") }', 'when { context.delegation.depth > 2 }'])(
    'is not %s',
    (when) => expect(lints({ policies: forbid('x', when) })).toEqual([]),
  );
});

describe('named-approver', () => {
  const named = (found: readonly string[]): string[] => found.filter((text) => text.includes(' named-approver '));
  const schema = SCHEMA.replaceAll('Remit::Delegation }', 'Remit::Delegation, approval?: Remit::Approval }');
  const asking = (unless: string, remedy = 'approval:edit'): string[] =>
    lints({ schema, policies: `@remedy("${remedy}") ${forbid('x', `unless { context has approval && ${unless} }`)}` });

  it.each([
    ['context.approval.by == "user:carol"', 'by'],
    ['["user:carol", "user:dan"].contains(context.approval.by)', 'by'],
    ['context.approval.approvers.contains("user:carol")', 'approvers'],
    ['!context.approval.emergency', 'emergency'],
  ])('is one that is lifted where %s', (unless, member) => {
    const message = `p:3:1 named-approver "x" asks for an approval, and reads who gave it (context.approval.${member})`;
    expect(asking(unless)).toEqual([message]);
    expect(asking(unless, 'consent, approval:edit')).toEqual([message]);
  });

  it('is none that reads that there is an approval, or when it was given, and none that asks for no approval', () => {
    expect(asking('context.approval.approved_at > datetime("2020-01-01")')).toEqual([]);
    expect(asking('context.approval has expires_at')).toEqual([]);
    expect(named(asking('context.approval.by == "user:carol"', 'consent'))).toEqual([]);
  });
});

describe('unliftable-forbid', () => {
  const schema = SCHEMA.replaceAll('Remit::Delegation }', 'Remit::Delegation, approval?: Remit::Approval }');
  const asked = (when: string, remedy = '@remedy("approval:edit") ', texts: Texts = { schema }): string[] =>
    lints({ ...texts, policies: `${remedy}${forbid('x', when)}` }).filter((text) =>
      text.includes(' unliftable-forbid '),
    );

  it('is one with a remedy that its condition does not read, one that reads what nobody can be asked for, or what an action lacks', () => {
    expect(asked('when { context.delegation.depth > 2 }')).toEqual([
      'p:3:1 unliftable-forbid "x" asks for an approval, and does not read context.approval: none lifts it',
    ]);
    expect(asked('unless { context has approval }', '')).toEqual([
      'p:3:1 unliftable-forbid "x" makes an exception of what is approved, and no @remedy says who approves: nobody can be asked',
    ]);
    const half = SCHEMA.replace('Remit::Delegation }', 'Remit::Delegation, approval?: Remit::Approval }');
    expect(asked('unless { context has approval }', undefined, { schema: half })).toEqual([
      'p:3:1 unliftable-forbid "x" asks for an approval, which Action::"edit" does not declare: none lifts it there',
    ]);
  });

  it.each([
    ['when { context has approval && context.delegation.depth > 2 }', 'forbids only what has one: there is none to ask for'],
    ['unless { !(context has approval) }', 'forbids only what has one: there is none to ask for'],
    ['when { context has approval || context.delegation.depth > 2 }', 'forbids the same with the one that would be given: none lifts it'],
    ['unless { context has approval && context.approval.emergency }', 'forbids the same with the one that would be given: none lifts it'],
    ['when { context.delegation.depth > 2 } unless { context has approval && context.approval.emergency && context.approval.by == "user:a" }', 'forbids the same with the one that would be given: none lifts it'],
    ['when { if context has approval then context.delegation.depth > 2 else context.delegation.depth > 2 }', 'forbids the same with the one that would be given: none lifts it'],
  ])('is one that an approval does not lift: %s', (when, problem) => {
    expect(asked(when)).toEqual([`p:3:1 unliftable-forbid "x" asks for an approval, and ${problem}`]);
  }); // prettier-ignore

  it.each([
    'unless { context has approval && !context.approval.emergency }',
    'unless { context has approval && context.approval.by == "user:a" }',
    'unless { context has approval && context.approval has expires_at && context.approval.expires_at > datetime("2031-01-01") }',
    'unless { (context has approval) == true }',
    'when { if context has approval then context.delegation.depth > 9 else context.delegation.depth > 2 }',
    'unless { context.delegation.depth < 2 || context has approval }',
  ])('is none that one may lift: %s', (when) => {
    expect(asked(when)).toEqual([]);
  });

  it('is one beside a forbid of all that is approved', () => {
    const asking = `@remedy("approval:edit") ${forbid('x', 'unless { context has approval }')}`;
    const found = (other: string): string[] =>
      lints({ schema, policies: `${asking}\n${other}` }).filter((text) => text.includes(' unliftable-forbid '));
    expect(found(forbid('y', 'when { context has approval }'))).toEqual([
      expect.stringMatching(/^p:3:1 unliftable-forbid "x" asks for an approval, and "y" \(.*\) forbids what has one: none lifts it$/),
    ]);
    expect(found(forbid('y', 'when { context has approval && context.delegation.depth > 2 }'))).toEqual([]);
    expect(found('@id("y") forbid (principal, action == Action::"view", resource) when { context has approval };')).toEqual([]);
  }); // prettier-ignore

  it('is none that an approval lifts, and none that forbids what is approved', () => {
    expect(asked('unless { context has approval }')).toEqual([]);
    expect(asked('when { !(context has approval) }')).toEqual([]);
    expect(asked('when { context has approval && context.delegation.depth > 2 }', '')).toEqual([]);
  });
});

describe('untested-permit', () => {
  const kinds = ['user view doc', 'agent view doc', 'user edit doc', 'agent edit doc'];
  const policies = permit('other', 'when { resource has status }');
  const unseen = (...of: readonly string[]): ReadonlyMap<string, readonly string[]> => new Map([['all', []], ['other', of]]); // prettier-ignore

  it('is one that the tests do not show permitting; without tests it is none', () => {
    expect(lints({ policies, unseen: unseen(...kinds) })).toEqual([
      'p:3:1 untested-permit no test shows "other" permitting anything',
    ]);
    expect(lints({ policies, unseen: unseen() })).toEqual([]);
    expect(lints({ policies })).toEqual([]);
  });

  it('is one that takes more than they show', () => {
    expect(lints({ policies, unseen: unseen('agent edit doc') })).toEqual([
      'p:3:1 untested-permit no test shows "other" permitting agent edit doc',
    ]);
  });

  it('need not show what is always forbidden', () => {
    const never = forbid('never', '', 'principal is Agent, action == Action::"edit", resource');
    const now_and_then = forbid('some', 'when { resource has status }', 'principal is Agent, action == Action::"edit", resource'); // prettier-ignore
    const found = (more: string): string[] => lints({ policies: `${policies}${more}`, unseen: unseen('agent edit doc') }).filter((f) => f.includes('untested')); // prettier-ignore
    expect([found(never).length, found(now_and_then).length]).toEqual([0, 1]);
  });
});

describe('unpermitted-action', () => {
  it('is one that no permit takes; duties permit nothing', () => {
    const { rules, locateDeclaration } = readRules({
      relationships: { name: 'z', text: ZED },
      actions: [{ name: 's', text: SCHEMA }],
      policies: [
        {
          name: 'p',
          text: `@id("v") permit (principal, action == Action::"view", resource) when { context.delegation.depth < 3 };
@id("d") @duty("notification:x") permit (principal, action, resource) when { context.delegation.depth < 3 };`,
        },
      ],
    });
    if (rules === undefined) throw new Error('does not load');
    const found = runLints({ rules, locateDeclaration, configuredPermissions: new Set(), untestedKinds: undefined });
    expect(found.map((f) => `${f.line} ${f.rule} ${f.message}`)).toEqual([
      '7 unpermitted-action no permit takes Action::"edit"',
    ]);
  });
});

describe('unreachable-permission', () => {
  it.each([
    ['the gate, where only a team itself holds it', 'permission view = owner', 'permission view = nobody', 'relation robot: agent', 'relation robot: agent\n  relation nobody: team'],
    ['a gate that two never hold at once', 'permission view = owner', 'permission view = owner & other', 'relation robot: agent', 'relation robot: agent\n  relation other: team'],
    ['nil', 'permission view = owner', 'permission view = nil', '', ''],
  ])('is %s', (_, from, to, also, more) => {
    expect(lints({ zed: ZED.replace(from, to).replace(also, more) })).toEqual([
      's:6:8 unreachable-permission no user or agent can ever hold "view" on "doc"',
    ]);
  }); // prettier-ignore

  it('is a member of can that no user, and of agent_can that no agent can hold', () => {
    const schema = SCHEMA.replace(
      'delegation: Remit::Delegation } };\naction "edit"',
      'delegation: Remit::Delegation, can: { robot: Bool }, agent_can: { owner: Bool, robot: Bool } } };\naction "edit"',
    ).replace('action "view" appliesTo { principal: [User, Agent]', 'action "view" appliesTo { principal: [Agent]');
    const reads = 'when { context.agent_can.owner || context.agent_can.robot || context.can.robot }';
    const policies = forbid('x', reads, 'principal, action == Action::"view", resource');
    expect(lints({ schema, policies })).toEqual([
      expect.stringMatching(/^s:6:\d+ unreachable-permission no agent can ever hold "owner" on "doc"$/),
    ]);
  });

  it.each([
    ['over a circle of arrows', 'permission view = owner', 'relation up: doc\n  permission view = owner + up->view'],
    ['over a userset', 'relation owner: user | team#member', 'relation owner: team#member'],
    ['but for those excluded', 'permission view = owner', 'permission view = owner - robot'],
    ['by everybody', 'relation owner: user | team#member', 'relation owner: user:*'],
    ['by agents on their own account', 'permission view = owner', 'permission view = robot'],
  ])('is not one that can be held %s', (_, from, to) => expect(lints({ zed: ZED.replace(from, to) })).toEqual([]));
});

describe('unused-permission', () => {
  it('is one that no action, remedy, review, configuration or other permission names', () => {
    const zed = ZED.replace('permission edit', 'permission sign = owner\n  permission part = owner\n  permission whole = part\n  permission edit'); // prettier-ignore
    expect(lints({ zed })).toEqual([
      'z:10:3 unused-permission no action, remedy, review, configuration or other permission uses "sign" of "doc"',
      'z:12:3 unused-permission no action, remedy, review, configuration or other permission uses "whole" of "doc"',
    ]);
    expect(lints({ zed, configured: ['doc#sign', 'team#whole'] })).toEqual([
      'z:12:3 unused-permission no action, remedy, review, configuration or other permission uses "whole" of "doc"',
    ]);
    expect(lints({ zed, configured: ['doc#sign', 'whole'] })).toEqual([]);
    const policies = `@remedy("approval:sign") ${forbid('x', 'when { principal has kind && principal.kind == "y" && principal.suspended }', 'principal is Agent, action, resource')}`;
    const unused = (texts: Texts): string[] => lints(texts).filter((text) => text.includes(' unused-permission '));
    expect(unused({ zed, policies })).toEqual([
      'z:12:3 unused-permission no action, remedy, review, configuration or other permission uses "whole" of "doc"',
    ]);
    const reviewed = `${policies}\n@id("r") @duty("review:whole") permit (principal is Agent, action, resource);`;
    expect(unused({ zed, policies: reviewed })).toEqual([]);
    const audited = SCHEMA.replace('entity Doc', '@audit("sign") entity Doc');
    expect(audited).not.toBe(SCHEMA);
    expect(unused({ zed, schema: audited })).toEqual([
      'z:12:3 unused-permission no action, remedy, review, configuration or other permission uses "whole" of "doc"',
    ]);
    const schema = SCHEMA.replace('action "edit"', '@emergency("sign")\naction "edit"');
    expect(lints({ schema, zed })).toEqual([
      'z:12:3 unused-permission no action, remedy, review, configuration or other permission uses "whole" of "doc"',
    ]);
  });
});

describe('unmasked-class', () => {
  const schema = SCHEMA.replace('{ status?: String }', '{\n  status?: String,\n  @class("pii")\n  ssn?: String,\n}');
  it('is one that no duty speaks of', () => {
    expect(lints({ schema })).toEqual([
      's:7:3 unmasked-class no duty masks @class("pii") of "Doc", or shows what else is visible',
    ]);
  });
  it.each(['mask:pii', 'mask:pii=last4', 'visible_fields:status, mask:pii', 'mask:ssn'])(
    'is none that "%s" speaks of',
    (duty) => {
      const policies = `@id("d") @duty("${duty}") permit (principal, action, resource);\n`;
      expect(lints({ schema, policies })).toEqual([]);
    },
  );
  it('is none that a list of what is visible hides, nor one of which a duty names a part or the whole', () => {
    const nested = (attribute: string): string => SCHEMA.replace('{ status?: String }', `{ status?: String, ${attribute} }`);
    const duty = (text: string): string => `@id("d") @duty("${text}") permit (principal, action, resource);\n`;
    expect(lints({ schema, policies: duty('visible_fields:status') })).toEqual([]);
    for (const text of ['mask:contact', 'mask:contact.phone', 'visible_fields:contact.name'])
      expect(lints({ schema: nested('contact?: { @class("pii") phone: String, name: String }'), policies: duty(text) })).toEqual([]);
    expect(lints({ schema: nested('@class("pii") contact?: { phone: String }'), policies: duty('mask:contact.phone') })).toEqual([]);
  }); // prettier-ignore
  it('is one whose duty hides another attribute, or is about another type', () => {
    const found = [expect.stringContaining('unmasked-class') as string];
    const duty = (text: string, scope = 'principal, action, resource'): string =>
      `@id("d") @duty("${text}") permit (${scope});\n`;
    expect(lints({ schema, policies: duty('mask:status') })).toEqual(found);
    expect(lints({ schema, policies: duty('notification:owner') })).toEqual(found);
  });
});

describe('unread-context', () => {
  const declare = (members: string): string =>
    SCHEMA.replace(
      'context: { delegation: Remit::Delegation } };\naction "edit"',
      `context: { delegation: Remit::Delegation, ${members} } };\naction "edit"`,
    );
  it('is a member that no policy of the action reads, and what is checked for nothing', () => {
    expect(lints({ schema: declare('now: datetime, can: { edit: Bool, view: Bool }'), policies: forbid('x', 'when { context.can.edit }', 'principal, action == Action::"view", resource') })).toEqual([
      expect.stringMatching(/^s:6:\d+ unread-context no policy that takes Action::"view" reads context\.now$/),
      expect.stringMatching(/^s:6:\d+ unread-context no policy that takes Action::"view" reads context\.can\.view, which is checked for every decision$/),
    ]);
  }); // prettier-ignore

  it.each([
    ['a member of a member', 'now: datetime', 'when { context.now.toTime() < duration("5h") }'],
    ['by has', 'approval?: Remit::Approval', 'unless { context has approval }'],
    ['the whole record', 'can: { edit: Bool, view: Bool }', 'when { context.can == {edit: true, view: true} }'],
    ['in a duty', 'can: { edit: Bool }', 'when { context.can.edit }'],
  ])('is none that is read: %s', (name, members, when) => {
    const policy = forbid('x', when, 'principal, action == Action::"view", resource');
    const annotated: Readonly<Record<string, string>> = {
      'in a duty': `@duty("notification:x") ${policy.replace('forbid', 'permit')}`,
      'by has': `@remedy("approval:edit") ${policy}`,
    };
    const policies = annotated[name] ?? policy;
    expect(lints({ schema: declare(members), policies })).toEqual([]);
  });

  it('is none that limits count, or that people are shown to say yes to', () => {
    const schema = declare('action: { text?: String }, request: { ticket?: String }');
    const unread = (texts: Texts): string[] => lints(texts).filter((text) => text.includes(' unread-context '));
    expect(unread({ schema })).toHaveLength(2);
    expect(unread({ schema: schema.replace('action "view"', '@consent("each") action "view"') })).toEqual([]);
    const amounts = declare('action: { amount?: Remit::Amount }');
    expect(unread({ schema: amounts })).toHaveLength(1);
    expect(
      unread({ schema: amounts.replace('action "view"', '@amount("context.action.amount") action "view"') }),
    ).toEqual([]);
  });
});
