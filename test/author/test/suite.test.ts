/** Reading a test file reports every problem at its line and column, and never crashes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/config.js';
import { readSources } from '../../../src/config/files.js';
import { FindingsError, formatProblem } from '../../../src/diagnostics/diagnostics.js';
import { ConfigError } from '../../../src/model/faults.js';
import { loadRules } from '../../../src/policy/load.js';
import { combinationText, type TestCase } from '../../../src/author/test/case.js';
import { readSuite } from '../../../src/author/test/suite.js';
import { readWorldFile } from '../../../src/config/world.js';
import { SAMPLE } from '../../support/sample.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const config = loadConfig(SAMPLE, {});
const rules = loadRules(readSources(config.sources));
const world = readWorldFile(config.world ?? '', rules);
const directory = mkdtempSync(join(tmpdir(), 'remit-suite-'));
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

const GOOD = `now: 2030-03-04T10:00:00Z
tokens:
  assistant: { user: alice, agent: hr-assistant, scope: hr.employees.read }
resources:
  erin: { type: employee, id: erin }
tests:
  - name: reading
    who: assistant
    actions: [read, update]
    resources: [erin, employee:zoe]
    expect:
      - { actions: read, resources: erin, decision: allow }
`;

/** The problems of a file with this text, each as `line:column message`. */
function said(text: string): string[] {
  const read = readSuite(written(text), { approverRules: NO_APPROVER_RULES, rules, world: () => world });
  return 'findings' in read ? read.findings.map((f) => `${f.line}:${f.column} ${formatProblem(f)}`) : [];
}

function casesOf(text: string): readonly TestCase[] {
  const read = readSuite(written(text), { approverRules: NO_APPROVER_RULES, rules, world: () => world });
  if ('findings' in read) throw new FindingsError(read.findings);
  return read.suite.cases;
}

function written(text: string): string {
  const path = join(directory, 'a_test.yaml');
  writeFileSync(path, text);
  return path;
}

describe('a test is every combination of who, action and resource', () => {
  it('in their order, each with the expectation that speaks of it', () => {
    expect(casesOf(GOOD).map((c) => [combinationText(c), c.expected.decision, c.expected.place.line])).toEqual([
      ['assistant read erin', 'allow', 12],
      ['assistant read employee:zoe', 'deny', 7],
      ['assistant update erin', 'deny', 7],
      ['assistant update employee:zoe', 'deny', 7],
    ]);
  });

  it('one expectation may speak of all', () => {
    const all = GOOD.replace(/expect:\n.*\n/, 'expect: { decision: allow, policies: [agents-work-with-records] }\n');
    expect(casesOf(all).map((c) => c.expected.decision)).toEqual(['allow', 'allow', 'allow', 'allow']);
    expect(casesOf(GOOD.replace(/expect:\n.*\n/, 'expect: deny\n')).map((c) => c.expected.decision)).toEqual(
      Array(4).fill('deny'),
    );
  });

  it('an id may have colons, and people need no name', () => {
    const [one] = casesOf(
      GOOD.replace('who: assistant', 'who: user:a:b')
        .replace('[erin, employee:zoe]', 'employee:*')
        .replace('resources: erin, ', ''),
    );
    expect([one?.requester.subject.id, one?.resource.id]).toEqual(['a:b', '*']);
  });
});

