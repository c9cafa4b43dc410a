/** A running Remit for tests: the real engines and the real application, on a directory and a clock of its own. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { buildApp } from '../../src/http/app.js';
import { loadConfig, type Config } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import type { Rationale } from '../../src/model/decision.js';
import { OBLIGATION_TYPES } from '../../src/model/obligations.js';
import type { Reason } from '../../src/model/reasons.js';
import { openService, type Service } from '../../src/service/service.js';
import { sha256 } from '../../src/runtime/sha256.js';
import { loadRules } from '../../src/policy/load.js';
import type { ServiceLog } from '../../src/telemetry/log.js';
import type { MintOptions } from '../../src/issue/development-issuer.js';
import { dropDatabase, EVERYWHERE, migratedUrl, postgresConfig } from './postgres/databases.js';
import { startSpiceDb, type RunningSpiceDb } from './spicedb.js';

export const SAMPLE = fileURLToPath(new URL('../../fixtures/acme.remit.yaml', import.meta.url));
/** By day: the sample forbids agents to write at night. */
export const DAYTIME = new Date('2030-03-04T10:00:00Z');

/** The same in seconds, as tokens say it. */
export const T = DAYTIME.getTime() / 1000;

export interface Answer {
  readonly decision: boolean;
  readonly context?: {
    readonly id: string;
    readonly evaluation_id: string;
    readonly reason?: string;
    readonly evaluated_at: string;
    readonly valid_until: string;
    readonly reason_user: Readonly<Record<string, string>>;
    readonly reason_admin: Readonly<Record<string, string>>;
    readonly reasons: readonly Reason[];
    readonly remedies: readonly Readonly<Record<string, unknown>>[];
    readonly obligations: readonly { id: string; type: string; properties: Readonly<Record<string, unknown>> }[];
    readonly rationale: Rationale;
    readonly access_request?: {
      readonly expires_at: string;
      readonly endpoint: string;
      readonly binding_token: string;
      readonly display: { readonly title: string; readonly description: string };
    };
    readonly approval?: { readonly id: string; readonly approved_until: string };
    readonly next_action?: string;
    readonly retry_after?: number;
    readonly error?: { readonly code: string; readonly message: string; readonly at?: string; readonly status: number };
  };
}

export interface Running {
  readonly service: Service;
  readonly app: FastifyInstance;
  readonly data: string;
  /** Sets the clock. */
  readonly at: (now: Date) => void;
  readonly mint: (options: { [K in keyof MintOptions]?: MintOptions[K] | undefined }) => Promise<string>;
  /** A request as the development client, unless `headers` say otherwise. */
  readonly post: (
    url: string,
    body: object | string,
    headers?: Record<string, string>,
  ) => Promise<LightMyRequestResponse>;
  /** @param credential a key or token; by default the development key */
  readonly request: (
    method: 'GET' | 'PUT' | 'DELETE' | 'POST' | 'PATCH',
    url: string,
    body?: object,
    credential?: string,
  ) => Promise<LightMyRequestResponse>;
  readonly evaluate: (body: object) => Promise<Answer>;
  /** Writes relationships given as text. */
  readonly touch: (...relationships: string[]) => Promise<void>;
  readonly remove: (...relationships: string[]) => Promise<void>;
  /** Ends SpiceDB as a crash would. */
  readonly crashSpiceDb: () => Promise<void>;
  readonly stop: (options?: { keep?: boolean }) => Promise<void>;
}

