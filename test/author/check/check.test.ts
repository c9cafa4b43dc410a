/** A check finds everything that is wrong at once, each finding at its place; an ignored one needs a reason. */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { checkProject, checkSources } from '../../../src/author/check/check.js';
import { loadConfig } from '../../../src/config/config.js';
import { readSources } from '../../../src/config/files.js';
import type { Finding } from '../../../src/diagnostics/diagnostics.js';
import { company, told } from './company.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const sample = fileURLToPath(new URL('../../../fixtures/acme.remit.yaml', import.meta.url));

describe('the sample', () => {
  it('passes without a finding', async () => {
    const { findings, rules } = await checkProject(sample, { env: {}, tests: true });
    expect([findings, rules?.policies.size]).toEqual([[], 19]);
  });
});

describe('all that is wrong is found', () => {
  it('in policies: each of them, by lines and columns', async () => {
    const c = company();
    c.write(
      'policies/agents.cedar',
      [
        'permit (principal is User, action, resource);',
        '@id("a") @dutty("mask:x")',
        'permit (principal is Agent, action in Docs::Action::"raed", resource);',
        '@id("b") permit (principal, action, resource) when { resource.clasification == "x" };',
        '@id("b") @duty("mask:personel, hide:x") permit (principal, action, resource);',
        '@id("c") @remedy("approval:edti") forbid (principal, action, resource) when { 1 + };',
        '@id("d")',
        '  @remedy("approval:edti") forbid (principal, action, resource);',
        '',
      ].join('\n'),
    );
    expect(told(c, (await c.check()).findings)).toEqual([
      'policies/agents.cedar:1:1 error [missing-id] every policy needs an @id("…")',
      'policies/agents.cedar:2:10 error [unknown-annotation] annotation "@dutty" is not known (did you mean "@duty"?)',
      expect.stringMatching(
        /^policies\/agents\.cedar:3:39 error \[policy-invalid\] unrecognized action `Docs::Action::"raed"` \(did you mean `Docs::Action::"read"`\?\)$/,
      ),
      expect.stringMatching(
        /^policies\/agents\.cedar:4:\d+ error \[policy-invalid\] attribute `clasification` .* \(did you mean `classification`\?\)$/,
      ),
      'policies/agents.cedar:5:1 error [duplicate-id] @id("b") is taken by ' + `${c.directory}/policies/agents.cedar:4`,
      'policies/agents.cedar:5:10 error [invalid-duty] @duty "hide:x" is of no known kind: mask, visible_fields, notification, review',
      expect.stringMatching(/^policies\/agents\.cedar:6:83 error \[policy-syntax\] .*unexpected token `}`/),
      'policies/agents.cedar:8:3 error [invalid-remedy] @remedy: no resource it applies to has a permission "edti" (did you mean "edit"?)',
    ]);
  });

  it('in the Cedar schema against the SpiceDB schema', async () => {
    const c = company();
    c.change('actions.cedarschema', '@permission("view")', '@permission("vieww")');
    c.change('actions.cedarschema', '@scope("docs.write")', '@scope("docs write")');
    c.change(
      'actions.cedarschema',
      'context: { delegation: Remit::Delegation },\n  };\n}',
      'context: { delegatoin: Remit::Delegation, can: { edti: Bool } },\n  };\n}',
    );
    const findings = told(c, (await c.check()).findings);
    expect(findings.filter((text) => text.startsWith('actions'))).toEqual([
      'actions.cedarschema:25:3 error [unknown-permission] definition "document" has no permission or relation "vieww" (did you mean "view"?)',
      'actions.cedarschema:34:3 error [invalid-annotation] @scope "docs write" is not a scope token (RFC 6749 section 3.3)',
      'actions.cedarschema:48:16 error [context-member] context.delegatoin is nothing that Remit supplies; a client\'s own go under "request" (did you mean "delegation"?)',
      'actions.cedarschema:48:54 error [unknown-permission] definition "document" has no permission or relation "edti" (did you mean "edit"?)',
    ]);
  });

  it('in the SpiceDB schema, by SpiceDB itself', async () => {
    const c = company();
    c.change('schema.zed', 'permission view = viewer + edit\n}\n\ndefinition document', 'permission view = viwer + edit\n}\n\ndefinition document');
    expect(told(c, (await c.check()).findings)).toEqual([
      expect.stringMatching(/^schema\.zed:18:21 error \[spicedb-schema\] .*`viwer`.*did you mean "viewer"\?\)$/),
    ]);
  }); // prettier-ignore

  it('in one part, though another can not be read at all', async () => {
    const c = company();
    c.change('schema.zed', 'relation delegator:', 'relation delegator');
    c.change('actions.cedarschema', 'entity User;', 'entity User');
    c.change('policies/agents.cedar', '@id("suspended-agents-do-nothing")', '');
    c.change('world.yaml', 'entities:', 'entitties:');
    c.change('remit.yaml', 'data: .remit', 'dta: .remit');
    const findings = (await c.check()).findings.map(({ file, rule }) => `${file.split('/').at(-1) ?? ''} ${rule}`);
    expect(findings).toEqual([
      'remit.yaml config-invalid',
      'schema.zed spicedb-schema',
      'actions.cedarschema cedar-schema',
      'agents.cedar missing-id',
      'world.yaml world-invalid',
    ]);
  });

  it('in the configuration: every key, with the one that was meant', async () => {
    const c = company();
    c.write(
      'remit.yaml',
      `${c.read('remit.yaml')}lisen: {}\nlisten: { prot: 1, port: high }\nclients:\n  - { id: a, key_sha256: x, ressources: [document] }\n`,
    );
    expect(told(c, (await c.check()).findings)).toEqual([
      'remit.yaml:11:1 error [config-invalid] configuration: lisen: unknown key (did you mean "listen"?)',
      'remit.yaml:12:11 error [config-invalid] configuration: listen.prot: unknown key (did you mean "port"?)',
      'remit.yaml:12:20 error [config-invalid] configuration: listen.port: must be of type number, not string',
      'remit.yaml:14:14 error [config-invalid] configuration: clients[0].key_sha256[0]: must be 64 lower-case hex digits',
      'remit.yaml:14:29 error [config-invalid] configuration: clients[0].ressources: unknown key (did you mean "resources"?)',
    ]);
  });

  it('in what the configuration says of types and scopes, and where its keys do not go together', async () => {
    const c = company();
    const key = 'a'.repeat(64);
    c.write('remit.yaml', `${c.read('remit.yaml')}clients:\n  - { id: a, key_sha256: ${key}, resources: [documnet] }\n`);
    expect(told(c, (await c.check()).findings)).toEqual([
      'remit.yaml:12:92 error [config-invalid] client "a": no resource "documnet" (did you mean "document"?)',
    ]);
    c.change('remit.yaml', 'resources: [documnet]', 'default_mode: human');
    expect(told(c, (await c.check()).findings)).toEqual([
      'remit.yaml:12:5 error [config-invalid] clients[0]: default_mode needs "asserts_subject" in may',
    ]);
  }); // prettier-ignore

  it('in the world: against both schemas', async () => {
    const c = company();
    const at = c.read('world.yaml').split('\n').findIndex((line) => line.startsWith('relationships:')) + 2;
    c.change('world.yaml', '  folder:plans#editor@user:ann\n', '  folder:plans#edit@user:ann\n  // x\n  folder:plans#editer@user:ann\n  folder:plans#editor@agent:writer\n  foldr:plans#editor@user:ann\n  nothing\n');
    c.change('world.yaml', '{ type: agent, id: planner, attributes: { name: Planner, suspended: false } }', '{ type: agent, id: planner, attributes: { name: Planner, suspended: no way } }');
    const findings = told(c, (await c.check()).findings);
    expect(findings).toEqual([
      `world.yaml:${at}:3 error [relationship-invalid] "folder:plans#edit@user:ann" names "edit", which is a permission of "folder": only relations are written`,
      `world.yaml:${at + 2}:3 error [relationship-invalid] "folder:plans#editer@user:ann" names "editer", which is no relation of "folder" (did you mean "editor"?)`,
      `world.yaml:${at + 3}:3 error [relationship-invalid] "folder:plans#editor@agent:writer" does not fit: "editor" of "folder" takes user`,
      `world.yaml:${at + 4}:3 error [relationship-invalid] "foldr:plans#editor@user:ann" names "foldr", which is no definition (did you mean "folder"?)`,
      expect.stringMatching(`^world.yaml:${at + 5}:3 error \\[relationship-invalid\\] "nothing" is not a relationship`),
      expect.stringMatching(/^world\.yaml:\d+:62 error \[entity-invalid\] \(agent:planner\): attributes\.suspended must be true or false$/),
    ]);
  }); // prettier-ignore
});