describe('what is wrong is said where it stands', () => {
  it.each([
    ['an unknown key', GOOD.replace('    who:', '    whom: x\n    who:'), ['8:5 tests[0].whom: unknown key (did you mean "who"?)']],
    ['an unknown key in an expectation', GOOD.replace('decision: allow', 'decision: allow, reason: x'), ['12:60 tests[0].expect[0].reason: unknown key (did you mean "reasons"?)']],
    ['a missing key', GOOD.replace(/^now.*\n/, ''), ['1:1 now: is required']],
    ['a clock that is none', GOOD.replace('2030-03-04T10:00:00Z', 'noon'), ['1:6 now: must be an instant such as "2030-03-04T10:00:00Z", to the millisecond at most']],
    ['a token that isn’t there', GOOD.replace('who: assistant', 'who: assistent'), ['8:10 there is no token or principal "assistent" (did you mean "assistant"?)']],
    ['a resource that isn’t there', GOOD.replace('[erin, ', '[erni, ').replace('resources: erin,', 'resources: erni,'), ['10:17 there is no resource "erni"; a resource without a name is written TYPE:ID (did you mean "erin"?)', '12:37 "erni" is not in this test']],
    ['a type that isn’t there', GOOD.replace('employee:zoe', 'employe:zoe'), ['10:23 no action applies to "employe" (did you mean "employee"?)']],
    ['an action that isn’t there', GOOD.replace('[read, update]', '[read, updaet]'), ['9:21 there is no action "updaet" (did you mean "update"?)']],
    ['what every object has', GOOD.replace('[read, update]', '[read, constructor]').replace('who: assistant', 'who: toString'), ['8:10 there is no token or principal "toString"', '9:21 there is no action "constructor"']],
    ['an action of another type', GOOD.replace('[read, update]', '[read, push]'), ['9:5 no action "push" applies to "employee"']],
    ['a scope that isn’t there', GOOD.replace('hr.employees.read }', 'hr.employee.read }'), ['3:57 no action has the scope "hr.employee.read", and no policy names it (did you mean "hr.employees.read"?)']],
    ['a policy that isn’t there', GOOD.replace('decision: allow', 'decision: allow, policies: [agents-work-with-record]'), ['12:71 there is no policy "agents-work-with-record" (did you mean "agents-work-with-records"?)']],
    ['a duty among the policies', GOOD.replace('decision: allow', 'decision: allow, policies: [pay-is-for-the-cleared]'), ['12:71 "pay-is-for-the-cleared" is a duty: it stands under "duties"']],
    ['a policy among the duties', GOOD.replace('decision: allow', 'decision: allow, duties: [agents-never-delete]'), ['12:69 "agents-never-delete" is no duty: it stands under "policies"']],
    ['a reason code that isn’t there', GOOD.replace('decision: allow', 'decision: deny, reasons: [policy_forbids]'), ['12:69 tests[0].expect[0].reasons[0]: is not one of those there are (did you mean "policy_forbid"?)']],
    ['a decision that isn’t there', GOOD.replace('decision: allow', 'decision: alow'), ['12:53 tests[0].expect[0].decision: is not one of those there are: allow, deny (did you mean "allow"?)']],
    ['reasons of an allow', GOOD.replace('decision: allow', 'decision: allow, reasons: [policy_forbid]'), ['12:60 "reasons" belongs to "decision: deny"']],
    ['obligations of a deny', GOOD.replace('decision: allow', 'decision: deny, obligations: {}'), ['12:59 "obligations" belongs to "decision: allow"']],
    ['an obligation that isn’t there', GOOD.replace('decision: allow', 'decision: allow, obligations: { masc: {} }'), ['12:75 tests[0].expect[0].obligations.masc: unknown key (did you mean "mask"?)']],
    ['an expectation said twice', GOOD.replace(/( {6}- \{.*\n)/, '$1$1'), ['13:9 this is the second expectation of "assistant read erin"']],
    ['an expectation of what isn’t asked', GOOD.replace('resources: erin,', 'resources: employee:dave,'), ['12:37 "employee:dave" is not in this test']],
    ['a name used twice', `${GOOD}${GOOD.slice(GOOD.indexOf('  - name'))}`, ['13:11 "reading" is the name of another test']],
    ['a value said twice', GOOD.replace('[read, update]', '[read, read]'), ['9:21 "read" is there twice']],
    ['a key twice', GOOD.replace('now:', 'now: 2030-03-04T10:00:00Z\nnow:'), ['2:1 the key is given twice']],
    ['a relationship that is none', GOOD.replace('    who:', '    with: [nonsense]\n    who:'), ['8:12 "nonsense" is not a relationship of the form "document:plan#viewer@user:ann"']],
    ['a relationship that the world hasn’t', GOOD.replace('    who:', '    without: ["employee:erin#manager@user:davi"]\n    who:'), ['8:15 the world has no such relationship (did you mean "employee:erin#manager@user:dave"?)']],
    ['an entity that fits no schema', GOOD.replace('    who:', '    entities: [{ type: agent, id: hr-assistant, attributes: { suspended: 1 } }]\n    who:'), ['8:16 attributes.suspended must be true or false']],
    ['an agent as a person', GOOD.replace('who: assistant', 'who: agent:hr-assistant'), ['8:10 an agent needs a token: name it under "tokens"']],
    ['a person that is none', GOOD.replace('who: assistant', 'who: team:core'), ['8:10 no action has the principal "team"']],
    ['a chain without a user', GOOD.replace('user: alice, agent: hr-assistant', 'agent: hr-assistant, chain: [planner]'), ['3:37 a chain needs a user: an agent that acts for itself has none']],
    ['an id that can’t be one', GOOD.replace('who: assistant', 'who: "user:a\\u0001"'), ['8:10 the id must not contain control characters']],
    ['a name of a label that can’t be one', GOOD.replace('  assistant:', '  "user:x":'), ['3:3 tokens.user:x: the name must begin with a letter or digit and have none but those and "_", ".", "-"']],
    ['a lone surrogate', GOOD.replace('name: reading', 'name: "\\ud800"'), ['1:1 tests[0].name: must be well-formed Unicode']],
    ['__proto__', GOOD.replace('type: employee, id: erin', 'type: employee, id: erin, properties: { __proto__: { x: 1 } }'), ['1:1 resources.erin.properties.__proto__: is not an acceptable member name']],
    ['nothing', '', ['1:1 the document: must be of type object, not null']],
    ['a world that fits no schema', GOOD.replace('tokens:', 'world: { entities: [{ type: spaceship, id: x }] }\ntokens:'), [expect.stringMatching(/^2:1 .*no schema has a type "spaceship"/)]],
    ['all of it', GOOD.replace('who: assistant', 'who: a').replace('[read, update]', '[b]').replace('[erin, employee:zoe]', '[c]'), expect.arrayContaining([expect.stringMatching(/^8:10/), expect.stringMatching(/^9:15/), expect.stringMatching(/^10:17/)])],
  ])('%s', (_what, text, expected) => {
    expect(said(text)).toEqual(expected);
  }); // prettier-ignore

  it('a scope that only a policy reads is known', () => {
    const audited = loadRules({
      ...rules.sources,
      policies: [
        ...rules.sources.policies,
        {
          name: 'audit.cedar',
          text: '@id("audit") @title("x") forbid (principal, action == HR::Action::"read", resource) when { context.delegation.scopes.contains("hr.audit") };',
        },
      ],
    });
    const path = written(GOOD.replace('scope: hr.employees.read', 'scope: hr.employees.read hr.audit'));
    const findingsBy = (suiteRules: typeof rules): number => {
      const read = readSuite(path, { approverRules: NO_APPROVER_RULES, rules: suiteRules, world: () => world });
      return 'findings' in read ? read.findings.length : 0;
    };
    expect([findingsBy(rules), findingsBy(audited)]).toEqual([1, 0]);
  });

  it('too many aliases are refused before they grow', () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefghij'.split('').map(
        (k, i) =>
          `${k}: &${k} [${Array(9)
            .fill(`*${'abcdefghij'[i] ?? ''}`)
            .join(', ')}]`,
      ),
    ];
    expect(said(bomb.join('\n'))).toEqual([expect.stringContaining('there can be at most 100')]);
  });

  it('a file that is too large is not read', () => {
    expect(() => said(`${GOOD}# ${'x'.repeat(5_000_000)}`)).toThrow(ConfigError);
  });

  it('a matrix that is too large is not made', () => {
    const many = (n: number, of: (i: number) => string): string =>
      `[${Array.from({ length: n }, (_, i) => of(i)).join(', ')}]`;
    const text = GOOD.replace('who: assistant', `who: ${many(400, (i) => `user:u${i}`)}`).replace(
      '[erin, employee:zoe]',
      many(200, (i) => `employee:e${i}`),
    );
    expect(said(text)).toEqual(['7:5 there must be at most 100000 combinations']);
  });
});