/** @param options where the service's log goes, if anywhere, and how long a decision may take where that is what is tested */
export async function start(
  config = SAMPLE,
  data = mkdtempSync(join(tmpdir(), 'remit-test-')),
  options: Partial<ServiceLog> & { readonly deadlineMs?: number } = {},
): Promise<Running> {
  let now = DAYTIME;
  const stored = await onServers(withDeadline(loadConfig(config, { REMIT_DATA: data }), options.deadlineMs));
  const { log, logger } = options;
  const service = await openService(stored, { now: () => now, ...(log === undefined ? {} : { log }) });
  const app = await buildApp(service, logger === undefined ? {} : { logger });
  const host = `127.0.0.1:${service.config.port}`;
  const authorization = `Bearer ${service.devKey ?? ''}`;

  const post: Running['post'] = (url, body, headers = {}) =>
    app.inject({
      method: 'POST',
      url,
      headers: { host, authorization, 'content-type': 'application/json', ...headers },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const write = async (operation: string, relationships: readonly string[]): Promise<void> => {
    const updates = relationships.map((relationship) => ({ operation, relationship }));
    const response = await post('/v1/relationships', { updates });
    if (response.statusCode !== 200) throw new Error(response.body);
  };
  return {
    service,
    app,
    data,
    at: (to) => {
      now = to;
    },
    mint: async (options) => {
      const token = await service.devIssuer?.mint({
        ...options,
        ttlSeconds: options.ttlSeconds ?? 300,
        now: options.now ?? now,
      });
      if (token === undefined) throw new TypeError('no development issuer');
      return token;
    },
    post,
    request: (method, url, body, credential) =>
      app.inject({
        method,
        url,
        headers: {
          host,
          authorization: credential === undefined ? authorization : `Bearer ${credential}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      }),
    evaluate: async (body) => {
      const response = await post('/access/v1/evaluation', body);
      if (response.statusCode !== 200 && response.statusCode !== 503)
        throw new Error(`${response.statusCode}: ${response.body}`);
      return response.json();
    },
    touch: (...relationships) => write('touch', relationships),
    remove: (...relationships) => write('delete', relationships),
    crashSpiceDb: () =>
      (servers.get(data) ?? (service.activePolicies.engine as unknown as { kill: () => Promise<void> })).kill(),
    stop: async ({ keep = false } = {}) => {
      await app.close();
      await service.close();
      if (keep) return;
      rmSync(data, { recursive: true, force: true });
      await servers.get(data)?.kill();
      servers.delete(data);
      if (stored.url !== undefined) await dropDatabase(stored.url);
    },
  };
}

const DEFAULT_DEADLINE_MS = 1000;

/** How long a decision takes on a busy machine isn't what is tested, unless the test or its configuration states it. */
function withDeadline(config: Config, stated: number | undefined): Config {
  const { deadlineMs } = config;
  return { ...config, deadlineMs: stated ?? (deadlineMs === DEFAULT_DEADLINE_MS ? 20_000 : deadlineMs) };
}

/** Whether these tests run on SpiceDB servers; otherwise on the embedded one. */
export const ON_SERVER = process.env['REMIT_TEST_ENGINE'] === 'server';
/** Of those servers. */
const CONSISTENCY = process.env['REMIT_TEST_CONSISTENCY'] === 'bounded' ? 'bounded' : 'full';
/** By data directory: what is kept there finds its relationships again. */
const servers = new Map<string, RunningSpiceDb>();

/** The same configuration on the servers that are tested: a SpiceDB and a database of its own for each data directory. */
let keys: { readonly values: string; readonly audit: string } | undefined;
/** The files of one key of each kind for all that is started here, as replicas share them. */
function makeKeys(): { readonly values: string; readonly audit: string } {
  if (keys !== undefined) return keys;
  const directory = mkdtempSync(join(tmpdir(), 'remit-keys-'));
  keys = { values: join(directory, 'values.key'), audit: join(directory, 'audit.pem') };
  writeFileSync(keys.values, randomBytes(32).toString('base64'), { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(keys.audit, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return keys;
}

async function onServers(config: Config): Promise<Config & { readonly url?: string }> {
  const url = EVERYWHERE ? await migratedUrl(config.data) : undefined;
  // An embedded deployment makes its keys in its data directory.
  const made = url === undefined ? undefined : makeKeys();
  return {
    ...config,
    ...(made === undefined
      ? {}
      : {
          records: { ...config.records, values: { ...config.records.values, keyFile: made.values } },
          audit: { ...config.audit, keyFile: made.audit },
        }),
    ...(ON_SERVER ? { spicedb: await spicedbFor(config) } : {}),
    ...(url === undefined ? {} : { database: postgresConfig(url), url }),
  };
}

async function spicedbFor({ data, sources }: Config): Promise<Config['spicedb']> {
  const { graph } = loadRules(readSources(sources));
  const server = servers.get(data) ?? (await startSpiceDb());
  servers.set(data, server);
  await server.schema(graph);
  return { ...server.address, consistency: CONSISTENCY };
}

/** The sample company with issuers, clients and a listener of the test's own, in a directory that goes with it. */
export async function startWith(
  config: {
    readonly issuers: readonly object[];
    readonly clients: readonly object[];
    readonly listen?: object;
    readonly telemetry?: object;
    readonly limits?: object;
    readonly records?: object;
    readonly delegations?: object;
  },
  logs: Partial<ServiceLog> = {},
): Promise<Running> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const directory = mkdtempSync(join(tmpdir(), 'remit-company-'));
  writeFileSync(
    join(directory, 'remit.yaml'),
    stringify({
      schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
      policies: `${root}policies`,
      world: `${root}fixtures/acme.yaml`,
      ...config,
    }),
  );
  return start(join(directory, 'remit.yaml'), directory, logs);
}

/**
 * A company of the test's own, in a directory that goes with it.
 * @param files its texts by their names: `schema.zed`, `schema.cedarschema`, `world.yaml`, and policies below `policies`
 */
export async function startFiles(files: Readonly<Record<string, string>>, config: object = {}): Promise<Running> {
  const data = mkdtempSync(join(tmpdir(), 'remit-files-'));
  const directory = join(data, 'company');
  const schema = { relationships: 'schema.zed', actions: 'schema.cedarschema' };
  const settings = stringify({ schema, policies: 'policies', world: 'world.yaml', ...config });
  for (const [name, text] of Object.entries({ ...files, 'remit.yaml': settings })) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return start(join(directory, 'remit.yaml'), data);
}

/** A client whose key is its id and `-key`. It carries out every obligation. */
export function clientNamed(id: string, audience: string, ...may: string[]): object {
  return { id, audience, key_sha256: sha256(`${id}-key`), may, supported_obligations: OBLIGATION_TYPES };
}

export function codes(answer: Answer): string[] {
  return (answer.context?.reasons ?? []).map((r) => r.code);
}

export function step(answer: Answer, name: string): Rationale['steps'][number] | undefined {
  return answer.context?.rationale.steps.find((s) => s.step === name);
}

/** The newest record; of lists of one kind, where it is named. */
export async function lastRecord({ service }: Pick<Running, 'service'>, search?: string): Promise<object | undefined> {
  const { records } = await service.decisions.list({}, undefined, 200);
  return records.find((record) => search === undefined || ('search' in record && record.search === search));
}
