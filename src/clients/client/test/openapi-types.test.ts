/** The types that `openapi-typescript` makes of the document that the service serves: a client of them compiles, and asks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const { url, key, tokens } = inject('service');
const workspace = fileURLToPath(new URL('../..', import.meta.url));
const program = fileURLToPath(new URL('typed-client/program.ts', import.meta.url));

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: object }>>;
}
interface Schema {
  readonly $ref?: string;
  readonly example?: unknown;
  readonly examples?: readonly unknown[];
}
interface ServedDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

let served: ServedDocument;
let directory: string;
let types: string;

beforeAll(async () => {
  served = (await (await fetch(`${url}/openapi.json`)).json()) as ServedDocument;
  // Its own settings are the defaults: those that a reader of the docs has.
  types = astToString(await openapiTS(JSON.stringify(served)));
  directory = mkdtempSync(join(workspace, 'node_modules/.service-api-'));
  writeFileSync(join(directory, 'service-api.ts'), types);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What every compilation reads. */
const sources = new Map<string, ts.SourceFile>();

/** @returns what the compiler says of it, by the strict settings of these packages */
function compile(text: string): string[] {
  const { config } = ts.readConfigFile(join(workspace, 'tsconfig.base.json'), (path) => readFileSync(path, 'utf8')) as {
    config: { compilerOptions: object };
  };
  const paths = { 'service-api': [join(directory, 'service-api.ts')] };
  const compilerOptions = { ...config.compilerOptions, noEmit: true, declaration: false, skipLibCheck: false, paths };
  const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, workspace);
  const file = join(directory, 'program.ts');
  writeFileSync(file, text);
  const settings = { ...options, types: ['node'] };
  const host = ts.createCompilerHost(settings);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) => {
    const source = name === file ? undefined : sources.get(name);
    if (source !== undefined) return source;
    const fresh = read(name, ...rest);
    if (fresh !== undefined && name !== file) sources.set(name, fresh);
    return fresh;
  };
  const compiled = ts.createProgram([file], settings, host);
  return ts
    .getPreEmitDiagnostics(compiled)
    .filter((diagnostic) => diagnostic.file === undefined || diagnostic.file.fileName.startsWith(directory))
    .map(({ messageText, file: at, start = 0 }) => {
      const line = at === undefined ? 0 : at.getLineAndCharacterOfPosition(start).line + 1;
      return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
}

describe('a client that is generated from the document', () => {
  const text = readFileSync(program, 'utf8');

  it('compiles strictly, and reads obligations, reasons, remedies and the rationale without a cast', () => {
    expect(text).not.toMatch(/\bas\b(?! \w+ from)|\bany\b|@ts-|!\./);
    expect(compile(text)).toEqual([]);
  });

  it.each([
    ['obligation.properties.topic', 'obligation.properties.topics'],
    ["'scope_insufficient' = 'scope_insufficient'", "'scope_insufficient' = 'scope_missing'"],
    ['remedy.permission', 'remedy.scope'],
    ['steps.map(({ step, outcome })', 'steps.map(({ step, result })'],
    ["outcome: 'executed'", "outcome: 'done'"],
    ["action: { name: 'delete' }", "action: { names: 'delete' }"],
    ["act: { id: 'earlier' }", "act: { type: 'agent' }"],
    ['details.flatMap(({ type,', 'details.flatMap(({ kind: type,'],
    ["resources: ['repository:payments-api']", 'resources: [7]'],
    ['shown?.request.resource', 'shown?.request.resources'],
  ])('does not compile with a slip: %s is not %s', (right, wrong) => {
    expect(text).toContain(right);
    expect(compile(text.replace(right, wrong))).not.toEqual([]);
  });

  it('asks the service, and reads what it answers', async () => {
    const { askByTypes } = (await import(program)) as {
      askByTypes: (access: object) => Promise<Readonly<Record<string, readonly string[]>>>;
    };
    const results = await askByTypes({
      url, key, agentToken: tokens.reader, coderToken: tokens.coder, userToken: tokens.owner,
    }); // prettier-ignore
    expect(results).toMatchObject({
      evaluation: ['true', expect.stringMatching(/^mask /), expect.stringMatching(/^delegated, user:alice/)],
      evaluations: expect.arrayContaining(['true', 'false', expect.stringMatching(/^policy_forbid /)]) as unknown,
      search: [expect.stringMatching(/^employee /), expect.stringMatching(/^employee /), 'more'],
      subjects: expect.arrayContaining(['alice']) as unknown,
      actions: expect.arrayContaining(['read']) as unknown,
      filter: ['erin name', '1 bad_request records[1].id'],
      capabilities: expect.arrayContaining([expect.stringMatching(/^employee read /)]) as unknown,
      'access request': ['pending', expect.any(String), 'review', 'cancel'],
      cancelled: ['cancelled'],
      consents: [],
      consent: [expect.stringMatching(/^[24]00$/), expect.any(String)],
      outcome: [expect.any(String)],
      record: [expect.any(String), 'erin', expect.stringMatching(/^delegated/)],
    });
  });
});

describe('the types of the document', () => {
  /** What members are of the domain's own: the schemas of who runs the service say what is in them. */
  const DOMAIN = [
    'properties',
    'context',
    'attributes',
    'evidence',
    'constraints',
    'parameters',
    'denial',
    'mask',
    'visible_fields',
    'keys',
    'record',
  ];

  it('know what is in each object that the docs name members of', () => {
    const open = [...types.matchAll(/(\w+)\??: \(?\{\n\s+\[key: string\]: unknown;\n\s+\}/g)].map(([, name]) => name);
    expect(open.filter((name = '') => !DOMAIN.includes(name))).toEqual([]);
    const lines = types.split('\n').filter((line) => !/^\s*\/?\*/.test(line));
    const unknown = lines.filter((line) => /\bunknown\b/.test(line) && !/\[\w+: string\]: unknown;|"unknown"/.test(line));
    // A receipt opens parts and values, which are whatever was recorded.
    expect(unknown.map((line) => line.trim())).toEqual(['value: unknown;', 'value: unknown;']);
    const empty = lines.filter((line) => line.includes('Record<string, never>'));
    expect(empty).toEqual(['export type webhooks = Record<string, never>;', 'export type $defs = Record<string, never>;']);
  }); // prettier-ignore

  it('have one name for each format, and refer to nothing that is not there', () => {
    const names = Object.keys(served.components.schemas);
    expect(names.filter((name) => name.startsWith('_'))).toEqual([]);
    const referred = [...JSON.stringify(served).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference);
    expect(referred.filter((reference = '') => !names.includes(reference.replace('#/components/schemas/', '')))).toEqual([]);
    expect(names.filter((name) => name.endsWith('Input') && !names.includes(name.slice(0, -5)))).toEqual([]);
  }); // prettier-ignore

  it('are of operations that all have a name, a summary, an example of what is sent, and a form of what is answered', () => {
    const wrong = Object.entries(served.paths).flatMap(([path, item]) =>
      Object.entries(item).flatMap(([method, { operationId = '', summary = '', requestBody, responses }]) => {
        const bodies = Object.values(requestBody?.content ?? {}).map(({ schema }) => {
          const { $ref: reference } = schema;
          return reference === undefined ? schema : served.components.schemas[reference.split('/').at(-1) ?? ''];
        });
        const isShown = bodies.every((body) => body?.example !== undefined || (body?.examples ?? []).length > 0);
        const isFormed = Object.entries(responses).every(([status, { content }]) => (status === '204') === (content === undefined));
        return operationId !== '' && summary !== '' && isShown && isFormed ? [] : [`${method} ${path}`];
      }),
    );
    expect(wrong).toEqual([]);
  }); // prettier-ignore
});