it('whatever is done to a good file, it is read or each problem has a place', () => {
  const good = readFileSync(join(config.sources.policies, 'agents_test.yaml'), 'utf8');
  const lines = good.split('\n');
  const edit = fc.record({
    at: fc.nat(lines.length - 1),
    how: fc.constantFrom('delete', 'double', 'indent', 'cut', 'swap', 'junk'),
    junk: fc.string({ unit: 'binary', maxLength: 12 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const now = [...lines];
      for (const { at, how, junk } of edits) {
        const line = now[at] ?? '';
        const cut = line.indexOf(':') + 1;
        if (how === 'delete') now.splice(at, 1);
        if (how === 'double') now.splice(at, 0, line);
        if (how === 'indent') now[at] = ` ${line}`;
        if (how === 'cut') now[at] = line.slice(0, line.length / 2);
        if (how === 'swap') now[at] = line.replace(/(\w+), (\w+)/, '$2, $1');
        if (how === 'junk') now[at] = `${line.slice(0, cut)} ${junk}`;
      }
      const read = readSuite(written(now.join('\n')), { approverRules: NO_APPROVER_RULES, rules, world: () => world });
      if ('suite' in read) return;
      expect(read.findings.length).toBeGreaterThan(0);
      for (const { line, column, message } of read.findings) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(now.length + junkLines(edits));
        expect(column).toBeGreaterThanOrEqual(1);
        expect(message).not.toBe('');
      }
    }),
    { numRuns: 60, seed: 20_300_304 },
  );
});

function junkLines(edits: readonly { readonly junk: string }[]): number {
  return edits.reduce((sum, { junk }) => sum + junk.split(/\r\n|\r|\n/).length, 1);
}
