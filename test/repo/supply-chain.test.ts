/** What Remit is built on: the rules for dependencies, the audit that CI makes, and the list of what an image is made of. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { allowed, problemsOf } from '../../.ci/dependencies.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lockfile = z
  .looseObject({
    packages: z.record(z.string(), z.looseObject({ version: z.string(), dev: z.boolean().optional() })),
  })
  .parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));

describe('the rules for dependencies', () => {
  it('hold', () => {
    expect(problemsOf(lockfile)).toEqual([]);
  });

  it('hold for the packages below src/clients', () => {
    const text = readFileSync(join(root, 'src/clients/package-lock.json'), 'utf8');
    expect(problemsOf(JSON.parse(text))).toEqual([]);
    const own = { '': { workspaces: ['client'] }, client: { version: '0.1.0' } };
    const withEntry = (path: string, entry: object): string[] =>
      problemsOf({ lockfileVersion: 3, packages: { ...own, [path]: entry } });
    expect(withEntry('node_modules/remit-client', { link: true, resolved: 'client' })).toEqual([]);
    expect(withEntry('node_modules/x', { link: true, resolved: '../elsewhere' })).not.toEqual([]);
    expect(withEntry('node_modules/x', { version: '1.0.0' })).not.toEqual([]);
    expect(withEntry('client', { dependencies: { x: '^1.0.0' } })).toHaveLength(1);
    expect(withEntry('stranger', { version: '1.0.0' })).not.toEqual([]);
  });

  const good = { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==`, license: 'MIT' };
  const problems = (entry: object, path = 'node_modules/x'): string[] =>
    problemsOf({ lockfileVersion: 3, packages: { '': {}, [path]: { ...good, ...entry } } });
  it.each<[string, object, string | undefined]>([
    ['a package of the registry', { resolved: 'https://registry.npmjs.org/x/-/x-1.0.0.tgz' }, undefined],
    ['one whose address is left out', {}, undefined],
    ['one from a repository', { resolved: 'git+ssh://git@github.com/a/x.git#1' }, 'comes from git+ssh'],
    ['one over plain HTTP', { resolved: 'http://registry.npmjs.org/x.tgz' }, 'comes from http:'],
    [
      'a host that begins like the registry',
      { resolved: 'https://registry.npmjs.org.evil.example/x.tgz' },
      'comes from',
    ],
    ['one without a hash', { integrity: undefined }, 'has no SHA-512 hash'],
    ['one with a weak hash', { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, 'has no SHA-512 hash'],
    [
      'one with a weak hash as well',
      { integrity: `sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= ${good.integrity}` },
      'has no SHA',
    ],
    ['a directory', { link: true }, 'is not of the registry'],
    ['one that runs code when it is installed', { hasInstallScript: true }, 'runs code'],
    ['a licence that spreads', { license: 'AGPL-3.0-only' }, 'licence AGPL-3.0-only'],
    ['no licence', { license: undefined }, 'licence none'],
    ['a licence that spreads, of a tool', { license: 'AGPL-3.0-only', dev: true }, undefined],
  ])('%s', (_name, entry, why) => {
    expect(problems(entry)).toEqual(why === undefined ? [] : [expect.stringContaining(why)]);
  });

  it('versions are exact', () => {
    const of = (dependencies: object): string[] =>
      problemsOf({ lockfileVersion: 3, packages: { '': { dependencies } } });
    expect(of({ x: '1.2.3', y: '1.2.3-rc.1', z: 'npm:@a/other-name@1.2.3' })).toEqual([]);
    for (const range of ['^1.2.3', '~1.2.3', '>=1', '*', 'latest', 'github:a/x', 'npm:x@^1.2.3', '1.2.3 || 2.0.0'])
      expect(of({ x: range }), range).toHaveLength(1);
    expect(problemsOf({ lockfileVersion: 1, packages: {} })).toHaveLength(1);
  });

  it.each<[unknown, boolean]>([
    ['MIT', true],
    ['GPL-3.0-only', false],
    ['(MIT OR GPL-3.0-only)', true],
    ['(GPL-2.0-only OR GPL-3.0-only)', false],
    ['(BSD-3-Clause AND Apache-2.0)', true],
    ['MIT AND GPL-3.0-only', false],
    ['MIT OR MIT AND GPL-3.0-only', true],
    ['(MIT OR ISC) AND GPL-3.0-only', false],
    ['GPL-3.0-only AND (MIT OR ISC)', false],
    ['MIT GPL-3.0-only', false],
    ['(MIT', false],
    ['MIT)', false],
    ['', false],
    ['SEE LICENSE IN LICENSE', false],
    [undefined, false],
    [{ type: 'MIT' }, false],
  ])('licence %j: %s', (expression, expected) => {
    expect(allowed(expression)).toBe(expected);
  });
});

// npm takes its time, and more of it on a busy machine.
const timeout = 180_000;

describe('.ci/audit', { timeout }, () => {
  interface Ran {
    readonly code: number;
    readonly err: string;
  }
  const audit = (registry: string): Promise<Ran> =>
    new Promise((resolve) => {
      // What it is told here must not stay with npm.
      const cache = mkdtempSync(join(tmpdir(), 'remit-audit-'));
      const env = { ...process.env, npm_config_registry: registry, npm_config_cache: cache };
      execFile(join(root, '.ci/audit'), { cwd: root, env }, (error, _out, err) => {
        rmSync(cache, { recursive: true, force: true });
        resolve({ code: error === null ? 0 : Number(error.code), err });
      });
    });
  const listening = async (server: Server): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  /** A registry that knows of no vulnerability, or of one in fastify, and can't be asked for signatures. */
  const registryWith = (severity: string | undefined): Server =>
    createServer((request, response) => {
      const bulk = request.url?.endsWith('/advisories/bulk') === true;
      const advisory = { id: 1, url: 'https://advisory.example/1', title: 'a flaw', severity, vulnerable_versions: '*', cwe: [], cvss: { score: 9, vectorString: null } }; // prettier-ignore
      request.resume().on('end', () => {
        response.writeHead(bulk ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(bulk && severity !== undefined ? { fastify: [advisory] } : {}));
      });
    });

  it('says what it could not check', async () => {
    const gone = createServer();
    const url = await listening(gone);
    await new Promise((resolve) => gone.close(resolve));
    const { code, err } = await audit(url);
    expect(code).toBe(0);
    expect(err).toContain('vulnerabilities: NOT CHECKED');
    expect(err).toContain('signatures of packages: NOT CHECKED');
  });

  it.each<[string | undefined, number]>([
    [undefined, 0],
    ['moderate', 0],
    ['critical', 1],
  ])('of a vulnerability that is %s makes %i', async (severity, expected) => {
    const server = registryWith(severity);
    const { code, err } = await audit(await listening(server));
    server.close();
    expect([code, err]).toEqual([expected, expect.not.stringContaining('vulnerabilities: NOT CHECKED')]);
  });
});

