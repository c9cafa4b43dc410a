/** The Cedar schema read as the catalogue of actions, and every way in which it can fail to fit, with its place. */
import { describe, expect, it } from 'vitest';
import { formatUid } from '../../../src/policy/schema/uid.js';
import { marked, refusal, rulesOf, SCHEMA, vocabularyOf, ZED } from '../sources.js';

describe('an action', () => {
  const { actions, find, entityTypes, objectOf } = vocabularyOf(`
    entity User;
    entity Agent;
    namespace Acme {
      @object("doc")
      entity Paper { status: String };
      @object("folder")
      entity Box in [Box];

      type Can = { view: Bool, edit: Bool };

      action "everything";
      action "reads" in [Action::"everything"];
      @permission("view") @agent_permission("owner") @scope("docs.write!#[~") @title("Change it") @consent("each")
      action "update" in ["reads", Other::Action::"group"] appliesTo {
        principal: [User, Agent], resource: [Paper],
        context: {
          delegation: Remit::Delegation, can: Can, agent_can?: { owner: Bool }, now: datetime, user?: User,
          consent?: Remit::Consent, approval?: Remit::Approval, budget?: Remit::Budget,
          action: { branch?: String }, request: { ip: ipaddr },
        },
      };
      action "view" appliesTo { principal: [User], resource: [Paper, Box] };
      action "nobody's";
    }
    namespace Other {
      action "group" in [Acme::Action::"everything"];
    }
  `);

  it('carries what its annotations say', () => {
    expect(find('update', 'doc')?.action).toMatchObject({
      name: 'update',
      uid: { type: 'Acme::Action', id: 'update' },
      title: 'Change it',
      scope: 'docs.write!#[~',
      consent: 'each',
      permission: 'view',
      agentPermission: 'owner',
      can: ['edit', 'view'],
      agentCan: ['owner'],
    });
    expect(find('update', 'doc')?.action.principalTypes.map((t) => t.name)).toEqual(['User', 'Agent']);
    expect(Object.keys(find('update', 'doc')?.action.context ?? {}).sort()).toEqual([
      'action',
      'agent_can',
      'approval',
      'budget',
      'can',
      'consent',
      'delegation',
      'now',
      'request',
      'user',
    ]);
  });

  it('goes by its own name where nothing else is said', () => {
    expect(find('view', 'doc')?.action).toMatchObject({
      title: 'view',
      scope: undefined,
      consent: undefined,
      permission: 'view',
      agentPermission: undefined,
      can: [],
      agentCan: [],
      context: {},
      groups: [],
    });
  });

  it('is in all the groups that its groups are in, of other namespaces too', () => {
    expect(find('update', 'doc')?.action.groups.map(formatUid).sort()).toEqual([
      'Acme::Action::"everything"',
      'Acme::Action::"reads"',
      'Other::Action::"group"',
    ]);
  });

  it('is found by its name and the definition, for each type it applies to', () => {
    expect(find('view', 'doc')?.resourceType.name).toBe('Acme::Paper');
    expect(find('view', 'folder')?.resourceType.name).toBe('Acme::Box');
    expect(find('view', 'folder')?.action).toBe(find('view', 'doc')?.action);
    expect(find('update', 'folder')).toBeUndefined();
    expect(find('view', 'paper')).toBeUndefined();
    expect(find('View', 'doc')).toBeUndefined();
  });

  it('is one that applies to something: groups are none', () => {
    expect(actions.map((a) => a.name).sort()).toEqual(['update', 'view']);
    expect(find("nobody's", 'doc')).toBeUndefined();
  });

  it('names its types by their definitions', () => {
    expect(objectOf('Acme::Paper')).toBe('doc');
    expect(objectOf('User')).toBe('user');
    expect(objectOf('Nothing')).toBe('Nothing');
    expect([...(entityTypes.get('Acme::Box')?.ancestors ?? [])]).toEqual(['Acme::Box']);
  });
});

