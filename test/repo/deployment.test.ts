/** What is deployed, as far as it can be held without a container engine: the image, the compose file, what it mounts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readAuditKey } from '../../src/config/audit.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { loadRules } from '../../src/policy/load.js';
import { sha256 } from '../../src/runtime/sha256.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };
const help = execFileSync(process.execPath, [join(root, 'dist/main.js'), '--help'], { encoding: 'utf8' });
const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)].map((m) => m[1]);

const text = read('docker-compose.yml');
const names = z.array(z.string());
const service = z.looseObject({
  image: z.string(),
  user: z.string(),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  cap_add: names.optional(),
  security_opt: names,
  privileged: z.never().optional(),
  restart: z.enum(['unless-stopped', 'no']),
  healthcheck: z.looseObject({ test: names.optional(), disable: z.boolean().optional() }).optional(),
  deploy: z.object({
    resources: z.object({ limits: z.object({ cpus: z.string(), memory: z.string(), pids: z.number() }) }),
  }),
  ports: names.optional(),
  networks: names,
  command: names.optional(),
  environment: z.record(z.string(), z.string()).optional(),
  env_file: names.optional(),
  tmpfs: names.optional(),
  volumes: z.array(z.unknown()).optional(),
  secrets: names.optional(),
  configs: z.array(z.object({ source: z.string(), target: z.string() })).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});
const compose = z
  .looseObject({
    services: z.record(z.string(), service),
    networks: z.record(z.string(), z.object({ internal: z.boolean().optional() })),
    volumes: z.record(z.string(), z.object({})),
    secrets: z.record(z.string(), z.strictObject({ file: z.string() })),
    configs: z.record(z.string(), z.strictObject({ file: z.string() })),
  })
  .parse(parse(text, { merge: true }));
const services = Object.entries(compose.services);
const jobs = services.filter(([, { restart }]) => restart === 'no').map(([name]) => name);

describe('docker-compose.yml', () => {
  it.each(services)('%s writes nowhere but where it is let, as nobody, with no way to become anybody', (_name, it) => {
    expect(it.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(it.security_opt).toEqual(['no-new-privileges:true']);
    // Caddy's binary asks for it by a file capability, and doesn't run where the bounding set is without.
    expect(it.cap_add ?? []).toEqual(it.image.startsWith('caddy:') ? ['NET_BIND_SERVICE'] : []);
    for (const place of it.tmpfs ?? []) expect(place).toMatch(/size=\d+m/);
  });

  it('services are checked and come back, jobs end', () => {
    expect(jobs.sort()).toEqual(['remit-migrate', 'spicedb-migrate']);
    for (const [name, { image, healthcheck }] of services) {
      if (jobs.includes(name)) expect(healthcheck, name).toEqual({ disable: true });
      // The image of Remit brings its own.
      else if (image.startsWith('remit:')) expect(healthcheck, name).toBeUndefined();
      else expect(healthcheck?.test?.[0], name).toBe('CMD');
    }
  });

  it('each waits for what it needs, by its health or its end', () => {
    for (const [name, { depends_on: needs = {} }] of services)
      for (const [needed, { condition }] of Object.entries(needs)) {
        expect(compose.services, name).toHaveProperty(needed);
        expect(condition).toBe(jobs.includes(needed) ? 'service_completed_successfully' : 'service_healthy');
      }
    expect(Object.keys(compose.services['remit-1']?.depends_on ?? {})).toEqual(['remit-migrate']);
  });

  it('images are of one version each, and Remit is of this one', () => {
    for (const [name, { image }] of services) {
      expect(image, name).toMatch(/^[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?(@sha256:[0-9a-f]{64})?$/);
      if (name.startsWith('remit')) expect(image).toBe(`remit:${version}`);
    }
  });

  it('nothing has a default that is a secret, and nothing starts without them', () => {
    const used = [...text.matchAll(/(?<!\$)\$\{([^}]*)\}/g)].map((m) => m[1] ?? '');
    expect(used.length).toBeGreaterThan(10);
    for (const variable of used) expect(variable).toMatch(/^(REMIT_DEPLOYMENT:\?.*|REMIT_PUBLISH:-127\.0\.0\.1:7480)$/);
    for (const [name, { environment = {}, env_file: files = [], command = [] }] of services) {
      for (const [key, value] of Object.entries(environment))
        if (/PASSWORD|KEY|TOKEN|SECRET/.test(key)) expect(value, name).toMatch(/^\/run\/secrets\//);
      for (const file of files) expect(file).toContain('${REMIT_DEPLOYMENT:?');
      for (const part of [...command, ...Object.values(environment)])
        expect(part, name).not.toMatch(/preshared-key|:\/\/[^@]*:[^@]*@/);
    }
    for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\$\{REMIT_DEPLOYMENT:\?/);
  });

  it('nobody has a secret that is not theirs', () => {
    const keys = ['proxy.key', 'spicedb.key', 'postgres-remit.key', 'postgres-remit-password', 'postgres-spicedb.key', 'postgres-spicedb-password', 'spicedb.pgpass', 'spicedb-database-password']; // prettier-ignore
    const holders = (secret: string): string[] =>
      services.filter(([, { secrets = [] }]) => secrets.includes(secret)).map(([name]) => name);
    expect(Object.fromEntries(keys.map((key) => [key, holders(key)]))).toEqual({
      'proxy.key': ['proxy'],
      'spicedb.key': ['spicedb'],
      'postgres-remit.key': ['postgres-remit'],
      'postgres-remit-password': ['postgres-remit'],
      'postgres-spicedb.key': ['postgres-spicedb'],
      'postgres-spicedb-password': ['postgres-spicedb'],
      'spicedb.pgpass': ['spicedb', 'spicedb-migrate'],
      'spicedb-database-password': ['postgres-spicedb'],
    });
    for (const [name, { secrets = [], configs = [] }] of services) {
      for (const secret of secrets) expect(compose.secrets, name).toHaveProperty([secret]);
      for (const { source } of configs) expect(compose.configs, name).toHaveProperty([source]);
    }
    for (const { file } of Object.values(compose.configs)) expect(existsSync(join(root, file)), file).toBe(true);
  });

  it('only the proxy can be reached from outside, and the servers by Remit alone', () => {
    const published = services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name);
    expect(published).toEqual(['proxy']);
    const outside = (networks: string[]): string[] =>
      networks.filter((name) => compose.networks[name]?.internal !== true);
    for (const [name, { networks }] of services) {
      expect(Object.keys(compose.networks)).toEqual(expect.arrayContaining(networks));
      const out = name === 'proxy' ? ['public'] : /^remit-\d$/.test(name) ? ['outward'] : [];
      expect(outside(networks), name).toEqual(out);
    }
    expect(compose.services['proxy']?.networks).not.toContain('stores');
  });

  it('SpiceDB has a PostgreSQL server of its own, which nothing else reaches and which keeps the times of commits', () => {
    const servers = services.filter(([, { image }]) => image.startsWith('postgres:')).map(([name]) => name);
    expect(servers).toEqual(['postgres-remit', 'postgres-spicedb']);
    const [own, ofGraph] = servers.map((name) => compose.services[name]);
    expect(ofGraph?.command).toContain('-ctrack_commit_timestamp=on');
    expect(new Set([...(own?.volumes ?? []), ...(ofGraph?.volumes ?? [])])).toEqual(
      new Set(servers.map((name) => `${name}:/var/lib/postgresql`)),
    );
    const sharing = (network: string): string[] =>
      services.filter(([, { networks }]) => networks.includes(network)).map(([name]) => name);
    expect(ofGraph?.networks.flatMap(sharing).sort()).toEqual(['postgres-spicedb', 'spicedb', 'spicedb-migrate']);
    for (const [name, server] of [['remit', own], ['spicedb', ofGraph]] as const) {
      expect(server?.environment).toMatchObject({ DATABASE: name });
      expect(server?.healthcheck?.test).toEqual(expect.arrayContaining(['pg_isready', `--dbname=${name}`]));
      expect(server?.secrets).toContain(`${name}-database-password`);
    }
    for (const [, { environment = {} }] of services.filter(([name]) => name.startsWith('spicedb')))
      expect(environment['SPICEDB_DATASTORE_CONN_URI']).toContain('@postgres-spicedb:5432/spicedb?');
  }); // prettier-ignore

  it('SpiceDB and PostgreSQL are spoken to over TLS that is verified', () => {
    const uris = services.flatMap(([, { environment = {} }]) => environment['SPICEDB_DATASTORE_CONN_URI'] ?? []);
    expect(uris).toHaveLength(2);
    for (const uri of uris) expect(uri).toContain('sslmode=verify-full&sslrootcert=/run/secrets/ca.pem');
    for (const line of read('fixtures/deployment/pg_hba.conf')
      .split('\n')
      .filter((l) => /^[a-z]/.test(l)))
      expect(line).toMatch(/^(local|hostssl) .*scram-sha-256$/);
  });

  it('commands and variables are ones that Remit has', () => {
    const source = ['src/config/config.ts', 'src/config/spicedb.ts', 'src/config/database.ts'].map(read).join('\n');
    for (const [name, { image, command = ['serve'], environment = {} }] of services.filter(([n]) =>
      n.startsWith('remit'),
    )) {
      expect(commands, image).toContain(command[0]);
      const [first = '', ...options] = command;
      if (options.length > 0) {
        const own = execFileSync(process.execPath, [join(root, 'dist/main.js'), first, '--help'], { encoding: 'utf8' });
        for (const option of options) expect(own, name).toContain(option);
      }
      for (const key of Object.keys(environment)) expect(source, name).toContain(`'${key}'`);
    }
  });

  it('what the proxy passes on goes to the replicas, and what has been sent is not sent again', () => {
    const caddyfile = read('fixtures/deployment/Caddyfile');
    const to = /reverse_proxy (.*) \{/.exec(caddyfile)?.[1];
    const replicas = services.map(([name]) => name).filter((name) => /^remit-\d$/.test(name));
    expect(to).toBe(replicas.map((name) => `${name}:7480`).join(' '));
    expect(caddyfile).toContain('health_uri /health/ready');
    // Other than by default, requests that are not GET would be sent twice.
    expect(caddyfile).not.toContain('lb_retry_match');
  });
});

describe('Dockerfile', () => {
  // Instructions with their continuation lines joined; comments left out.
  const instructions = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim().replace(/\s+/g, ' '));
  const of = (name: string): string[] =>
    instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const letIn = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it('is of the recommended Node.js, by its digest, in both stages', () => {
    const bases = of('FROM').map((from) => from.replace(/ AS .*/, ''));
    expect(bases).toHaveLength(2);
    expect(new Set(bases).size).toBe(1);
    expect(bases[0]).toMatch(/^node:24\.\d+\.\d+-trixie-slim@sha256:[0-9a-f]{64}$/);
  });

  it('copies what is there and what is let in, and what is let in is copied', () => {
    const copied = of('COPY')
      .filter((line) => !line.startsWith('--from'))
      .flatMap((line) => line.split(' ').slice(0, -1));
    expect(letIn[0]).toBe('*');
    // The packages for others are below src, and no part of the service.
    expect(letIn.slice(1).sort()).toEqual([...copied.map((path) => `!${path}`), 'src/clients'].sort());
    for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true);
  });

  it('runs no code of packages, and ends as Node.js itself, as nobody', () => {
    for (const run of of('RUN').filter((line) => /npm (ci|prune)/.test(line)))
      expect(run).toContain('--ignore-scripts');
    expect(of('USER')).toEqual(['1000:1000']);
    expect(JSON.parse(of('ENTRYPOINT')[0] ?? '')).toEqual(['node', '/app/dist/main.js']);
    const [command] = JSON.parse(of('CMD')[0] ?? '') as string[];
    expect(commands).toContain(command);
    expect(instructions.indexOf('USER 1000:1000')).toBeGreaterThan(
      instructions.findLastIndex((l) => l.startsWith('RUN')),
    );
  });

  it('its health check fails where nobody answers', () => {
    const check = /CMD (\[.*\])$/.exec(of('HEALTHCHECK')[0] ?? '')?.[1] ?? '';
    const [, ...args] = JSON.parse(check) as string[];
    expect(spawnSync(process.execPath, args, { env: { REMIT_PORT: '1' } }).status).toBe(1);
  });
});

