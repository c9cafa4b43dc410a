/** Starts the real service for all tests: the sample company without its rules for the night, so that no test has an hour. */
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const execute = promisify(execFile);
const PERMISSIONS = [
  'evaluate',
  'search',
  'filter',
  'asserts_subject',
  'asserts_attributes',
  'asserts_certificate',
  'asserts_confirmation',
  'delegate',
  'read_values',
  'metrics',
  'admin',
];
const OBLIGATIONS = ['mask', 'visible_fields', 'notification'];
const program = join(root, 'dist/main.js');

/** What the tests are told of the service. */
export interface ServiceAccess {
  readonly url: string;
  /** The key of a client that may do everything. */
  readonly key: string;
  /** The key of one that may only ask single questions. */
  readonly askerKey: string;
  readonly tokens: Readonly<Record<TokenName, string>>;
  /** How its command line is run. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
}
const TOKENS = {
  reader: ['--user', 'alice', '--agent', 'hr-assistant', '--scope', 'hr.employees.read hr.employees.write'],
  unscoped: ['--user', 'alice', '--agent', 'hr-assistant', '--scope', 'code.read'],
  /** A person's own, who owns repositories. */
  owner: ['--user', 'dave'],
  exporter: ['--user', 'bob', '--agent', 'payroll-exporter', '--scope', 'hr.employees.read hr.employees.export'],
  coder: ['--user', 'carol', '--agent', 'code-bot', '--scope', 'code.read code.write'],
} as const;
export type TokenName = keyof typeof TOKENS;

declare module 'vitest' {
  interface ProvidedContext {
    service: ServiceAccess;
  }
}

export default async function startService(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'remit-packages-'));
  const [key, askerKey] = [randomUUID(), randomUUID()];
  const config = writeSample(directory, key, askerKey);
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const data = join(directory, 'data');
  const env = { PATH: process.env['PATH'], REMIT_DATA: data, REMIT_PORT: String(port), REMIT_CONFIG: config };
  const service = spawn(process.execPath, [program, 'serve'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise<void>((resolve) => service.once('exit', () => resolve()));
  while (!(await isReady(url))) {
    if (service.exitCode !== null) throw new Error('the service did not start: build it first, in the project’s root');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const mint = async (args: readonly string[]): Promise<string> =>
    (await execute(process.execPath, [program, 'token', ...args, '--ttl', '1h'], { env })).stdout.trim();
  const tokens = Object.fromEntries(
    await Promise.all(Object.entries(TOKENS).map(async ([name, args]) => [name, await mint(args)] as const)),
  );
  project.provide('service', {
    url,
    key,
    askerKey,
    tokens: tokens as ServiceAccess['tokens'],
    program,
    env,
  });
  return async () => {
    service.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function writeSample(directory: string, key: string, askerKey: string): string {
  for (const folder of ['schema', 'policies', 'fixtures'])
    cpSync(join(root, folder), join(directory, folder), { recursive: true });
  const policies = join(directory, 'policies');
  for (const file of readdirSync(policies))
    if (file === 'agents.cedar' || !file.endsWith('.cedar')) rmSync(join(policies, file));
  const config = join(directory, 'fixtures/acme.remit.yaml');
  const clients = [
    { id: 'dev', key_sha256: sha256(key), may: PERMISSIONS, supported_obligations: OBLIGATIONS },
    { id: 'asker', key_sha256: sha256(askerKey), may: ['evaluate'] },
  ];
  const sample = readFileSync(config, 'utf8');
  if (!sample.includes('\nclients: []\n')) throw new Error('the sample has clients of its own');
  writeFileSync(
    config,
    sample.replace('\nclients: []\n', () => `\nclients: ${JSON.stringify(clients)}\n`),
  );
  // A denied request can be made again at once: the frameworks' tests make the same ones.
  appendFileSync(config, '\napprovals: { cooldown: PT0S }\n');
  return config;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}