describe('an entity type', () => {
  it.each([
    ['User', 'user'],
    ['PurchaseOrder', 'purchase_order'],
    ['HRRecord', 'hr_record'],
    ['Level2Doc', 'level2_doc'],
    ['purchase_order', 'purchase_order'],
    ['HR', 'hr_'],
  ])('%s stands for the definition %s where no @object is given', (name, object) => {
    // A definition has three letters at least.
    const annotation = object === 'hr_' ? '@object("hrs")' : '';
    const definition = object === 'hr_' ? 'hrs' : object;
    const zed = `${ZED}definition ${definition === 'user' ? 'other' : definition} {\n  relation view: user\n}\n`;
    const users = definition === 'user' ? 'entity Doc;' : 'entity User;';
    const resource = definition === 'user' ? 'Doc' : name;
    const { entityTypes, typesByObject: byObject } = vocabularyOf(
      `${users} ${annotation} entity ${name};
       action "view" appliesTo { principal: [User], resource: [${resource}] };`,
      zed,
    );
    expect(entityTypes.get(name)?.object).toBe(definition);
    expect(byObject.get(definition)?.map((t) => t.name)).toEqual([name]);
  });

  it('knows its ancestors over any number of steps, in a circle too', () => {
    const { entityTypes } = vocabularyOf(`
      entity User in [Team, X::Guild]; entity Team in [Org]; entity Org in [Team]; entity Doc;
      namespace X { entity Guild; }
      action "view" appliesTo { principal: [User], resource: [Doc] };
    `);
    expect([...(entityTypes.get('User')?.ancestors ?? [])].sort()).toEqual(['Org', 'Team', 'X::Guild']);
    expect([...(entityTypes.get('Team')?.ancestors ?? [])].sort()).toEqual(['Org', 'Team']);
    expect(entityTypes.get('Doc')?.ancestors.size).toBe(0);
  });

  it('lists the attributes of each @class, those within records by their path', () => {
    const { entityTypes } = vocabularyOf(`
      entity User;
      type Address = { @class("pii") street: String, city: String };
      entity Doc {
        @class("pii") ssn?: String,
        @class("pay") salary?: Long,
        address: Address,
        deep: { er: { @class("pay") bonus: Long } },
        contacts: Set<{ addresses: Set<Address>, "not.named": String }>,
        status: String,
      };
      action "view" appliesTo { principal: [User], resource: [Doc] };
    `);
    const classes = [...(entityTypes.get('Doc')?.classes ?? [])].map(([name, paths]) => [name, [...paths].sort()]);
    expect(Object.fromEntries(classes)).toEqual({
      pii: ['address.street', 'contacts.addresses.street', 'ssn'],
      pay: ['deep.er.bonus', 'salary'],
    });
    expect([...(entityTypes.get('Doc')?.paths ?? [])].sort()).toEqual(
      ['address', 'address.city', 'address.street', 'contacts', 'contacts.addresses', 'contacts.addresses.city', 'contacts.addresses.street', 'deep', 'deep.er', 'deep.er.bonus', 'salary', 'ssn', 'status'],
    ); // prettier-ignore
  });
});

describe('actors', () => {
  const zedOf = (...definitions: string[]): string => definitions.join('\n');
  const doc = 'definition doc {\n  relation view: user\n}';
  const user = 'definition user {}';
  const agent = 'definition agent {}';
  const delegable = (name: string, by = 'user'): string => `definition ${name} {\n  relation delegator: ${by}\n}`;
  const principals = (...types: string[]): string =>
    `${types.map((t) => `entity ${t};`).join('\n')}\nentity Doc;\naction "view" appliesTo { principal: [${types.join(', ')}], resource: [Doc] };`;

  it.each([
    [
      'by delegation, whatever they are called',
      zedOf('definition person {}', delegable('robot', 'person'), 'definition doc {\n  relation view: person\n}'),
      principals('Person', 'Robot'),
      'person',
      'robot',
    ],
    [
      'by their names, where nothing is delegated',
      zedOf(user, agent, doc),
      principals('User', 'Agent'),
      'user',
      'agent',
    ],
    [
      'by their names within a prefix',
      zedOf(
        'definition acme/user {}',
        delegable('acme/agent', 'acme/user'),
        'definition doc {\n  relation view: acme/user\n}',
      ),
      `@object("acme/user") entity User;\n@object("acme/agent") entity Agent;\nentity Doc;\naction "view" appliesTo { principal: [User, Agent], resource: [Doc] };`,
      'acme/user',
      'acme/agent',
    ],
    [
      'where several are left over: the one called user',
      zedOf(user, 'definition customer {}', delegable('agent', 'user | customer'), doc),
      principals('Customer', 'User', 'Agent'),
      'user',
      'agent',
    ],
    [
      'where users act only through agents: by who may delegate',
      zedOf(user, delegable('agent'), doc),
      principals('Agent'),
      'user',
      'agent',
    ],
    [
      'where agents delegate to agents as well',
      zedOf(user, delegable('agent', 'user | agent'), doc),
      principals('Agent'),
      'user',
      'agent',
    ],
    [
      'where there are no agents',
      zedOf('definition person {}', 'definition doc {\n  relation view: person\n}'),
      principals('Person'),
      'person',
      undefined,
    ],
    [
      'where there are no users',
      zedOf(agent, 'definition doc {\n  relation view: agent\n}'),
      principals('Agent'),
      undefined,
      'agent',
    ],
    [
      'where nothing tells which',
      zedOf('definition person {}', 'definition member {}', 'definition doc {\n  relation view: person\n}'),
      principals('Person', 'Member'),
      undefined,
      undefined,
    ],
  ])('are found %s', (_, zed, schema, userObject, agentObject) => {
    expect(vocabularyOf(schema, zed)).toMatchObject({ userObject, agentObject });
  });
});