describe('the documentation', () => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`)].filter(
    (name) => name.endsWith('.md'),
  ); // prettier-ignore
  const operations = pages
    .filter((name) => name.startsWith('docs/operate/'))
    .map(read)
    .join('\n');

  const prose = (page: string): string => read(page).replaceAll(/^```[\s\S]*?^```/gm, '');

  /** The anchors of a page, made from its headings as code hosts make them. */
  const anchorsOf = (page: string): string[] =>
    [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'),
    ); // prettier-ignore

  it.each(pages)('%s links to files and headings that exist', (page) => {
    for (const [link, path = '', anchor] of prose(page).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      const target = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, target)), link).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
    }
  });

  it('leads from the checklist of docs/SECURITY.md to the pages for operators', () => {
    expect([...read('docs/SECURITY.md').matchAll(/\]\(operate\/[\w-]+\.md/g)].length).toBeGreaterThan(2);
  });

  it('names commands and services for operators that exist', () => {
    for (const [, command = ''] of operations.matchAll(/`remit ([a-z]+)/g)) expect(commands).toContain(command);
    for (const [, name = ''] of operations.matchAll(/docker compose .*--no-deps --wait ([\w-]+)/g))
      expect(compose.services).toHaveProperty(name);
  });
});

const openssl = spawnSync('openssl', ['version']).status === 0;
describe.skipIf(!openssl)(`fixtures/deployment/prepare${openssl ? '' : ' (skipped: there is no openssl)'}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-deployment-'));
  const place = join(directory, 'one');
  const prepare = (...args: string[]) =>
    spawnSync(join(root, 'fixtures/deployment/prepare'), args, { encoding: 'utf8', cwd: directory });
  const made = (name: string): string => readFileSync(join(place, name), 'utf8');
  const mode = (name: string): number => statSync(join(place, name)).mode & 0o777;
  beforeAll(() => {
    const { status, stderr } = prepare('one', 'remit.example');
    expect([status, stderr]).toEqual([0, '']);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('makes each file that the compose file mounts, for nobody else on the host to read', () => {
    const mounted = [...text.matchAll(/\$\{REMIT_DEPLOYMENT:\?[^}]*\}\/([\w.-]+)/g)].map((m) => m[1] ?? '');
    expect(mounted.length).toBeGreaterThan(12);
    for (const name of mounted) expect(existsSync(join(place, name)), name).toBe(true);
    expect(mode('.')).toBe(0o700);
    for (const name of ['ca.key', 'api-key', 'admin-key', 'spicedb.env'])
      expect([name, mode(name)]).toEqual([name, 0o400]);
  });

  it('secrets are long, each another, and another in each deployment', () => {
    expect(prepare('two').status).toBe(0);
    const secrets = ['postgres-remit-password', 'postgres-spicedb-password', 'remit-database-password', 'spicedb-database-password', 'spicedb-key', 'api-key', 'admin-key']; // prettier-ignore
    const all = ['one', 'two'].flatMap((d) => secrets.map((name) => readFileSync(join(directory, d, name), 'utf8')));
    for (const secret of all) expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(all).size).toBe(all.length);
    expect(made('spicedb.env')).toBe(`SPICEDB_GRPC_PRESHARED_KEY=${made('spicedb-key')}\n`);
    expect(made('spicedb.pgpass')).toBe(`postgres-spicedb:5432:spicedb:spicedb:${made('spicedb-database-password')}\n`);
  });

  it('certificates are of its own authority, for their names only, and can issue none', () => {
    const ca = new X509Certificate(made('ca.pem'));
    expect(ca.ca).toBe(true);
    const hosts = {
      'postgres-remit': 'DNS:postgres-remit',
      'postgres-spicedb': 'DNS:postgres-spicedb',
      spicedb: 'DNS:spicedb',
      proxy: 'DNS:remit.example, DNS:localhost',
    };
    for (const [name, subjects] of Object.entries(hosts)) {
      const certificate = new X509Certificate(made(`${name}.pem`));
      expect(certificate.verify(ca.publicKey), name).toBe(true);
      expect([certificate.ca, certificate.subjectAltName]).toEqual([false, subjects]);
    }
  });

  it('its configuration is one that Remit takes, with rules that fit, and keys that nobody else knows', () => {
    const file = join(place, 'remit/remit.yaml');
    const local = join(place, 'remit/local.yaml');
    writeFileSync(local, readFileSync(file, 'utf8').replaceAll('/run/secrets', place));
    const config = loadConfig(local, { REMIT_HOST: '0.0.0.0', REMIT_DATA: place });
    loadRules(readSources(config.sources));
    expect(config.publicUrl).toBe('https://remit.example:7480');
    expect(config.spicedb).toMatchObject({ endpoint: 'spicedb:50051', plaintext: false, key: made('spicedb-key') });
    expect(config.database).toMatchObject({ host: 'postgres-remit', tls: { mode: 'verify-full' } });
    expect(config.clients.flatMap(({ keySha256 }) => keySha256)).toEqual(
      ['api-key', 'admin-key'].map((n) => sha256(made(n))),
    );
    expect(config.audit.origin).toBe('remit.example/log');
    expect(readAuditKey(config.audit.keyFile ?? '').asymmetricKeyType).toBe('ed25519');
    expect(config.warnings).toEqual([]);
    // A start refuses policies whose tests fail.
    const tests = spawnSync(process.execPath, [join(root, 'dist/main.js'), 'test', '--config', local], {
      encoding: 'utf8',
    });
    expect(tests.stdout + tests.stderr).toMatch(/\d+ passed in .* s\n$/);
    expect(tests.status).toBe(0);
    unlinkSync(local);
  });

  it('keeps what is there, and makes anew what was removed', () => {
    const before = readdirSync(place).filter((name) => name !== 'remit').map((name) => [name, made(name)]); // prettier-ignore
    writeFileSync(join(place, 'remit/remit.yaml'), 'edited: true\n');
    unlinkSync(join(place, 'spicedb.pem'));
    expect(prepare('one', 'remit.example').status).toBe(0);
    const after = readdirSync(place).filter((name) => name !== 'remit').map((name) => [name, made(name)]); // prettier-ignore
    const changed = after.filter(([name, content], i) => JSON.stringify(before[i]) !== JSON.stringify([name, content]));
    expect(changed.map(([name]) => name)).toEqual(['spicedb.key', 'spicedb.pem']);
    expect(made('remit/remit.yaml')).toBe('edited: true\n');
    expect(new X509Certificate(made('spicedb.pem')).verify(new X509Certificate(made('ca.pem')).publicKey)).toBe(true);
  });

  it.each([
    ['no directory', []],
    ['an option', ['--help']],
    ['a name with a path', ['three', 'a/b']],
    ['a name with a second line', ['three', 'x\nDNS:evil']],
    ['a name that is an option', ['three', '-x']],
    ['more than two', ['three', 'x', 'y']],
  ])('refuses %s, and makes nothing', (_what, args) => {
    expect(prepare(...args).status).toBe(2);
    expect(existsSync(join(directory, 'three'))).toBe(false);
  });
});
