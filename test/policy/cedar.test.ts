/** The Cedar engine, and the traps that it is there for: an instance that dies must take nothing with it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '@cedar-policy/cedar-wasm/nodejs';
import ts from 'typescript';
import { beforeEach, describe, expect, it } from 'vitest';
import { CedarEngine, type CedarRequest } from '../../src/policy/cedar.js';
import { Fault } from '../../src/model/faults.js';

let engine: CedarEngine;
beforeEach(() => {
  engine = new CedarEngine();
});

const request = (context: Context = {}): CedarRequest => ({
  principal: { type: 'User', id: 'alice' },
  action: { type: 'Action', id: 'view' },
  resource: { type: 'Doc', id: 'plan' },
  context,
  entities: [],
});

/** Cedar can't take these: it throws, and leaks a little of its stack each time. */
const POISON: readonly (readonly [string, Context])[] = [
  ['a lone surrogate in a value', { a: '\ud800' }],
  ['a lone surrogate in a key', { '\udc00': 1 }],
  ['a BigInt', { a: 1n as unknown as number }],
  ['JSON nested 200 levels deep', { a: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as [] }],
];

function faultOf(call: () => unknown): Fault {
  try {
    call();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
}

describe('authorize', () => {
  const all = 'permit (principal, action, resource);';

  it('answers with the policies that decided, by name and in order', () => {
    engine.define('set', { z: all, a: all, m: 'forbid (principal, action, resource) when { context.no };' });
    expect(engine.authorize('set', request({ no: false }))).toEqual({
      decision: 'allow',
      determining: ['a', 'z'],
      errors: [],
    });
    expect(engine.authorize('set', request({ no: true }))).toEqual({
      decision: 'deny',
      determining: ['m'],
      errors: [],
    });
  });

  it('denies without a permit', () => {
    engine.define('set', {});
    expect(engine.authorize('set', request())).toEqual({ decision: 'deny', determining: [], errors: [] });
  });

  it('names every policy that could not be evaluated, an erring forbid above all', () => {
    engine.define('set', {
      yes: all,
      no: 'forbid (principal, action, resource) when { context.missing };',
      maybe: 'permit (principal, action, resource) when { resource.status == "x" };',
    });
    const answer = engine.authorize('set', request());
    // Cedar skips what errs and allows: whoever reads the answer must look at the errors.
    expect(answer.decision).toBe('allow');
    const messages = new Map(answer.errors.map((e) => [e.policy, e.message]));
    expect([...messages.keys()].sort()).toEqual(['maybe', 'no']);
    expect(messages.get('maybe')).toContain('entity `Doc::"plan"` does not exist');
    expect(messages.get('no')).toContain('record does not have the attribute `missing`');
  });

  it.each<[string, Context, RegExp]>([
    ['a broken number', { a: 1.5 }, /did not match any variant/],
    ['null', { a: null }, /null/],
    ['an extension value that is none', { a: { __extn: { fn: 'ip', arg: 'x' } } }, /ip/],
  ])('makes a deny with an error of a call that Cedar refuses: %s', (_, context, message) => {
    engine.define('set', { yes: all });
    const answer = engine.authorize('set', request(context));
    expect(answer).toMatchObject({ decision: 'deny', determining: [], errors: [{ policy: '' }] });
    expect(answer.errors[0]?.message).toMatch(message);
    expect(engine.replacementCount).toBe(0);
  });

  it('keeps sets apart, and replaces one that is defined again', () => {
    engine.define('yes', { p: all });
    engine.define('no', {});
    expect(engine.authorize('yes', request()).decision).toBe('allow');
    expect(engine.authorize('no', request()).decision).toBe('deny');
    engine.define('yes', { q: 'forbid (principal, action, resource);' });
    expect(engine.authorize('yes', request())).toMatchObject({ decision: 'deny', determining: ['q'] });
  });

  it('keeps engines apart', () => {
    const other = new CedarEngine();
    engine.define('set', { p: all });
    other.define('set', {});
    expect(engine.authorize('set', request()).decision).toBe('allow');
    expect(other.authorize('set', request()).decision).toBe('deny');
  });

  it('does not take a set that was never defined for one that cannot answer', () => {
    expect(() => engine.authorize('nothing', request())).toThrow(new TypeError('no policy set "nothing"'));
  });
});

describe('an instance that throws', () => {
  it.each(POISON)('is replaced, and the next call is answered: %s', (_, context) => {
    engine.define('one', { p: 'permit (principal, action, resource);' });
    engine.define('two', { f: 'forbid (principal, action, resource);' });
    engine.authorize('one', request());

    const fault = faultOf(() => engine.authorize('one', request(context)));
    expect(fault).toMatchObject({ code: 'policies_unavailable', message: 'Cedar could not answer.' });
    expect(fault.detail).toBe(String(fault.cause));
    expect(engine.replacementCount).toBe(1);
    expect(engine.authorize('one', request()).decision).toBe('allow');
    expect(engine.authorize('two', request()).determining).toEqual(['f']);
    expect(engine.replacementCount).toBe(1);
  });

  it('is replaced when a policy kills it in evaluation, which others survive', () => {
    const chain = Array.from({ length: 2000 }, () => 'context.a').join(' || ');
    engine.define('deadly', { p: `permit (principal, action, resource) when { ${chain} };` });
    engine.define('other', { p: 'permit (principal, action, resource);' });
    for (const times of [1, 2, 3]) {
      expect(faultOf(() => engine.authorize('deadly', request({ a: false }))).code).toBe('policies_unavailable');
      expect(engine.replacementCount).toBe(times);
      expect(engine.authorize('other', request()).decision).toBe('allow');
    }
  });

  it('is replaced 3,000 times in a row, and neither dies nor keeps the memory of those before', () => {
    engine.define('set', { p: 'permit (principal, action, resource);' });
    const poisons = POISON.slice(0, 3).map(([, context]) => request(context));
    const before = process.memoryUsage().rss;
    for (let i = 1; i <= 3000; i += 1) {
      const poison = poisons[i % poisons.length] ?? request();
      expect(() => engine.authorize('set', poison)).toThrow(Fault);
      if (i % 100 > 0) continue;
      expect(engine.authorize('set', request()).decision).toBe('allow');
      // One instance is 1 to 2 MB.
      expect((process.memoryUsage().rss - before) / 2 ** 20, `MiB after ${i}`).toBeLessThan(400);
    }
  }, 120_000);
});

describe('candidates', () => {
  it.each([
    ['parentheses', `permit (principal, action, resource) when { ${'('.repeat(200)}true${')'.repeat(200)} };`],
    ['sets', `permit (principal, action, resource) when { ${'['.repeat(200)}1${']'.repeat(200)} == [] };`],
    ['a lone surrogate', 'permit (principal, action, resource) when { "\ud800" == "" };'],
  ])('that Cedar cannot stand are complained of: %s', (_, text) => {
    engine.define('set', { p: 'permit (principal, action, resource);' });
    const { value, diagnostics } = engine.parsePolicy(text);
    expect(value).toBeUndefined();
    expect(diagnostics).toEqual([
      { message: expect.stringMatching(/^Cedar can't read this text \(too deeply nested\?\): \w+/) as string },
    ]);
    expect(engine.replacementCount).toBe(1);
    expect(engine.authorize('set', request()).decision).toBe('allow');
  });

  it('are placed by the byte that Cedar names', () => {
    expect(engine.parsePolicy('permit (principal, action, "é🙂" resource);').diagnostics[0]?.offset).toBe(27);
    expect(engine.parseSchema('entity A; // é🙂\nentty B;').diagnostics[0]?.offset).toBe(20);
    const { value } = engine.validate('entity A; action "view" appliesTo { principal: [A], resource: [A] };', {
      good: 'permit (principal, action, resource);',
      bad: 'permit (principal, action, resource) when { "é🙂" == principal.name };',
    });
    expect(value).toEqual([
      {
        policy: 'bad',
        warning: false,
        offset: 56,
        message: 'for policy `bad`, attribute `name` on entity type `A` not found',
      },
    ]);
  });

  it('are read with their types resolved', () => {
    const { value: schema } = engine.parseSchema('type T = { a: Long }; entity A { t: T };');
    expect(schema?.['']?.entityTypes).toHaveProperty('A');
    expect(schema?.['']?.commonTypes).toHaveProperty('T');
  });

  it('are told what Cedar only warns of, unless there are errors to tell', () => {
    const schema = 'entity A; entity B; action "view" appliesTo { principal: [A], resource: [A] };';
    const said = (policy: string): (readonly [boolean, string])[] =>
      (engine.validate(schema, { p: policy }).value ?? []).map(({ warning, message }) => [warning, message]);
    expect(said('permit (principal, action, resource) when { resource is B };')).toEqual([
      [true, expect.stringContaining('policy is impossible')],
    ]);
    expect(said('permit (principal is C, action, resource);')).toEqual([[false, expect.stringContaining('`C`')]]);
    expect(said('permit (principal, action, resource);')).toEqual([]);
  });

  it('are formatted, comments and all', () => {
    const { value } = engine.format('@id("a") // why\npermit(principal,action,resource);// end', 80);
    expect(value).toBe('@id("a") // why\npermit (principal, action, resource); // end\n');
    expect(engine.format('permit (', 80)).toMatchObject({ diagnostics: [{ offset: 8 }] });
  });
});

describe('the process', () => {
  /**
   * Node 20 and 22 abort (exit 133) when optimised code that inlined a call into WebAssembly is deoptimised during
   * that call: here by a `toJSON`, run by Cedar, that changes what the caller's code relies on.
   */
  it('lives on when callers are deoptimised during a call', () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-cedar-'));
    try {
      // The module itself in a plain process, not through vitest's loader.
      const root = fileURLToPath(new URL('../..', import.meta.url));
      for (const module of ['policy/cedar', 'model/faults']) {
        const source = readFileSync(join(root, 'src', `${module}.ts`), 'utf8');
        const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
        const file = join(directory, `${module}.js`);
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(file, ts.transpileModule(source, { compilerOptions }).outputText);
      }
      writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
      symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
      writeFileSync(join(directory, 'child.js'), CHILD);

      const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['child.js'], {
        cwd: directory,
        encoding: 'utf8',
        timeout: 60_000,
      });
      expect({ status, signal, stdout, stderr }).toEqual({
        status: 0,
        signal: null,
        stdout: '20000 allowed\n',
        stderr: '',
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  }, 90_000);
});

const CHILD = `
  import { CedarEngine } from './policy/cedar.js';
  const engine = new CedarEngine();
  engine.define('set', { p: 'permit (principal, action, resource);' });
  const box = { value: 1 };
  let calls = 0;
  let allowed = 0;
  function ask() {
    const before = box.value;
    const context = {
      toJSON() {
        calls += 1;
        if (calls % 5000 === 0 || calls === 20000) {
          box.value = calls % 10000 === 0 ? 'text' : calls;
          engine['field' + calls] = calls;
        }
        return {};
      },
    };
    const { decision } = engine.authorize('set', {
      principal: { type: 'User', id: 'alice' },
      action: { type: 'Action', id: 'view' },
      resource: { type: 'Doc', id: 'plan' },
      context,
      entities: [],
    });
    if (decision === 'allow' && before !== undefined) allowed += 1;
  }
  for (let i = 0; i < 20000; i += 1) ask();
  console.log(allowed + ' allowed');
`;