/** A schema that loads; each line can be replaced. The mark is on the annotation or the member, or else on the action. */
const action = (annotations: string, more = ''): string => {
  const [first, name, last] = annotations !== '' ? [HERE, '', ''] : more === '' ? ['', HERE, ''] : ['', '', HERE];
  return `entity User;\nentity Agent;\nentity Doc;\n\n${first}${annotations}\naction "view" ${name}appliesTo {\n  principal: [User, Agent],\n  resource: [Doc],\n  ${last}${more}\n};\n`;
};
const HERE = '‹here›';
const entity = (text: string): string =>
  `entity User;\n${text}\naction "view" appliesTo { principal: [User], resource: [Doc] };\n`;

describe('a schema that does not fit is refused at its place:', () => {
  it.each([
    // Permissions and definitions
    [
      'a permission that is not there',
      action('@permission("vew")'),
      'definition "doc" has no permission or relation "vew" (did you mean "view"?)',
    ],
    [
      "no permission of the action's own name",
      action('').replace('"view"', '"publish"'),
      'definition "doc" has no permission or relation "publish"',
    ],
    [
      'a permission that only one of two types has',
      action('@permission("edit")')
        .replace('entity Doc;', 'entity Doc, Folder;')
        .replace('resource: [Doc]', 'resource: [Doc, Folder]'),
      'definition "folder" has no permission or relation "edit"',
    ],
    [
      'an @agent_permission that is not there',
      action('@agent_permission("ownr")'),
      'definition "doc" has no permission or relation "ownr" (did you mean "owner"?)',
    ],
    [
      'a resource without a definition',
      action('').replace('entity Doc;', 'entity Dog;').replace('[Doc]', '[Dog]'),
      'the SpiceDB schema has no definition "dog"; @object names another (did you mean "doc"?)',
    ],
    [
      'a principal without a definition',
      action('').replace('entity Agent;', '@object("machine")\nentity Agent;'),
      'the SpiceDB schema has no definition "machine"; @object names another',
    ],
    // Annotations of actions
    ...['docs write', '', 'd"x', 'd\\\\x', 'd\u00fc'].map((scope) => [
      `the scope ${JSON.stringify(scope)}`,
      action(`@scope("${scope.replace(/"/g, '\\"')}")`),
      `@scope "${scope.replace('\\\\', '\\')}" is not a scope token (RFC 6749 section 3.3)`,
    ]),
    ['another kind of consent', action('@consent("always")'), '@consent must be "standing" or "each", not "always"'],
    ...[
      ['pemission', 'permission'],
      ['permissions', 'permission'],
      ['Permission', 'permission'],
      ['agentpermission', 'agent_permission'],
      ['scop', 'scope'],
      ['scopes', 'scope'],
      ['socpe', 'scope'],
      ['titel', 'title'],
      ['concent', 'consent'],
    ].map(([slip = '', meant = '']) => [
      `@${slip}`,
      action(`@${slip}("view")`),
      `annotation "@${slip}" is not known (did you mean "@${meant}"?)`,
    ]),
    // Annotations of entities and attributes
    [
      'a slip on an entity',
      entity('‹here›@objet("doc")\nentity Doc;'),
      'annotation "@objet" is not known (did you mean "@object"?)',
    ],
    [
      'a slip on an attribute',
      entity('entity Doc {\n  status: String,\n  @clas("pii")\n  ssn‹here›?: String,\n};'),
      'annotation "@clas" is not known (did you mean "@class"?)',
    ],
    [
      'a slip on an attribute within a record',
      entity(
        'entity Doc {\n  address: {\n    @class("pii") street: String,\n    @clsas("pii") city‹here›: String,\n  },\n};',
      ),
      'annotation "@clsas" is not known (did you mean "@class"?)',
    ],
    [
      'a class of what nothing can name',
      entity('entity Doc {\n  @class("pii")\n  "ssn.of‹here›": String,\n};'),
      'an attribute of a @class has no "." in its name',
    ],
    [
      'an attribute that has the name of a class of others',
      entity('entity Doc {\n  pii‹here›?: String,\n  @class("pii") ssn?: String,\n};'),
      '"pii" is an attribute and a @class of others, so a duty such as "mask:pii" would be ambiguous: rename one',
    ],
    [
      'one that is of the class itself',
      entity(
        'entity Doc {\n  @class("pii")\n  pii‹here›?: String,\n  home: {\n    @class("pii") city: String,\n  },\n};',
      ),
      '"pii" is an attribute and a @class of others, so a duty such as "mask:pii" would be ambiguous: rename one',
    ],
    [
      'one within a record, by its path',
      entity('entity Doc {\n  home: {\n    city‹here›: String,\n  },\n  @class("home.city") ssn?: String,\n};'),
      '"home.city" is an attribute and a @class of others, so a duty such as "mask:home.city" would be ambiguous: rename one',
    ],
    // The context
    [
      'a member of the context that Remit does not supply',
      action('', 'context: { delegatoin: Remit::Delegation },'),
      'context.delegatoin is nothing that Remit supplies; a client\'s own go under "request" (did you mean "delegation"?)',
    ],
    [
      "a client's own member at the top",
      action('', 'context: { ip_address: ipaddr },'),
      'context.ip_address is nothing that Remit supplies; a client\'s own go under "request"',
    ],
    [
      'an approval that is always there',
      action('', 'context: { approval: Remit::Approval },'),
      'context.approval must be optional: it is absent until what is asked has been approved, and policies that read it would only deny then (declare it as approval?)',
    ],
    [
      'a consent that is always there',
      action('', 'context: { consent: Remit::Consent },'),
      'context.consent must be optional: it is absent until the user has consented, and policies that read it would only deny then (declare it as consent?)',
    ],
    [
      'a budget that is always there, without a limit of the action',
      action('', 'context: { budget: Remit::Budget },'),
      'context.budget must be optional: it is absent where nothing has a limit, and policies that read it would only deny then (declare it as budget?)',
    ],
    [
      'a permission in context.can that is not there',
      action('', 'context: { can: { edti: Bool } },'),
      'definition "doc" has no permission or relation "edti" (did you mean "edit"?)',
    ],
    [
      'a permission in context.agent_can that is not there',
      action('', 'context: { agent_can: { ownr: Bool } },'),
      'definition "doc" has no permission or relation "ownr" (did you mean "owner"?)',
    ],
    [
      'two actions for one pair',
      `entity User;\nentity Doc;\naction "view" appliesTo { principal: [User], resource: [Doc] };\nnamespace X {\n  action "view" ‹here›appliesTo { principal: [User], resource: [Doc] };\n}\n`,
      'Action::"view" and X::Action::"view" both answer to "view" on "doc"',
    ],
    [
      'two actions for one pair by way of @object',
      `entity User;\nentity Doc;\naction "view" appliesTo { principal: [User], resource: [Doc] };\nnamespace X {\n  @object("doc")\n  entity Paper;\n  action "view" ‹here›appliesTo { principal: [User], resource: [Paper] };\n}\n`,
      'Action::"view" and X::Action::"view" both answer to "view" on "doc"',
    ],
    [
      'one action on two types of one definition',
      `entity User;\nentity Doc;\n@object("doc")\nentity Paper;\naction "view" ‹here›appliesTo { principal: [User], resource: [Doc, Paper] };\n`,
      'Action::"view" and Action::"view" both answer to "view" on "doc"',
    ],
    // What a person sees otherwise than Cedar reads it
    [
      'an odd space',
      entity('entity Doc {\n  a: String,‹here›\u00a0\n};'),
      'the character U+00A0 is refused outside strings: it is not seen as it is read. Delete it, or write a plain space',
    ],
    [
      'a comment that turns around',
      entity('// \u202e‹here›\nentity Doc;'),
      'the character U+202E is refused outside strings: it is not seen as it is read. Delete it, or write a plain space',
    ],
    [
      'a title that no record can hold',
      entity('‹here›@title("a\\0b")\nentity Doc;'),
      '@title holds the control character U+0000: delete it',
    ],
    // What Cedar itself finds
    [
      'an unknown type',
      entity('entity Doc {\n  a: String,\n  b: ‹here›Strng,\n};'),
      'failed to resolve type: Strng (`Strng` has not been declared as a common or entity type)',
    ],
    [
      'a mistake in the grammar, after letters of several bytes',
      entity('// \u00fc\u{1f642}\nentity Doc;\n‹here›entty Folder;'),
      'error parsing schema: unexpected token `entty`; expected `@`, `action`, `entity`, `namespace`, or `type`',
    ],
  ] as [string, string, string][])('%s', (_, schema, message) => {
    const { text, line } = marked(schema);
    expect(refusal(() => vocabularyOf(text))).toBe(`schema.cedarschema:${line}: ${message}`);
  });

  it.each([
    ['can', 'Bool', 'must be a record of Bools'],
    ['agent_can', 'Set<Bool>', 'must be a record of Bools'],
    ['can', '{ view: Long }', 'member "view" must be a Bool: whether the permission is held'],
    ['agent_can', '{ view: Bool, owner: String }', 'member "owner" must be a Bool: whether the permission is held'],
  ])('context.%s declared as %s', (member, type, message) => {
    const { text, line } = marked(action('', `context: { ${member}: ${type} },`));
    expect(refusal(() => vocabularyOf(text))).toBe(`schema.cedarschema:${line}: context.${member}: ${message}`);
  });

  it.each([
    ['now', 'String', 'datetime', 'String'],
    ['now?', '{ at: datetime }', 'datetime', 'Record'],
    ['local', 'datetime', 'Record', 'datetime'],
    ['user', 'String', 'Entity', 'String'],
    ['delegation', 'String', 'Record', 'String'],
    ['action', 'User', 'Record', 'Entity'],
    ['request', 'Set<String>', 'Record', 'Set'],
  ])('context.%s declared as %s, which Remit cannot supply', (member, type, wanted, found) => {
    const { text, line } = marked(action('', `context: { ${member}: ${type} },`));
    expect(refusal(() => vocabularyOf(text))).toBe(
      `schema.cedarschema:${line}: context.${member.replace('?', '')} must be of type ${wanted}, not ${found}`,
    );
  });

  it.each<[string, string, string, string?]>([
    ['{ hour: Long, second: Long }', 'second', ''],
    ['{ weekday: String }', 'weekday', '', ' with this type'],
    ['{ hours: Long }', 'hours', ' (did you mean "hour"?)'],
  ])('context.local declared as %s, which has no such time', (type, member, suggestion, which = '') => {
    const { text, line } = marked(action('', `context: { local: ${type} },`));
    expect(refusal(() => vocabularyOf(text))).toBe(
      `schema.cedarschema:${line}: context.local.${member} is nothing that Remit supplies${which}; declare context.local as Remit::Local${suggestion}`,
    );
  });

  it('several definitions that can be delegated to', () => {
    const zed = `${ZED}definition robot {\n  relation delegator: user\n}\n`;
    const schema = SCHEMA.replace('entity Agent;', 'entity Agent, Robot;').replace(
      '[User, Agent]',
      '[User, Agent, Robot]',
    );
    expect(refusal(() => vocabularyOf(schema, zed))).toBe(
      'graph.zed:15: only one definition can stand for agents, but agent and robot have a "delegator"',
    );
  });

  it("a namespace of Remit's own name", () => {
    expect(refusal(() => vocabularyOf(`${SCHEMA}namespace Remit { type X = String; }`))).toBe(
      'schema.cedarschema:5: error parsing schema: duplicate namespace id: `Remit`',
    );
  });

  it("not one whose other annotations are the author's own", () => {
    const own = '@owner("hr team") @see("https://acme.example") @i18n("x")';
    const schema = SCHEMA.replace('entity Doc {', `${own} entity Doc { ${own} x?: String,`).replace(
      'action',
      `${own} action`,
    );
    expect(vocabularyOf(schema).actions).toHaveLength(1);
  });
});

