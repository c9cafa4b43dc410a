/** Hooks of the tests: where a start fails, that failure is what is reported, not one of the cleanup. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

const hookName = (node: ts.Node): string | undefined =>
  ts.isCallExpression(node) && ts.isIdentifier(node.expression) ? node.expression.text : undefined;

/** Returns the declaration of a name as seen from a node, among the variables of the blocks around it. */
function findDeclaration(name: string, node: ts.Node): ts.VariableDeclaration | undefined {
  if (ts.isBlock(node) || ts.isSourceFile(node))
    for (const statement of node.statements)
      if (ts.isVariableStatement(statement))
        for (const declaration of statement.declarationList.declarations)
          if (ts.isIdentifier(declaration.name) && declaration.name.text === name) return declaration;
  return ts.isSourceFile(node) ? undefined : findDeclaration(name, node.parent);
}

/** Tells whether the compiler takes a variable for set although it has no value until some hook or test gives it one. */
const isSetLater = ({ initializer, type }: ts.VariableDeclaration): boolean =>
  initializer === undefined && !/\bundefined\b/.test(type?.getText() ?? '');

/** Returns the variables that a node assigns, also by destructuring. */
function assignedIn(node: ts.Node): Set<ts.VariableDeclaration | undefined> {
  const variables = new Set<ts.VariableDeclaration | undefined>();
  visit(node, (assignment) => {
    if (!ts.isBinaryExpression(assignment) || assignment.operatorToken.kind !== ts.SyntaxKind.EqualsToken) return;
    // A variable whose property is set has a value already.
    if (ts.isPropertyAccessExpression(assignment.left)) return;
    visit(assignment.left, (target) => {
      if (ts.isIdentifier(target)) variables.add(findDeclaration(target.text, target));
    });
  });
  return variables;
}

/**
 * Returns what cleanups read that a failed start leaves without a value: any variable set later in `afterAll`, and in
 * `afterEach` one that a `beforeEach` sets (where `beforeAll` fails no test runs, nor does `afterEach`).
 */
function findUnsetReads(text: string): string[] {
  const source = ts.createSourceFile('file.test.ts', text, ts.ScriptTarget.Latest, true);
  const setByEach = new Set<ts.VariableDeclaration | undefined>();
  visit(source, (node) => {
    if (hookName(node) === 'beforeEach') for (const variable of assignedIn(node)) setByEach.add(variable);
  });
  const found: string[] = [];
  visit(source, (hook) => {
    const name = hookName(hook);
    if (name !== 'afterAll' && name !== 'afterEach') return;
    visit(hook, (node) => {
      if (!ts.isIdentifier(node)) return;
      const variable = findDeclaration(node.text, node);
      if (variable !== undefined && isSetLater(variable) && (name === 'afterAll' || setByEach.has(variable)))
        found.push(`${name} reads ${node.text}: return the cleanup from the hook that opens it, or collectCleanups()`);
    });
  });
  return found;
}

describe('a cleanup', () => {
  const opening = (name: string): string => `${name}(async () => { remit = await start(); });`;

  it.each([
    ['all', `let remit: Running; ${opening('beforeAll')} afterAll(() => remit.stop());`],
    ['each', `let remit: Running; ${opening('beforeEach')} afterEach(() => remit.stop());`],
    [
      'of a suite',
      `describe('x', () => { let remit: Running; ${opening('beforeAll')} afterAll(() => remit.stop()); });`,
    ],
    [
      'by destructuring',
      'let port: number; beforeEach(() => { ({ port } = open()); }); afterEach(() => { end(port); });',
    ],
  ])('that reads what a failed start leaves unset is found: %s', (_name, text) => {
    expect(findUnsetReads(text)).toHaveLength(1);
  });

  it.each([
    ['returned', 'let remit: Running; beforeAll(async () => { remit = await start(); return () => remit.stop(); });'],
    ['may be none', `let remit: Running | undefined; ${opening('beforeAll')} afterAll(() => remit?.stop());`],
    ['made before', 'const directory = make(); afterAll(() => { remove(directory); });'],
    ['after each, set for all', `let remit: Running; ${opening('beforeAll')} afterEach(() => remit.reset());`],
    [
      'of another suite',
      `describe('x', () => { let remit: Running; }); const remit = make(); afterAll(() => remit.stop());`,
    ],
  ])('that reads nothing of the kind is none: %s', (_name, text) => {
    expect(findUnsetReads(text)).toEqual([]);
  });

  it.each(files)('of %s', (file) => {
    expect(findUnsetReads(readFileSync(join(root, 'test', file), 'utf8'))).toEqual([]);
  });
});
