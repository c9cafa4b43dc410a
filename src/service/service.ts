/** Opens the parts of a running Remit from a configuration, and closes them in order. Commands and tests call it. */
import { TrustConfig, checkTrustConfig } from './clients-and-issuers.js';
import { createClock } from '../runtime/clock.js';
import type { Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import type { TracesConfig, RequestTracer } from '../telemetry/request-tracer.js';
import type { Database } from '../store/database/port.js';
import { lockDirectory, type DirectoryLock } from '../runtime/directory-lock.js';
import { ElevationKeeper } from '../govern/approvals/elevation.js';
import { DelegationKeeper } from '../govern/delegation-keeper.js';
import { PersonEraser } from '../govern/person-eraser.js';
import type { ApprovalSigning } from '../govern/approvals/signing.js';
import type { GraphEngine } from '../graph/port.js';
import { ActivePolicies } from './active-policies.js';
import { loadRules, type Rules } from '../policy/load.js';
import { ApprovalStore } from '../store/approvals.js';
import { ChangeRecords } from '../store/change-records.js';
import { DecisionStore } from '../store/decisions.js';
import { ConsentRequestStore } from '../store/consent-requests.js';
import { ConsentStore } from '../store/consents.js';
import { DeliveryStore } from '../store/deliveries.js';
import { EventLog } from '../store/event-log.js';
import { DelegationStore } from '../store/delegations.js';
import { ElevationStore } from '../store/elevations.js';
import { EntityStore } from '../store/entities.js';
import { EventTail } from '../notify/event-tail.js';
import type { WebhookSender } from '../notify/webhook-sender.js';
import { HistoryStore } from '../store/history.js';
import { LimitStore } from '../store/limits.js';
import { MetaStore } from '../store/meta.js';
import { ReadBatch } from '../store/read-batch.js';
import { PathProofStore } from '../store/path-proofs.js';
import { UsedDpopProofStore } from '../store/used-dpop-proofs.js';
import { ReviewStore } from '../store/reviews.js';
import { RevocationStore } from '../store/revocations.js';
import type { Log } from '../telemetry/log.js';
import { Metrics } from '../telemetry/metrics.js';
import type { DevelopmentIssuer } from '../issue/development-issuer.js';
import { CredentialVerifier } from '../tokens/credentials.js';
import { startBackgroundWork, type BackgroundWork } from './background-work.js';
import { discardPartialWorld, loadWorldOnce } from './load-world-once.js';
import { openDatabase } from './open-database.js';
import { describeUnfitEntities } from './unfit-entities.js';
import { loadWorld, readWorldFile, type LoadedWorld } from '../config/world.js';
import { openAuditLog, type AuditLog } from './open-log.js';
import { openSigning } from './open-signing.js';
import { openRecordValues } from './open-record-values.js';
import { openRelationships } from './open-relationships.js';
import { collectCounts } from './collect-counts.js';
import { openDevelopment } from './development.js';

/**
 * A running Remit. It is not what a decision is made with, so that no decision can go round the snapshot of the policies
 * in force: `service.activePolicies.withSnapshot((deps) => decide(question, deps))`.
 */
export interface Service {
  readonly config: Config;
  readonly database: Database;
  /** The log of records: its key, and what it proves. */
  readonly auditLog: AuditLog;
  /** The policies and their graph engine, both of which may be replaced at any moment. */
  readonly activePolicies: ActivePolicies;
  readonly credentials: CredentialVerifier;
  readonly entities: EntityStore;
  readonly consents: ConsentStore;
  readonly consentRequests: ConsentRequestStore;
  readonly approvals: ApprovalStore;
  readonly signing: ApprovalSigning;
  readonly delegationStore: DelegationStore;
  readonly delegations: DelegationKeeper;
  readonly elevations: ElevationKeeper;
  readonly personEraser: PersonEraser;
  readonly decisions: DecisionStore;
  readonly pathProofs: PathProofStore;
  readonly revocations: RevocationStore;
  readonly deliveries: DeliveryStore;
  readonly reviews: ReviewStore;
  readonly limits: LimitStore;
  readonly events: EventLog;
  readonly eventTail: EventTail;
  readonly webhooks: WebhookSender;
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
  const world =
    config.world === undefined ? undefined : { path: config.world, content: readWorldFile(config.world, rules) };
  await checkTrustConfig(config, rules);
  const lock = lockDirectory(config.data, onLockLost);
  const closers: (() => Promise<void>)[] = [];
  try {
    const traces = config.traces === undefined ? undefined : await openTraces(config.traces, log);
    if (traces !== undefined) closers.push(() => traces.close());
    const metrics: Metrics = new Metrics(
      () => activePolicies.rules,
      () =>
        collectCounts({
          activePolicies,
          database,
          entities,
          decisions,
          trust,
          webhooks: background.webhooks,
          reservations: background.reservations,
          reviews: background.reviewSweeper,
          waitingApprovals: background.waitingApprovals,
          auditLog: auditLog.sequencer,
        }),
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
    const reads = new ReadBatch(database);
    const entities = new EntityStore(database, reads);
    const vocabulary = (): Rules['vocabulary'] => activePolicies.rules.vocabulary;
    const recordValues = await openRecordValues(config, database, () => vocabulary().personObjects);
    const changes = new ChangeRecords(recordValues, vocabulary);
    const consents = new ConsentStore(database, changes, reads);
    const meta = new MetaStore(database);
    const signing = await openSigning(config, meta);
    const auditLog = await openAuditLog(config, database, meta, log);
    const approvals = new ApprovalStore(
      database,
      changes,
      reads,
      (presented) => signing.verifyApprovalState(presented),
      config.reviewDueMs,
      config.approvals.cooldownMs,
    );
    const delegationStore = new DelegationStore(database, changes, reads);
    const decisions = new DecisionStore(database, recordValues, config.records.facts, config.reviewDueMs);
    closers.push(() => decisions.flush());
    if (world !== undefined) await fillStores(world, { database, relationships, entities }, log);
    for (const line of await describeUnfitEntities(entities, rules))
      log(line, { event: 'entities_unfit', policy_version: rules.version });
    const revocations = new RevocationStore(database, changes, (user) => recordValues.people.toRevokedName(user));
    const { devKey, devIssuer, trust: developmentTrust } = await openDevelopment(config);
    const trust = new TrustConfig(config, developmentTrust, metrics.observeCall);
    const credentials = new CredentialVerifier(trust.verifier, {
      revocations,
      entities,
      proofs: new UsedDpopProofStore(database),
    });
    const { deadlineMs, settleAfterMs } = config;
    const limits = new LimitStore(database, recordValues.people);
    const history = new HistoryStore(database, recordValues.people);
    const shared = {
      credentials, entities, delegations: delegationStore, consents, approvals, approverRules: config.approvals, decisions, revocations, limits, history, observer: metrics, now, deadlineMs, settleAfterMs,
    }; // prettier-ignore
    const activePolicies: ActivePolicies = new ActivePolicies(rules, relationships, shared);
    closeRelationships = () => activePolicies.close();
    const delegations = new DelegationKeeper({
      store: delegationStore,
      consents,
      approvals,
      revocations,
      graph: () => activePolicies.engine,
      rules: () => activePolicies.rules,
      now,
    });
    const elevations = new ElevationKeeper({
      store: new ElevationStore(database, changes),
      graph: () => activePolicies.engine,
      now,
    });
    const personEraser = new PersonEraser({
      database, recordValues, revocations, entities, consents, delegationStore, now,
      graph: () => activePolicies.engine,
      rules: () => activePolicies.rules,
      clockLeeway: () => trust.issuers.clockLeeway,
    }); // prettier-ignore
    const reviews = new ReviewStore(database, changes);
    const deliveries = new DeliveryStore(database);
    const events = new EventLog(database);
    const parts = { config, database, auditLog, activePolicies, consents, delegations, elevations, limits, reviews, deliveries, events, history, now }; // prettier-ignore
    const background: BackgroundWork = startBackgroundWork({ ...parts, approvals, meta, recordValues, log });
    closers.push(...background.stops);
    return {
      ...parts,
      credentials,
      deadlineMs,
      trust,
      secret: await meta.require('secret'),
      entities,
      approvals,
      signing,
      consentRequests: new ConsentRequestStore(database, changes),
      delegationStore,
      personEraser,
      decisions,
      pathProofs: new PathProofStore(database, changes, recordValues),
      revocations,
      eventTail: new EventTail(events, log),
      webhooks: background.webhooks,
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

/** Loads the world into empty stores, and tells the operator where they hold something else. */
async function fillStores(
  { path, content }: { readonly path: string; readonly content: LoadedWorld },
  { database, ...stores }: { database: Database; relationships: GraphEngine; entities: EntityStore },
  log: Log,
): Promise<void> {
  const note = await loadWorldOnce(database, content, path, () => loadWorld(path, content, stores));
  if (note !== undefined) log(note, { event: 'note' });
}

function createHostClock(log: Log): () => Date {
  return createClock({ system: () => Date.now(), steady: () => performance.now(), log });
}

/** Loads OpenTelemetry on demand, as it takes a while and most services do not trace. */
async function openTraces(config: TracesConfig, log: Log): Promise<RequestTracer> {
  const { RequestTracer } = await import('../telemetry/request-tracer.js');
  return new RequestTracer(config, log);
}

async function closeAll(closers: (() => Promise<void>)[], lock: DirectoryLock): Promise<void> {
  for (const close of [...closers].reverse()) await close().catch(() => undefined);
  lock.release();
}