describe('the place of an error', () => {
  const bad = (at: string): string =>
    `action "view" ${at}appliesTo { principal: [User], resource: [Doc], context: { nothing: String } };`;

  it.each([
    [
      'in the second of two namespaces',
      `entity User; entity Doc; entity Folder;\nnamespace A {\n  action "view" appliesTo { principal: [User], resource: [Folder] };\n}\nnamespace B {\n  ${bad('‹here›')}\n}`,
    ],
    [
      'after a comment that speaks of it',
      `entity User;\n// Every action here is about the right to view something.\nentity Doc;\n\n${bad('‹here›')}`,
    ],
    ['after a line that begins with its name', `entity User;\nentity Doc {\n  view: String,\n};\n${bad('‹here›')}`],
    [
      'after an annotation that speaks of it',
      `entity User;\n@title("for action view only")\nentity Doc;\n${bad('‹here›')}`,
    ],
    [
      'after a group that is called so as well',
      `entity User; entity Doc;\nnamespace A {\n  action "view";\n}\n${bad('‹here›')}`,
    ],
    ['after one that has it as a group', `entity User; entity Doc;\naction "look" in ["view"];\n${bad('‹here›')}`],
    ['with letters of several bytes before', `// \u00fc\u{1f642}\nentity User; entity Doc;\n${bad('‹here›')}`],
    ['without quotes', `entity User; entity Doc;\n\n${bad('‹here›').replace('"view"', 'view')}`],
    ['in a list of names', `entity User; entity Doc;\naction "look",\n  ${bad('‹here›').replace('action ', '')}`],
    [
      'with its name on a line of its own',
      `entity User; entity Doc;\naction\n  ${bad('‹here›').replace('action ', '')}`,
    ],
  ])('is right %s', (_, schema) => {
    const { text, line } = marked(schema);
    const zed = ZED.replace('permission edit', 'permission look = owner\n  permission edit');
    expect(refusal(() => vocabularyOf(text, zed))).toBe(
      `schema.cedarschema:${line}: context.nothing is nothing that Remit supplies; a client's own go under "request"`,
    );
  });

  it.each([
    [
      'of an attribute, where another namespace has the same',
      'namespace A {\n  entity Doc { ssn?: String };\n}\nnamespace B {\n  entity Doc = {\n    @clas("pii")\n    ssn‹here›?: String,\n  };\n}',
    ],
    [
      'of an attribute, where another type has the same before',
      'entity Folder { ssn?: String };\ntype ssn = { ssn: Long };\nentity Doc in [Folder] = {\n  other: ssn,\n  @clas("pii") ssn‹here›: String,\n};',
    ],
    [
      'of an attribute with a blank in its name',
      'entity Doc {\n  a: Long,\n  @clas("pii")\n  "the ssn"‹here›: String };',
    ],
    [
      'of an attribute after strings that look like code',
      '@title("entity Doc { ssn: Long };")\nentity Doc {\n  @title("ssn: {;")\n  a: Long, @clas("pii")\n  ssn‹here›: String };',
    ],
    ['of one of several types', 'entity User,\n  Doc, Folder {\n  @clas("pii") ssn‹here›: String };'],
  ])('is right %s', (_, schema) => {
    const { text, line } = marked(schema);
    expect(refusal(() => vocabularyOf(text))).toBe(
      `schema.cedarschema:${line}: annotation "@clas" is not known (did you mean "@class"?)`,
    );
  });

  it('is in the right one of several files', () => {
    const files = ['entity User;\n// a file without an end of line', '\n\nentity Doc;', `\n\n\n${bad('')}`];
    expect(refusal(() => rulesOf({ schema: files }))).toMatch(/^schema3\.cedarschema:4: context\.nothing /);
    expect(refusal(() => rulesOf({ schema: [...files.slice(0, 2), '\nentity ;'] }))).toMatch(
      /^schema3\.cedarschema:2: /,
    );
    expect(refusal(() => rulesOf({ schema: ['\nentity ;', ...files] }))).toMatch(/^schema1\.cedarschema:2: /);
  });
});

describe('@audit of a type', () => {
  const withAudit = (permission: string): string => SCHEMA.replace('entity Doc', `@audit("${permission}")\nentity Doc`);

  it('is the permission whose holders see what was done', () => {
    expect(vocabularyOf(withAudit('edit')).entityTypes.get('Doc')?.audit).toBe('edit');
    expect(vocabularyOf(SCHEMA).entityTypes.get('Doc')?.audit).toBeUndefined();
  });

  it.each([
    ['edti', '@audit: definition "doc" has no permission or relation "edti" (did you mean "edit"?)'],
    ['a b', '@audit "a b" must be a SpiceDB relation or permission name such as "viewer"'],
    ['', '@audit "" must be a SpiceDB relation or permission name such as "viewer"'],
  ])('is refused where it is %j', (permission, message) => {
    expect(refusal(() => vocabularyOf(withAudit(permission)))).toBe(`schema.cedarschema:3: ${message}`);
  });
});
