/** Opens the parts of a running Remit from a configuration, and closes them in order. Commands and tests call it. */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { TrustConfig, checkTrustConfig } from './clients-and-issuers.js';
import { createClock } from '../runtime/clock.js';
import type { Config } from '../config/config.js';
import type { ConfiguredClient } from '../config/clients.js';
import { displayPath, readSources } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import type { TracesConfig, RequestTracer } from '../telemetry/request-tracer.js';
import type { Database } from '../store/database/port.js';
import { lockDirectory, type DirectoryLock } from '../runtime/directory-lock.js';
import { EmbeddedGraph, StoredMisfit } from '../graph/embedded/embedded.js';
import type { GraphEngine } from '../graph/port.js';
import { ActivePolicies } from './active-policies.js';
import { CLIENT_PERMISSIONS } from '../model/question.js';
import type { GraphSchema } from '../graph/schema/schema.js';
import { loadRules } from '../policy/load.js';
import { DecisionStore } from '../store/decisions.js';
import { EntityStore } from '../store/entities.js';
import { Journal } from '../store/journal.js';
import { UsedDpopProofStore } from '../store/used-dpop-proofs.js';
import { RevocationStore } from '../store/revocations.js';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import type { Log } from '../telemetry/log.js';
import type { ServiceCounts } from '../telemetry/service-metrics.js';
import { Metrics } from '../telemetry/metrics.js';
import { ensureSecretFile } from '../runtime/secret-file.js';
import { openDevelopmentIssuer, type DevelopmentIssuer } from '../issue/development-issuer.js';
import { CredentialVerifier } from '../tokens/credentials.js';
import { discardPartialWorld, loadWorldOnce } from './load-world-once.js';
import { openDatabase } from './open-database.js';
import { describeUnfitEntities } from './unfit-entities.js';
import { loadWorld, readWorldFile } from '../config/world.js';

/**
 * A running Remit. It is not what a decision is made with, so that no decision can go round the snapshot of the policies
 * in force: `service.activePolicies.withSnapshot((deps) => decide(question, deps))`.
 */
export interface Service {
  readonly config: Config;
  readonly database: Database;
  /** The policies and their graph engine, both of which may be replaced at any moment. */
  readonly activePolicies: ActivePolicies;
  readonly credentials: CredentialVerifier;
  readonly entities: EntityStore;
  readonly decisions: DecisionStore;
  readonly revocations: RevocationStore;
  readonly trust: TrustConfig;
  /** The secret of the deployment, which encrypts page tokens and hashes masked values. */
  readonly secret: string;
  /** The key of the development client; undefined where clients are configured. */
  readonly devKey: string | undefined;
  /** undefined unless all engines are embedded and the service listens on loopback. */
  readonly devIssuer: DevelopmentIssuer | undefined;
  readonly metrics: Metrics;
  /** undefined where no tracing is configured. */
  readonly traces: RequestTracer | undefined;
  readonly now: () => Date;
  /** The time in milliseconds that a decision may take. */
  readonly deadlineMs: number;
  readonly announce: (url: string) => void;
  /** Proves to who may read the lock of the data directory that this service holds it. */
  readonly proveHolding: (challenge: string) => string;
  /** Whether an embedded engine was lost: then nothing can be decided until the process is started again. */
  readonly hasLostEngine: () => boolean;
  readonly close: () => Promise<void>;
}

export interface ServiceOptions {
  readonly now?: () => Date;
  /** Takes lines for the operator: an engine was lost or is back, the clock was set. */
  readonly log?: Log;
  /** Called where the lock of the data directory is lost: the process must end before it answers anything. */
  readonly onLockLost?: () => void;
  /**
   * Called once where an embedded engine is lost: the process must end, and the next one has what is on disk. Nothing can
   * be decided after it, since the engine isn't started again beside what it may have left undone.
   */
  readonly onEngineLost?: (engine: EmbeddedEngine, reason: string) => void;
}

export type EmbeddedEngine = 'database' | 'relationships';