describe('what the configuration needs of its surroundings', () => {
  it('may be missing where policies are only checked', async () => {
    const c = company();
    const client = `clients: [{ id: a, key_sha256: ${'a'.repeat(64)} }]`;
    c.write('remit.yaml', `${c.read('remit.yaml').replace('world: world.yaml', '#')}${client}\nspicedb: { mode: server, endpoint: "s:1", token_file: /run/nowhere }\n`); // prettier-ignore
    expect(told(c, (await c.check()).findings)).toEqual([
      expect.stringMatching(/^remit\.yaml:\d+:\d+ warning \[config-surroundings\] \/run\/nowhere: there is no such file$/),
    ]);
  }); // prettier-ignore

  it.each([
    ['schema', 'schema.zed', 'a SpiceDB schema'],
    ['schema', 'actions.cedarschema', 'a Cedar schema'],
    ['world', 'world.yaml', 'a world'],
  ])('of a file of another kind that %s names, or that a file of that name links to, says nothing', async (_key, name, kind) => {
    const secret = 'root:x:0:0:';
    const c = company();
    c.write('secret.txt', secret);
    const text = c.read('remit.yaml');
    c.change('remit.yaml', name, 'secret.txt');
    await expect(c.check()).rejects.toThrow(new RegExp(`secret\\.txt: is not named .*, so it is not read as ${kind}$`));
    c.write('remit.yaml', text);
    rmSync(join(c.directory, name));
    symlinkSync(join(c.directory, 'secret.txt'), join(c.directory, name));
    await expect(c.check()).rejects.toThrow(new RegExp(`${name.replace('.', '\\.')}: is not named .*, so it is not read as ${kind}$`));
  }); // prettier-ignore

  it('is the policies and schemas themselves: without those nothing is checked', async () => {
    const c = company();
    c.change('remit.yaml', 'schema.zed', 'nowhere.zed');
    await expect(c.check()).rejects.toThrow(/nowhere\.zed: there is no such file/);
    await expect(checkProject(`${c.directory}/nowhere.yaml`, { env: {} })).rejects.toThrow(
      /nowhere\.yaml: there is no such file/,
    );
  });
});

