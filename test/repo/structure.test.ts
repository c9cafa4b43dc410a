/** Rules of the code that a machine can hold: import direction, one reader of the environment, docs that are true. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { DECISION_STEPS } from '../../src/decide/decide.js';
import { FAULTS } from '../../src/model/faults.js';
import { REASONS } from '../../src/model/reasons.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const src = join(root, 'src');
/** The packages for others (src/clients) are no part of the service, and have tests and rules of their own. */
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (f) => f.endsWith('.ts') && !f.startsWith('clients/'),
);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/**
 * The rooms of src, from the ground up: a file may import from its own room and from those before it, types included.
 * So whoever reads a file knows which rooms it can't depend on.
 */
const ROOMS = [
  'model',
  'runtime',
  'telemetry',
  'diagnostics',
  'audit',
  'store',
  'graph',
  'policy',
  'tokens',
  'govern',
  'notify',
  'decide',
  'lists',
  'records',
  'issue',
  'config',
  'mcp',
  'author',
  'service',
  'http',
  'cli',
  'main.ts',
];
const roomOf = (file: string): string => file.split('/')[0] ?? '';

/** What each file of src imports: values, types, re-exports, `import()` and `import('…')` types; packages by name. */
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): string[] {
  const found: string[] = [];
  const add = (node: ts.Node | undefined): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return;
    const local = node.text.startsWith('.');
    found.push(local ? relative(src, resolve(dirname(join(src, file)), node.text)).replace(/\.js$/, '.ts') : node.text);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest, true));
  return found;
}

describe('imports point one way', () => {
  it('and every room has its rank', () => {
    expect([...new Set(files.map(roomOf))].sort()).toEqual([...ROOMS].sort());
  });

  it.each(files)('%s', (file) => {
    const upwards = (imports.get(file) ?? []).filter(
      (to) => imports.has(to) && ROOMS.indexOf(roomOf(to)) > ROOMS.indexOf(roomOf(file)),
    );
    expect(upwards).toEqual([]);
  });

  it('no file leads back to itself', () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) throw new Error([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file)) return;
      for (const to of imports.get(file) ?? []) if (imports.has(to)) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('model/ imports nothing but itself', () => {
    for (const file of files.filter((f) => roomOf(f) === 'model'))
      expect(imports.get(file)?.filter((to) => roomOf(to) !== 'model')).toEqual([]);
  });

  it('a step never calls another', () => {
    const steps = files.filter((f) => f.startsWith('decide/steps/'));
    expect(steps.length).toBe(DECISION_STEPS.length);
    for (const file of steps) {
      expect(imports.get(file)?.filter((to) => to.startsWith('decide/steps/'))).toEqual([]);
    }
  });
});

it('JSON text has one reader, and YAML text another', () => {
  for (const file of files) {
    const text = readFileSync(join(src, file), 'utf8').replaceAll(/^ *(\*|\/[/*]).*$/gm, '');
    if (file !== 'runtime/strict-json.ts')
      expect({ file, reads: text.match(/JSON\.parse\b|\.json\(\)/)?.[0] }).toEqual({ file });
    if (!file.startsWith('config/yaml')) expect(imports.get(file)).not.toContain('yaml');
  }
});

it('src knows nothing of the sample company', () => {
  for (const file of files) {
    const text = readFileSync(join(src, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(text, file).not.toMatch(/\b(alice|erin|zoe|hr-assistant|code-bot|payments-api|hr\.employees)\b/);
  }
});

it('no file has the marks of a merge that somebody has left to be settled', () => {
  for (const place of ['src', 'test', 'docs', 'policies', 'schema', 'fixtures'])
    for (const entry of readdirSync(join(root, place), { recursive: true, withFileTypes: true }))
      if (entry.isFile() && !entry.parentPath.includes('/node_modules'))
        expect(readFileSync(join(entry.parentPath, entry.name), 'utf8'), entry.name).not.toMatch(/^(<{7}|>{7}) /m);
  for (const file of ['README.md', 'docker-compose.yml', 'Dockerfile', 'package.json', 'tsconfig.json'])
    expect(read(file), file).not.toMatch(/^(<{7}|>{7}) /m);
});

describe('docs/reference/reasons.md', () => {
  const text = read('docs/reference/reasons.md');
  const rows = new Map(
    [...text.matchAll(/^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map((m) => [m[1] ?? '', m.slice(2)]),
  );

  it.each(Object.entries(REASONS))('documents %s', (code, { steps, operators, people }) => {
    expect(rows.get(code)).toEqual([steps.join(', '), operators, people]);
  });
  it.each(Object.entries(FAULTS))('documents %s', (code, sentence) => {
    expect(text).toContain(`| \`${code}\` | ${sentence} |`);
  });
  it('documents nothing else', () => {
    const documented = [...text.matchAll(/^\| `(\w+)` \|/gm)].map((m) => m[1]);
    expect(documented.sort()).toEqual([...Object.keys(REASONS), ...Object.keys(FAULTS)].sort());
  });
});
