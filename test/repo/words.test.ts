/** The words of the source: no name stands for two things, comments are sentences, and docs name files that exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const listFiles = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => `${folder}/${file}`)
    .sort();
const readSources = (paths: readonly string[]): { path: string; text: string }[] =>
  paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
const sources = readSources(listFiles('src', '.ts').filter((path) => !path.startsWith('src/clients/')));
/** The packages for others: programs of their own, that have the service's words for the same things. */
const packageSources = readSources(
  listFiles('src/clients', '.ts').filter((path) => /^src\/clients\/[\w-]+\/src\//.test(path)),
);

/** Names that a file declares at its top level: functions, constants, classes, types, interfaces and enums. */
function declaredNames(path: string, text: string): Set<string> {
  const names = new Set<string>();
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true).statements) {
    if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isEnumDeclaration(statement)) &&
      statement.name !== undefined
    )
      names.add(statement.name.text);
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) if (ts.isIdentifier(name)) names.add(name.text);
  }
  return names;
}

describe('names', () => {
  it('stand for one thing: none is declared in two files', () => {
    for (const [files, least] of [
      [sources, 1000],
      [packageSources, 80],
    ] as const) {
      const places = new Map<string, string[]>();
      for (const { path, text } of files)
        for (const name of declaredNames(path, text)) places.set(name, [...(places.get(name) ?? []), path]);
      expect(places.size).toBeGreaterThan(least);
      // Each framework's adapter is called by the one name, `remit` of routes and `guard` of tools.
      const ambiguous = [...places].filter(
        ([name, paths]) => paths.length > 1 && !(['remit', 'guard'].includes(name) && files === packageSources),
      );
      expect(ambiguous).toEqual([]);
    }
  });
});

describe('comments', () => {
  /** Words that begin no sentence of a doc comment: it has its subject or its verb first. */
  const FRAGMENT =
    /^(Of|By|In|For|With|Without|From|To|On|At|As|Between|Under|What|Whom?|Whose|Which|Where|How|Why|Whoever)\b/;
  /** Words without a subject: a comment names the caller, the client, the operator. */
  const VAGUE = /\b(whoever|somebody|nobody|everybody|someone|anybody|anyone|everyone)\b/i;

  it.each([...sources, ...packageSources].map(({ path, text }) => [path, text]))('%s', (_path, text) => {
    const comments = [...text.matchAll(/\/\*\*(?!\/)([\s\S]*?)\*\/|(?:^|\s)\/\/ (.*)$/gm)].map(([, doc, line]) =>
      (doc ?? line ?? '').replace(/^\s*\*? ?/gm, ' ').trim(),
    );
    expect(comments.filter((comment) => /^Of\b/.test(comment))).toEqual([]);
    expect(comments.filter((comment) => VAGUE.test(comment))).toEqual([]);
    const docComments = [...text.matchAll(/\/\*\*(?!\/)[\s*]*([\s\S]*?)\*\//g)].map(([, doc = '']) => doc);
    expect(docComments.filter((comment) => FRAGMENT.test(comment))).toEqual([]);
  });
});

describe('docs', () => {
  const pages = ['README.md', ...listFiles('docs', '.md')].map((path) => [
    path,
    readFileSync(join(root, path), 'utf8'),
  ]);

  it.each(pages)('%s links to pages that exist', (path = '', text = '') => {
    const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, target = '']) => target);
    expect(targets.filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([]);
  });

  it.each(pages)('%s names files that exist', (_path, text = '') => {
    // A path below the project, or one below src that names a file.
    const paths = [
      ...text.matchAll(/`((?:src|test|docs|schema|policies|fixtures|\.ci)\/[\w./-]+|[\w-]+\/[\w/-]+\.ts)`/g),
    ];
    const missing = paths
      .map(([, file = '']) => file)
      .filter((file) => !existsSync(join(root, file)) && !existsSync(join(root, 'src', file)));
    expect(missing).toEqual([]);
  });

  it('the path of a decision in docs/architecture.md leads to files that exist', () => {
    const [, drawing = ''] =
      /^```\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'docs/architecture.md'), 'utf8')) ?? [];
    const files = [...drawing.matchAll(/[\w-]+\/[\w/-]+\.ts/g)].map(([file]) => file);
    expect(files.length).toBeGreaterThan(15);
    expect(files.filter((file) => !existsSync(join(root, 'src', file)))).toEqual([]);
  });

  it('docs/architecture.md has the rooms in their order', () => {
    const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    const structure = readFileSync(join(root, 'test/repo/structure.test.ts'), 'utf8');
    const [, list = ''] = /const ROOMS = \[([\s\S]*?)\]/.exec(structure) ?? [];
    const rooms = [...list.matchAll(/'([\w-]+)'/g)].map(([, room]) => room);
    expect([...architecture.matchAll(/^\| `([\w-]+)\/` \|/gm)].map(([, room]) => room)).toEqual(rooms);
  });
});