describe('permissions that the configuration alone names', () => {
  /** A company whose folders have more permissions than anything asks for. */
  const grouped = (approvals: string): ReturnType<typeof company> => {
    const c = company();
    c.change('schema.zed', '  permission edit = editor\n', '  permission edit = editor\n  permission member = editor\n  permission manage = editor\n  permission administer = editor\n  permission stand_in = editor\n');
    c.write('remit.yaml', `${c.read('remit.yaml')}\n${approvals}`);
    return c;
  }; // prettier-ignore
  const unused = (findings: readonly Finding[]): string[] =>
    findings.map(({ rule, message }) => `${rule} ${/uses "(\w+)"/.exec(message)?.[1] ?? message}`);

  it('are used, and so is "administer", which who may approve rests on', async () => {
    expect(unused((await grouped('').check()).findings)).toEqual(['member', 'manage', 'stand_in'].map((name) => `unused-permission ${name}`)); // prettier-ignore
    const c = grouped('approvals: { administered_by: { folder: manage }, deputies: ["folder#stand_in"] }\n');
    expect(unused((await c.check()).findings)).toEqual([]);
    // A machine that only checks need not have the secrets.
    c.change('remit.yaml', 'world: world.yaml', '#');
    const client = `clients: [{ id: a, key_sha256: ${'a'.repeat(64)} }]`;
    c.change(
      'remit.yaml',
      '\napprovals:',
      `\n${client}\nspicedb: { mode: server, endpoint: "s:1", token_file: /run/nowhere }\napprovals:`,
    );
    expect((await c.check()).findings.map(({ rule }) => rule)).toEqual(['config-surroundings']);
  });

  it('are used for a service that reloads its policies as well', () => {
    const c = grouped('');
    const { sources } = loadConfig(c.config, {});
    const rules = { administeredBy: new Map([['folder', 'manage']]), deputies: new Map([['folder', 'stand_in']]) };
    expect(unused(checkSources(readSources(sources), undefined, rules).findings)).toEqual([]);
  });
});