describe('the list of what it is made of', { timeout }, () => {
  const component = z.looseObject({
    type: z.literal('library'),
    name: z.string(),
    version: z.string(),
    'bom-ref': z.string(),
    purl: z.string().regex(/^pkg:npm\/[\w%.~/-]+@[\w.%+-]+$/),
    licenses: z.array(z.looseObject({})).min(1),
    hashes: z.array(z.object({ alg: z.literal('SHA-512'), content: z.string().regex(/^[0-9a-f]{128}$/) })).min(1),
  });
  const bom = z.strictObject({
    $schema: z.literal('http://cyclonedx.org/schema/bom-1.5.schema.json'),
    bomFormat: z.literal('CycloneDX'),
    specVersion: z.literal('1.5'),
    version: z.literal(1),
    metadata: z.looseObject({
      timestamp: z.never().optional(),
      component: z.looseObject({ type: z.literal('application'), name: z.literal('remit'), version: z.string() }),
    }),
    components: z.array(component),
    dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()).optional() })),
  });
  const made = (): string =>
    execFileSync(process.execPath, [join(root, '.ci/sbom.mjs')], { cwd: root, encoding: 'utf8', maxBuffer: 1e8 });

  it('names each package that runs, and none that only builds, the same each time', () => {
    const text = made();
    expect(made()).toBe(text);
    const { components, dependencies } = bom.parse(JSON.parse(text));
    const listed = components.map(({ name, version }) => `${name}@${version}`).sort();
    const at = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const runs = Object.entries(lockfile.packages)
      .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(join(root, path)))
      .map(([path, { version }]) => `${at(path)}@${version}`);
    expect(listed).toEqual([...new Set(runs)].sort());
    const refs = new Set(['remit@0.1.0', ...components.map((c) => c['bom-ref'])]);
    for (const { ref, dependsOn = [] } of dependencies)
      for (const to of [ref, ...dependsOn]) expect(refs).toContain(to);
  });
});
