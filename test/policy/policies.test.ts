/** Policy files: cut where Cedar cuts, each policy with its line, and everything refused that would mislead later. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CedarEngine } from '../../src/policy/cedar.js';
import { FindingCollector, assertNoErrors } from '../../src/diagnostics/diagnostics.js';
import { MAX_POLICY_BYTES, readPolicies, type Policy } from '../../src/policy/policies.js';
import { marked, refusal } from './sources.js';

const engine = new CedarEngine();
/** As loading does: refused where anything is wrong. */
const read = (...texts: string[]): Policy[] => {
  const findings = new FindingCollector();
  const files = texts.map((text, i) => ({ name: `policies/${'abc'[i] ?? ''}.cedar`, text }));
  const policies = readPolicies(files, engine, findings);
  assertNoErrors(findings.all);
  return policies;
};
const policy = (id: string, rest = ''): string => `@id("${id}") permit (principal, action, resource)${rest};`;

describe('a policy file', () => {
  it('is cut into its policies, each with its line', () => {
    const policies = read(
      [
        '// A comment; with a semicolon, and "half a string',
        '@id("first")',
        '@title("Semicolons; and // slashes, \\"quoted\\"; and \\\\")',
        'forbid (principal, action, resource) // the end; not yet',
        'when { resource.name == "a;b" };',
        '',
        '  // about the second',
        '  @id("second") @title("é🙂;") permit (principal, action, resource);@id("third")',
        'permit (principal, action, resource);',
        '// and no more',
      ].join('\n'),
    );
    expect(policies.map(({ id, title, source, json }) => ({ id, title, source, effect: json.effect }))).toEqual([
      {
        id: 'first',
        title: 'Semicolons; and // slashes, "quoted"; and \\',
        source: 'policies/a.cedar:2',
        effect: 'forbid',
      },
      { id: 'second', title: 'é🙂;', source: 'policies/a.cedar:8', effect: 'permit' },
      { id: 'third', title: undefined, source: 'policies/a.cedar:8', effect: 'permit' },
    ]);
    expect(policies[0]?.text).toMatch(/^@id\("first"\)[^]*"a;b" };$/);
    expect(policies[2]?.text).toBe('@id("third")\npermit (principal, action, resource);');
  });

  it.each([
    ['none in an empty file', '', []],
    ['none among comments and blanks', '\n // permit (principal, action, resource);\n\t\n', []],
    [
      "with Windows' ends of line",
      `// x\r\n${policy('a')}\r\n\r\n${policy('b')}\r\n`,
      ['policies/a.cedar:2', 'policies/a.cedar:4'],
    ],
    ['without an end of line', `\n${policy('a')}`, ['policies/a.cedar:2']],
  ])('holds %s', (_, text, sources) => expect(read(text).map((p) => p.source)).toEqual(sources));

  it('does not lose a forbid behind a comment that Cedar ends at a carriage return', () => {
    const ids = (text: string): string[] => read(text).map((p) => p.id);
    expect(ids(`// no deletes:\r@id("no") forbid (principal, action, resource);\n${policy('yes')}`)).toEqual([
      'no',
      'yes',
    ]);
    expect(
      ids(`${policy('yes', ' // :\r unless { false }')}\r@id("no")\rforbid (principal, action, resource);`),
    ).toEqual(['yes', 'no']);
  });

  it('is cut exactly as Cedar reads it, whatever stands in strings and comments', () => {
    const noise = fc.string({
      unit: fc.constantFrom(...Array.from(';/\\"\'@(){} abé🙂'), '//', 'forbid', '@id("x")'),
      maxLength: 12,
    });
    const text = noise.map((s) => JSON.stringify(s));
    const comment = noise.map((s) => `// ${s}\n`);
    const blank = fc.oneof(comment, fc.constantFrom('\n', ' ', '\t', '\r\n', '\n\n'));
    const gap = fc.array(blank, { maxLength: 3 }).map((parts) => parts.join(''));
    const statement = fc.record({ before: gap, title: text, between: gap, value: text, end: gap });
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 5 }), gap, (statements, after) => {
        let file = '';
        const expected = statements.map(({ before, title, between, value, end }, i) => {
          file += before;
          const line = file.split('\n').length;
          file += `@id("p${i}")${between}@title(${title})permit(principal,action,resource)when{${between}"x"==${value}${end}};`;
          return { id: `p${i}`, title: JSON.parse(title) as string, source: `policies/a.cedar:${line}` };
        });
        const policies = read(file + after);
        expect(policies.map(({ id, title, source }) => ({ id, title, source }))).toEqual(expected);
        expect(policies.map((p) => p.json.conditions)).toEqual(
          statements.map(({ value }) => [
            {
              kind: 'when',
              body: { '==': { left: { Value: 'x' }, right: { Value: JSON.parse(value) as string } } },
            },
          ]),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('entities that a policy names', () => {
  const refused = (id: string, text: string): string => refusal(() => read(text.replaceAll('ID', id)));

  it.each([
    ['in its scope', 'forbid (principal, action, resource == Doc::"ID");'],
    ['in its conditions', 'forbid (principal, action, resource) when { [Doc::"x", Doc::"ID"].contains(resource) };'],
    ['behind is', 'forbid (principal is User in Team::"ID", action, resource);'],
  ])('%s have ids that a question can name', (_, text) => {
    expect(refused('cafe\u0301', `@id("a") ${text}`)).toMatch(
      /^policies\/a\.cedar:1: the id of (Doc|Team)::"cafe\u0301" must be in Unicode normalization form C$/,
    );
    expect(refused('a'.repeat(1_025), `@id("a") ${text}`)).toMatch(/ must be at most 1024 bytes long when encoded$/);
    expect(read(`@id("a") ${text.replaceAll('ID', 'caf\u00e9')}`)).toHaveLength(1);
  });
});

describe('addresses', () => {
  const refused = (literal: string): string =>
    refusal(() => read(`\n${policy('a', ` when { context.x == 1 || [ip("${literal}")].contains(context.ip) }`)}`));

  it.each([
    ['::ffff:a00:0/104', 'write ip("10.0.0.0/8")'],
    ['::FFFF:a00:1', 'write ip("10.0.0.1")'],
    ['::ffff:0:0/96', 'write ip("0.0.0.0/0")'],
    ['::ffff:a00:0/90', 'name its IPv4 and its IPv6 addresses apart'],
  ])('%s is refused with the cure', (literal, cure) => {
    expect(refused(literal)).toBe(
      `policies/a.cedar:2: ip("${literal}") is IPv4 within IPv6, which is compared as IPv4: ${cure}`,
    );
  });

  it('of one family are taken, as Cedar takes them', () => {
    for (const literal of ['10.0.0.0/8', '::1', '2001:db8::/32', '::/0', '64:ff9b::a00:1'])
      expect(read(policy('a', ` when { ip("${literal}").isIpv4() }`))).toHaveLength(1);
  });
});

describe('characters that are not seen as they are read', () => {
  const odd = [
    '\u0085',
    '\u00a0',
    '\u2028',
    '\u2029',
    '\u200b',
    '\u200e',
    '\u202e',
    '\u2066',
    '\u3000',
    '\u000b',
    '\u000c',
    '\u0000',
    '\ufeff',
    '\u00ad',
  ];
  const words = [
    '@',
    'id',
    '(',
    '"a"',
    ')',
    '@',
    'duty',
    '(',
    '"mask:pii"',
    ')',
    'permit',
    '(',
    'principal',
    ',',
    'action',
    ',',
    'resource',
    ')',
    'when',
    '{',
    '"x"',
    '==',
    '"x"',
    '}',
    ';',
  ];
  const said = (character: string): string =>
    `the character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')} is refused outside strings`;

  it.each(odd)('are refused between any two words: %j', (character) => {
    for (let at = 0; at <= words.length; at += 1) {
      const text = `\n${words.toSpliced(at, 0, character).join(' ')}`;
      expect(() => read(text)).toThrow(`policies/a.cedar:2: ${said(character)}`);
    }
  });

  it.each([
    '\u202a',
    '\u202b',
    '\u202d',
    '\u202e',
    '\u2066',
    '\u2069',
    '\u200f',
    '\u061c',
    '\u2028',
    '\u0085',
    '\u000c',
  ])('are refused in a comment: %j', (character) => {
    expect(() => read(`// safe${character} @id("x")\n${policy('a')}`)).toThrow(
      `policies/a.cedar:1: ${said(character)}`,
    );
  });

  it('may stand in strings, and letters of any script and emoji in comments', () => {
    const title = 'שלום \u202e\u00a0\u2028';
    const [only] = read(`// عربى 日本 é\u00a0👩\u200d🔬\n@title("${title}")${policy('a')}`);
    expect(only?.title).toBe(title);
  });

  it.each(['\\0', '\\u{0}', '\\u{1b}', '\u0000', '\u0085', '\u007f'])(
    'are refused in annotations, as %j',
    (character) => {
      for (const annotation of ['id', 'title', 'duty', 'anything'])
        expect(() =>
          read(
            `${annotation === 'id' ? '' : '@id("a")\n'}@${annotation}("x${character}") forbid (principal, action, resource);`,
          ),
        ).toThrow(new RegExp(`@${annotation} holds the control character U\\+[0-9A-F]{4}: delete it`));
    },
  );

  it('never make of a policy another one than Cedar reads in it', () => {
    const character = fc.oneof(
      fc.constantFrom(...odd, ';', '"', '//', '\r', '\n', '\t', ' ', '\\'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    );
    const original = `@id("a") @duty("mask:pii") permit(principal, action, resource) when { "x" == "x" }; // end\n@id("b") forbid(principal, action, resource);`;
    fc.assert(
      fc.property(character, fc.nat({ max: original.length }), (inserted, at) => {
        const text = original.slice(0, at) + inserted + original.slice(at);
        let policies: Policy[];
        try {
          policies = read(text);
        } catch {
          return;
        }
        // Cedar cuts the untouched text by itself.
        const { value: parts } = engine.splitPolicySet(text);
        expect(policies.map(({ json }) => json)).toEqual(parts?.map((part) => engine.parsePolicy(part).value));
        for (const { json, duties } of policies) expect(duties !== undefined).toBe('duty' in (json.annotations ?? {}));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a policy', () => {
  it('carries its remedies and duties', () => {
    const [forbid, duty, plain] = read(
      '@id("f") @remedy("consent, approval:approve_merge , step_up:urn:acr:2") forbid (principal, action, resource);' +
        '@id("d") @duty("mask:pii,notification: owner") permit (principal, action, resource);' +
        policy('p'),
    );
    expect(forbid?.remedies).toEqual([
      { type: 'consent' },
      { type: 'approval', permission: 'approve_merge' },
      { type: 'step_up', acr: 'urn:acr:2' },
    ]);
    expect(forbid?.duties).toBeUndefined();
    expect(duty?.duties).toEqual([
      { kind: 'mask', argument: 'pii' },
      { kind: 'notification', argument: 'owner' },
    ]);
    expect(plain).toMatchObject({ remedies: [], duties: undefined });
  });

  it.each(['__proto__', 'constructor', '0', 'a b;"'])('may be called %s', (id) => {
    expect(read(policy(id.replace('"', '\\"')), policy('other')).map((p) => p.id)).toEqual([id, 'other']);
  });

  it("may carry its author's own annotations", () => {
    expect(read('@id("a") @owner("x") @reviewed @see("y") permit (principal, action, resource);')).toHaveLength(1);
  });

  it('is refused where its @id is taken, in the same file or another', () => {
    expect(refusal(() => read(`\n${policy('a')}\n\n${policy('a')}`))).toBe(
      'policies/a.cedar:4: @id("a") is taken by policies/a.cedar:2',
    );
    expect(refusal(() => read(`\n${policy('a')}`, policy('b'), `${policy('c')}\n${policy('a')}`))).toBe(
      'policies/c.cedar:2: @id("a") is taken by policies/a.cedar:2',
    );
  });

  const slip = (given: string, meant: string): [string, string, string] => [
    `with @${given}`,
    `${policy('a')}\n‹here›@id("b") @${given}("mask:pii")\npermit (principal, action, resource);`,
    `annotation "@${given}" is not known (did you mean "@${meant}"?)`,
  ];
  it.each([
    [
      'without an @id',
      `${policy('a')}\n\n// c\n‹here›permit (principal, action, resource);`,
      'every policy needs an @id("…")',
    ],
    ['with an empty @id', '\n‹here›@id("") permit (principal, action, resource);', 'every policy needs an @id("…")'],
    [
      'with an @id without a value',
      '‹here›@id permit (principal, action, resource);',
      'every policy needs an @id("…")',
    ],
    [
      'with a @duty without a value',
      '‹here›@id("a") @duty permit (principal, action, resource);',
      '@duty "" is of no known kind: mask, visible_fields, notification, review',
    ],
    [
      'with a @remedy without a value',
      '‹here›@id("a") @remedy forbid (principal, action, resource);',
      '@remedy "" must be consent, approval:<permission> or step_up:<acr>',
    ],
    [
      'with a @remedy whose value has more than blanks around it',
      '‹here›@id("a") @remedy("step_up:\u00a0high") forbid (principal, action, resource);',
      '@remedy "step_up:\u00a0high" must be consent, approval:<permission> or step_up:<acr>',
    ],
    slip('Id', 'id'),
    slip('idd', 'id'),
    slip('titel', 'title'),
    slip('remdy', 'remedy'),
    slip('remedies', 'remedy'),
    // A slip here would make a policy that grants out of one that only adds obligations.
    slip('Duty', 'duty'),
    slip('dutty', 'duty'),
    slip('dtuy', 'duty'),
    slip('dutie', 'duty'),
    slip('duties', 'duty'),
    [
      'with @remedy on a permit',
      '‹here›@id("a") @remedy("consent") permit (principal, action, resource);',
      '@remedy belongs on a forbid: it says what would lift it',
    ],
    [
      'with @remedy on a duty',
      '‹here›@id("a") @remedy("consent") @duty("mask:pii") permit (principal, action, resource);',
      '@remedy belongs on a forbid: it says what would lift it',
    ],
    ...['', '// c\n', '@forbid("x") ', '@permit '].map((before) => [
      `that is a duty written as a forbid behind ${JSON.stringify(before)}`,
      `‹here›@duty("mask:pii") @id("a") ${before}forbid (principal, action, resource);`,
      'a duty is written as a permit: it applies where its scope and conditions hold, and neither permits nor forbids',
    ]),
    ...[
      '',
      'grant',
      'consent:x',
      'consent,',
      'approval',
      'approval:',
      'approval:No',
      'step_up',
      'step_up:',
      'scope:x',
    ].map((remedy): [string, string, string] => [
      `with the remedy ${JSON.stringify(remedy)}`,
      `\n‹here›@id("a") @remedy("${remedy}")\nforbid (principal, action, resource);`,
      `@remedy "${remedy === 'consent,' ? '' : remedy}" must be consent, approval:<permission> or step_up:<acr>`,
    ]),
  ])('is refused %s', (_, marking, message) => {
    const { text, line } = marked(marking);
    expect(refusal(() => read(text))).toBe(`policies/a.cedar:${line}: ${message}`);
  });
});

describe('what Cedar does not read is refused at its line:', () => {
  it.each([
    [
      'a template',
      '\n\n‹here›@id("a") permit (principal == ?principal, action, resource);',
      'expected a static policy, got a template containing the slot ?principal',
    ],
    [
      'a missing word of the scope',
      `${policy('a')}\n\n@id("b")\npermit (principal,\n action,\n resoure‹here›);`,
      'found an invalid variable in the policy scope: resoure',
    ],
    [
      'a condition broken off, after letters of several bytes',
      '@id("a")\n@title("é🙂;\\"//")\nforbid (principal,\n action, // ;é\n resource) when { context.x + ‹here›};',
      'unexpected token `}`',
    ],
    [
      'a string that is not closed',
      '@id("a")\n@title("é;)‹here›\nforbid (principal,\n action,\n resource);',
      'invalid token (try checking that all strings are closed properly)',
    ],
    [
      'an annotation given twice',
      '@id("a")\n@id("b")‹here›\nforbid (principal, action, resource);',
      'duplicate annotation: @id',
    ],
    ['an empty statement', `${policy('a')}\n‹here›;`, 'unexpected token `;`'],
    ['something after the last policy', `${policy('a')}\n\n garbage‹here›`, 'unexpected end of input'],
    ['a policy without its semicolon', `${policy('a').slice(0, -1)}\n‹here›${policy('b')}`, 'unexpected token `@`'],
    [
      'a negation too often',
      `@id("a") permit (principal, action, resource)\nwhen { ‹here›!!!!!true };`,
      'too many occurrences of `!`',
    ],
    ['an unknown function', `@id("a") permit (principal, action, resource)\nwhen {\n nothing("x")‹here› };`, 'nothing'],
  ])('%s', (_, marking, message) => {
    const { text, line } = marked(marking);
    const said = refusal(() => read(text));
    expect(said).toContain(message);
    expect(said).toMatch(new RegExp(`^policies/a\\.cedar:${line}: `));
  });
});

describe('limits', () => {
  // How deep Cedar itself can read depends on the stack that is left; either way it is refused, with its place.
  const DEEP =
    /^policies\/a\.cedar:2: (the conditions are nested \(or chained\) more than 100 deep: split the policy$|Cedar can't read this text \(too deeply nested\?\): )/;
  const conditions = (text: string): string => `\n@id("a")\npermit (principal, action, resource)\n${text};`;
  const chain = (n: number, operator: string, operand = 'context.a'): string =>
    conditions(`when { ${Array.from({ length: n }, () => operand).join(operator)} }`);

  it.each([
    ['||', chain(400, ' || ')],
    ['&&', chain(400, ' && ')],
    ['+', chain(400, ' + ', '1').replace(' }', ' == 1 }')],
    ['.', conditions(`when { context${'.a'.repeat(400)} }`)],
    ['else if', conditions(`when { ${'if context.a then true else '.repeat(150)}false }`)],
    ['when', conditions('when { context.a } '.repeat(400))],
    ['unless', conditions('unless { context.a } '.repeat(400))],
    ['when and unless', conditions('when { context.a } unless { context.b } '.repeat(200))],
  ])('refuse a chain of %s that Cedar would die of', (_, text) => {
    expect(refusal(() => read(text))).toMatch(DEEP);
  });

  it.each([
    ['parentheses', `${'('.repeat(200)}context.a${')'.repeat(200)}`],
    ['sets', `${'['.repeat(200)}1${']'.repeat(200)} == context.a`],
    ['records', `${'{a: '.repeat(200)}1${'}'.repeat(200)} == context.a`],
  ])('refuse %s that Cedar dies of while it reads', (_, expression) => {
    const before = engine.replacementCount;
    expect(refusal(() => read(conditions(`when { ${expression} }`)))).toMatch(
      /^policies\/a\.cedar:2: Cedar can't read this text \(too deeply nested\?\): /,
    );
    expect(engine.replacementCount).toBe(before + 1);
    expect(read(policy('next'))).toHaveLength(1);
  });

  it.each([
    ['||', (n: number) => chain(n, ' || ')],
    ['&&', (n: number) => chain(n, ' && ')],
    ['when', (n: number) => conditions('when { context.a } '.repeat(n))],
    ['.', (n: number) => conditions(`when { context${'.a'.repeat(n)} }`)],
  ])('let through no chain of %s that fails when it is evaluated', (_, textOf) => {
    const accepted = [25, 50, 75, 90, 95, 96, 97, 98, 99, 100, 101, 102, 150, 200, 300].filter((n) => {
      try {
        return read(textOf(n)).length === 1;
      } catch {
        return false;
      }
    });
    expect(accepted).toContain(90);
    expect(accepted).not.toContain(150);
    for (const n of accepted) {
      engine.define('deep', { a: textOf(n) });
      const before = engine.replacementCount;
      engine.authorize('deep', {
        principal: { type: 'U', id: 'u' },
        action: { type: 'Action', id: 'a' },
        resource: { type: 'R', id: 'r' },
        context: { a: true },
        entities: [],
      });
      expect(engine.replacementCount, `${n}`).toBe(before);
    }
  });

  it('take a policy of 64 KiB and no longer one, in bytes', () => {
    const padded = (bytes: number): string => {
      const bare = `@id("a") @title("é") permit (principal, action, resource);`;
      return bare.replace('é', `é${'x'.repeat(bytes - Buffer.byteLength(bare))}`);
    };
    expect(Buffer.byteLength(padded(MAX_POLICY_BYTES))).toBe(65_536);
    expect(read(padded(MAX_POLICY_BYTES))).toHaveLength(1);
    expect(refusal(() => read(`\n${padded(MAX_POLICY_BYTES + 1)}`))).toBe(
      'policies/a.cedar:2: a policy must be at most 65536 bytes long',
    );
  });

  it('are of the policy, not of the file', () => {
    const many = Array.from({ length: 500 }, (_, i) => policy(`p${i}`, ` when { context.a == "${'x'.repeat(200)}" }`));
    expect(read(many.join('\n'))).toHaveLength(500);
  });
});