describe('remit-ignore', () => {
  /** A company with one warning, at `unused` of the SpiceDB schema. */
  const warned = (above: string, behind = ''): ReturnType<typeof company> => {
    const c = company();
    c.change('schema.zed', '  permission edit = editor\n', `  permission edit = editor\n${above}  permission unused = editor${behind}\n`); // prettier-ignore
    return c;
  };
  const rules = async (c: ReturnType<typeof company>): Promise<string[]> =>
    (await c.check()).findings.map(({ rule, message }) => `${rule}: ${message}`);

  it.each([
    ['above', '  // remit-ignore: unused-permission — for the intranet\n', ''],
    ['above, with comments between', '  // remit-ignore: unused-permission - for the intranet\n  // x\n\n', ''],
    ['behind', '', ' // remit-ignore: unused-permission -- for the intranet'],
    ["behind, before Windows' end of line", '', ' // remit-ignore: unused-permission -- for the intranet\r'],
  ])('hides a warning that it names, %s', async (_, above, behind) => {
    expect(await rules(warned(above, behind))).toEqual([]);
  });

  it.each([
    ['no reason', 'remit-ignore: unused-permission', 'ignore-invalid: ignoring unused-permission needs a reason: "… — <reason>"'],
    ['an empty reason', 'remit-ignore: unused-permission — ', 'ignore-invalid: ignoring unused-permission needs a reason: "… — <reason>"'],
    ['no rule', 'remit-ignore: — x', 'ignore-invalid: must be "remit-ignore: <rule> — <reason>"'],
    ['a rule that there is not', 'remit-ignore: unused-permision — x', 'ignore-invalid: there is no rule "unused-permision" to ignore'],
    ['everything', 'remit-ignore: * — x', 'ignore-invalid: must be "remit-ignore: <rule> — <reason>"'],
    ['an error', 'remit-ignore: missing-id — x', 'ignore-invalid: "missing-id" is an error, which can\'t be ignored'],
  ])('hides nothing with %s', async (_, comment, message) => {
    const found = await rules(warned(`  // ${comment}\n`));
    expect(found).toContain(message);
    expect(found).toContain('unused-permission: no action, remedy, review, configuration or other permission uses "unused" of "folder"');
  }); // prettier-ignore

  it('does not hide an error, nor its own', async () => {
    const c = company();
    c.change('policies/agents.cedar', '@id("suspended-agents-do-nothing")', '// remit-ignore: missing-id — x\n');
    expect(new Set((await c.check()).findings.map(({ rule }) => rule))).toEqual(new Set(['ignore-invalid', 'missing-id']));
  }); // prettier-ignore

  it('is a finding where there is nothing to ignore, or only elsewhere', async () => {
    expect(await rules(warned('', '\n  // remit-ignore: unused-permission — too late'))).toEqual([
      'unused-permission: no action, remedy, review, configuration or other permission uses "unused" of "folder"',
      'ignore-unused: there is no unused-permission to ignore here',
    ]);
  });

  it('is a comment behind a string of several lines, and none within one', async () => {
    const title = '@title("A suspended agent may do nothing at all.")';
    const comment = '// remit-ignore: never-applies — known';
    const withTitle = async (changedTitle: string): Promise<string[]> => {
      const c = company();
      c.change('policies/agents.cedar', title, changedTitle);
      return rules(c);
    };
    // Nothing is to be ignored there, so a comment that is seen is named.
    const unused = 'ignore-unused: there is no never-applies to ignore here';
    expect(await withTitle(`@title("two\nlines") ${comment}`)).toEqual([unused]);
    expect(await withTitle(`@title("two\n${comment}\n")`)).toEqual([]);
  });

  it('is no comment within a string', async () => {
    const c = company();
    c.change('policies/agents.cedar', '@title("A suspended agent', '@title("// remit-ignore: never-applies — x. A suspended agent'); // prettier-ignore
    expect(await rules(c)).toEqual([]);
  });
});

describe('the tests beside the policies', () => {
  const TESTS = 'policies/documents_test.yaml';

  it('show what permits are for: one that takes more is found', async () => {
    const c = company();
    expect((await c.check(true)).findings).toEqual([]);
    c.change('policies/documents.cedar', '[Docs::Action::"reads", Docs::Action::"edit"]', '[Docs::Action::"reads", Docs::Action::"writes"]'); // prettier-ignore
    // Sharing is forbidden to agents whatever permits it, so no test can show it and none needs to.
    expect((await c.check(true)).findings).toEqual([]);
    c.change('policies/documents.cedar', 'action == Docs::Action::"share",\n  resource is Docs::Document\n)', 'action == Docs::Action::"share",\n  resource is Docs::Document\n)\nwhen { context.delegation.depth > 0 }'); // prettier-ignore
    expect(told(c, (await c.check(true)).findings)).toEqual([
      'policies/documents.cedar:12:1 warning [untested-permit] no test shows "agents-read-and-edit" permitting agent share document',
    ]);
    expect((await c.check(false)).findings).toEqual([]);
  });

  it('that are not there say nothing of any permit', async () => {
    const c = company();
    rmSync(join(c.directory, TESTS));
    expect((await c.check(true)).findings).toEqual([]);
  });

  it('that can’t be run are errors, all of them at their places', async () => {
    const c = company();
    c.change(TESTS, 'agent: writer, scope: docs.read docs.write docs.share', 'agnet: writer, scope: docs.read docs.write docs.share'); // prettier-ignore
    expect(told(c, (await c.check(true)).findings)).toEqual([
      'policies/documents_test.yaml:8:3 error [test-invalid] tokens.writer-of-ann.agent: is required',
      'policies/documents_test.yaml:8:31 error [test-invalid] tokens.writer-of-ann.agnet: unknown key (did you mean "agent"?)',
    ]);
    expect((await c.check(false)).findings).toEqual([]);
  });

  it('are left alone where there are other errors', async () => {
    const c = company();
    c.change('policies/agents.cedar', 'principal.suspended', 'principal.suspnded');
    c.change(TESTS, 'now:', 'nwo:');
    expect((await c.check(true)).findings.map(({ rule }) => rule)).toEqual(['policy-invalid']);
  });
});
