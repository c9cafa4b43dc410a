/** Every source file that runs has a test at its own path, or is named with the test that runs it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { TESTED_BY } from './tested-by.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = ['src', 'test']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((f) => `${folder}/${f}`),
  )
  .filter((file) => file.endsWith('.ts') && !file.startsWith('src/clients/'))
  .sort();
const trees = new Map(
  files.map((file) => [
    file,
    ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true),
  ]),
);
const tests = files.filter((file) => file.endsWith('.test.ts'));

/** Whether the file does anything when it is loaded or called: one of types only needs no test. */
function runs(file: string): boolean {
  return (trees.get(file)?.statements ?? []).some(
    (s) =>
      !ts.isImportDeclaration(s) &&
      !ts.isExportDeclaration(s) &&
      !ts.isInterfaceDeclaration(s) &&
      !ts.isTypeAliasDeclaration(s),
  );
}

/** Whether `src/a/b.ts` has `test/a/b.test.ts`, `test/a/b.WORD.test.ts` or a folder `test/a/b/`. */
function isMirrored(file: string): boolean {
  const stem = file.replace(/^src\//, 'test/').replace(/\.ts$/, '');
  return tests.some(
    (test) => test === `${stem}.test.ts` || (test.startsWith(`${stem}.`) && /^\.[\w-]+\.test\.ts$/.test(test.slice(stem.length))) || test.startsWith(`${stem}/`), // prettier-ignore
  );
}

/** Most tests reach most files. */
const loadedBy = new Map<string, readonly string[]>();

function loads(file: string): readonly string[] {
  const loaded = loadedBy.get(file) ?? findLoads(file);
  loadedBy.set(file, loaded);
  return loaded;
}

/** The files that a file loads: by imports of values, and by the name of a worker thread's module. */
function findLoads(file: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return;
    if (ts.isStringLiteralLike(node) && /^\.{1,2}\/.*\.js$/.test(node.text))
      found.push(relative(root, resolve(root, dirname(file), node.text)).replace(/\.js$/, '.ts'));
    ts.forEachChild(node, visit);
  };
  const tree = trees.get(file);
  if (tree !== undefined) visit(tree);
  // Tests of the command line run the built program.
  if (file.endsWith('.test.ts') && tree?.text.includes('dist/main.js') === true) found.push('src/main.ts');
  return found.filter((target) => trees.has(target));
}

function reachable(test: string): Set<string> {
  const reached = new Set([test]);
  for (const file of reached) for (const target of loads(file)) reached.add(target);
  return reached;
}

describe('source files', () => {
  const sources = files.filter((file) => file.startsWith('src/') && runs(file));

  it('have a test at their own path, or are named with the test that runs them', () => {
    expect(sources.length).toBeGreaterThan(300);
    expect(sources.filter((file) => !isMirrored(file) && !(file in TESTED_BY))).toEqual([]);
  });

  it('are named only where they have none, and exist', () => {
    expect(Object.keys(TESTED_BY).filter((file) => !sources.includes(file) || isMirrored(file))).toEqual([]);
  });

  it('are loaded by the test that is named', () => {
    const reachedBy = new Map([...new Set(Object.values(TESTED_BY))].map((test) => [test, reachable(test)]));
    expect([...reachedBy.keys()].filter((test) => !existsSync(join(root, test)))).toEqual([]);
    expect(Object.entries(TESTED_BY).filter(([file, test]) => reachedBy.get(test)?.has(file) !== true)).toEqual([]);
  });
});