/** @throws ConfigError, DirectoryLockedError; Fault where an engine doesn't start. Nothing stays open after a throw. */
export async function openService(
  config: Config,
  { log = () => undefined, now = createHostClock(log), onLockLost, onEngineLost }: ServiceOptions = {},
): Promise<Service> {
  let isEngineLost = false;
  const watchEngine = (engine: EmbeddedEngine) => (reason: string) => {
    if (!isEngineLost) onEngineLost?.(engine, reason);
    isEngineLost = true;
  };
  const rules = loadRules(readSources(config.sources));
  const world = config.world === undefined ? undefined : readWorldFile(config.world, rules);
  await checkTrustConfig(config, rules);
  const lock = lockDirectory(config.data, onLockLost);
  const closers: (() => Promise<void>)[] = [];
  try {
    const traces = config.traces === undefined ? undefined : await openTraces(config.traces, log);
    if (traces !== undefined) closers.push(() => traces.close());
    const metrics: Metrics = new Metrics(
      () => activePolicies.rules,
      () => collectCounts({ activePolicies, database, entities, decisions, trust }),
    );
    const reported = { log, watch: metrics.observeCall };
    const database = await openDatabase(config, reported, {
      assertHeld: lock.assertHeld,
      onLost: watchEngine('database'),
    });
    closers.push(() => database.close());
    await discardPartialWorld(database);
    const relationships = await openRelationships(rules.graph, config, database, {
      ...reported,
      onLost: watchEngine('relationships'),
    });
    let closeRelationships = (): Promise<void> => relationships.close();
    closers.push(() => closeRelationships());
    const entities = new EntityStore(database);
    const decisions = new DecisionStore(database, config.records.facts);
    closers.push(() => decisions.flush());
    if (world !== undefined && config.world !== undefined) {
      const { world: path } = config;
      const note = await loadWorldOnce(database, world, path, () =>
        loadWorld(path, world, { relationships, entities }),
      );
      if (note !== undefined) log(note, { event: 'note' });
    }
    for (const line of await describeUnfitEntities(entities, rules))
      log(line, { event: 'entities_unfit', policy_version: rules.version });
    const devIssuer = config.development ? await openDevelopmentIssuer(config.data) : undefined;
    const revocations = new RevocationStore(database);
    const devKey = config.clients.length === 0 ? await ensureDevKey(config.data) : undefined;
    const development = {
      clients: devKey === undefined ? [] : [createDevClient(devKey)],
      issuers: devIssuer === undefined ? [] : [devIssuer.config],
    };
    const trust = new TrustConfig(config, development, metrics.observeCall);
    const credentials = new CredentialVerifier(trust.verifier, {
      revocations,
      entities,
      proofs: new UsedDpopProofStore(database),
    });
    const { deadlineMs } = config;
    const shared = { credentials, entities, decisions, revocations, observer: metrics, now, deadlineMs };
    const activePolicies: ActivePolicies = new ActivePolicies(rules, relationships, shared);
    closeRelationships = () => activePolicies.close();
    return {
      config,
      database,
      activePolicies,
      credentials,
      now,
      deadlineMs,
      trust,
      secret: await readSecret(database),
      entities,
      decisions,
      revocations,
      metrics,
      traces,
      devKey,
      devIssuer,
      announce: (url) => {
        lock.publishUrl(url);
      },
      proveHolding: lock.prove,
      hasLostEngine: () => isEngineLost,
      close: () => closeAll(closers, lock),
    };
  } catch (error) {
    await closeAll(closers, lock);
    throw error;
  }
}

/** The numbers that the parts keep by themselves, for metrics. */
function collectCounts({
  activePolicies,
  database,
  entities,
  decisions,
  trust,
}: Pick<Service, 'activePolicies' | 'database' | 'entities' | 'decisions' | 'trust'>): ServiceCounts {
  const { engine, rules } = activePolicies;
  const graph = engine.counts();
  const records = decisions.stats();
  return {
    caches: {
      ...graph.caches,
      entities: entities.cache,
      tokens: trust.verifier.cache,
      cedar: rules.deciding.cache,
      cedar_duties: rules.duties.cache,
    },
    waiting: { checks: graph.waiting, records: records.waiting },
    grouped: { checks: graph, records },
    cedarFaults: rules.cedarFaults(),
    circuits: { database: database.stats().circuit, spicedb: engine.stats().circuit },
    records,
    rules: {
      ...activePolicies.counts,
      since: activePolicies.since,
      outdated: activePolicies.refusal !== undefined,
    },
  };
}

function createHostClock(log: Log): () => Date {
  return createClock({ system: () => Date.now(), steady: () => performance.now(), log });
}

async function openRelationships(
  graph: GraphSchema,
  config: Config,
  database: Database,
  {
    onLost,
    ...reported
  }: { readonly log: Log; readonly watch: EngineCallListener; readonly onLost: (reason: string) => void },
): Promise<GraphEngine> {
  if (config.spicedb === undefined)
    return EmbeddedGraph.start(graph, await Journal.open(database), { watch: reported.watch, onLost }).catch(
      (error: unknown) => {
        throw error instanceof StoredMisfit ? addStoreCure(error, config) : error;
      },
    );
  // Loaded on demand: its client takes a tenth of a second to load.
  const { ServerGraph } = await import('../graph/server/server.js');
  return ServerGraph.start(graph, { ...config.spicedb, deadlineMs: config.deadlineMs, ...reported });
}

/** Names the place of what is stored: without a `data` of its own, a company is started on another one's. */
function addStoreCure({ problem, place }: StoredMisfit, { data, database, file }: Config): ConfigError {
  if (database.mode !== 'embedded') return new ConfigError(problem, place);
  const directory = displayPath(data);
  return new ConfigError(
    `${problem}. It is stored in the data directory ${directory}: if another company's relationships are there, give this one a directory of its own, with "data" in ${displayPath(file)} or with REMIT_DATA; if they are its own, delete what no longer fits before the schema changes`,
    place,
  );
}

/** Loads OpenTelemetry on demand, as it takes a while and most services do not trace. */
async function openTraces(config: TracesConfig, log: Log): Promise<RequestTracer> {
  const { RequestTracer } = await import('../telemetry/request-tracer.js');
  return new RequestTracer(config, log);
}

async function readSecret(database: Database): Promise<string> {
  const [rows] = await database.run([{ sql: `select value from meta where key = 'secret'` }]);
  return String(rows?.[0]?.['value']);
}

async function ensureDevKey(directory: string): Promise<string> {
  const makeKey = (): string => `${randomBytes(32).toString('base64url')}\n`;
  return (await ensureSecretFile(join(directory, 'dev.key'), makeKey)).trim();
}

/** The client of a start without configured clients. It has every permission; such a service listens on loopback only. */
function createDevClient(key: string): ConfiguredClient {
  return {
    id: 'dev',
    keySha256: [sha256(key)],
    may: new Set(CLIENT_PERMISSIONS),
    audience: undefined,
    resources: undefined,
    defaultMode: undefined,
    answers: 'full',
    rate: 1000,
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function closeAll(closers: (() => Promise<void>)[], lock: DirectoryLock): Promise<void> {
  for (const close of [...closers].reverse()) await close().catch(() => undefined);
  lock.release();
}
