/** The work that a service does between questions: it ends what has expired, tells of what is due, and sends notifications. */
import type { Config } from '../config/config.js';
import type { ElevationKeeper } from '../govern/approvals/elevation.js';
import { startExpiringTasks } from '../govern/approvals/task-expiry.js';
import { countWaitingApprovals } from '../govern/approvals/waiting-approvals.js';
import { ConsentSweeper } from '../govern/consents/consent-sweeper.js';
import type { DelegationKeeper } from '../govern/delegation-keeper.js';
import { startSweeping } from '../govern/delegation-sweeper.js';
import { countOpenReservations } from '../govern/limits/open-reservations.js';
import { ReviewSweeper } from '../govern/review-sweeper.js';
import { startPruning } from '../notify/event-pruner.js';
import { WebhookSender } from '../notify/webhook-sender.js';
import { RecordSweeper } from '../records/record-sweeper.js';
import type { ApprovalStore } from '../store/approvals.js';
import type { ConsentStore } from '../store/consents.js';
import type { Database } from '../store/database/port.js';
import type { DeliveryStore } from '../store/deliveries.js';
import type { EventLog } from '../store/event-log.js';
import type { HistoryStore } from '../store/history.js';
import type { LimitStore } from '../store/limits.js';
import type { MetaStore } from '../store/meta.js';
import type { RecordValues } from '../store/record-values.js';
import { RetentionStore } from '../store/retention-store.js';
import type { ReviewStore } from '../store/reviews.js';
import type { Log } from '../telemetry/log.js';
import type { RepeatedCount } from '../telemetry/repeated-count.js';
import type { AuditLog } from './open-log.js';
import type { ActivePolicies } from './active-policies.js';

export interface BackgroundWorkDeps {
  readonly config: Pick<Config, 'notifications' | 'settleAfterMs' | 'records'>;
  readonly database: Database;
  readonly auditLog: AuditLog;
  readonly activePolicies: ActivePolicies;
  readonly approvals: ApprovalStore;
  readonly consents: ConsentStore;
  readonly delegations: DelegationKeeper;
  readonly elevations: ElevationKeeper;
  readonly limits: LimitStore;
  readonly reviews: ReviewStore;
  readonly deliveries: DeliveryStore;
  readonly events: EventLog;
  readonly history: HistoryStore;
  readonly meta: MetaStore;
  readonly recordValues: RecordValues;
  readonly now: () => Date;
  readonly log: Log;
}

export interface BackgroundWork {
  readonly webhooks: WebhookSender;
  readonly reservations: RepeatedCount;
  readonly reviewSweeper: ReviewSweeper;
  readonly waitingApprovals: RepeatedCount;
  /** Each resolves once no turn is under way. They are called in the reverse order. */
  readonly stops: readonly (() => Promise<void>)[];
}

export function startBackgroundWork(deps: BackgroundWorkDeps): BackgroundWork {
  const { config, database, activePolicies, consents, delegations, elevations, limits, reviews } = deps;
  const { auditLog, deliveries, events, history, meta, now, log } = deps;
  const webhooks = new WebhookSender({ deliveries, now, log }, config.notifications);
  const reservations = countOpenReservations(limits, config.settleAfterMs, now);
  const reviewSweeper = new ReviewSweeper(reviews, now);
  const waitingApprovals = countWaitingApprovals(deps.approvals, now);
  const stops = [
    startSweeping(delegations, { exclusive: database.exclusive, log, about: 'Delegations' }),
    startSweeping(elevations, { exclusive: database.exclusive, log, about: 'Elevations' }),
    startExpiringTasks({ database, now }, log),
    new ConsentSweeper({ consents, meta, rules: () => activePolicies.rules, now }).start(log),
    reservations.start(log).stop,
    reviewSweeper.start(log).stop,
    waitingApprovals.start(log).stop,
    () => webhooks.stop(),
    startPruning([events, history, deps.recordValues], now, log),
    auditLog.sequencer.start(log).stop,
    ...auditLog.witnesses.map((witness) => witness.start().stop),
    ...(config.records.keepMs === undefined ? [] : [sweepRecords(deps, config.records.keepMs)]),
  ];
  return { webhooks, reservations, reviewSweeper, waitingApprovals, stops };
}

/** Prunes records that are older than `records.keep`. */
function sweepRecords(
  { auditLog, database, recordValues, now, log }: BackgroundWorkDeps,
  keepMs: number,
): () => Promise<void> {
  const { store: logStore, sequencer } = auditLog;
  const retentions = new RetentionStore(database);
  const isDamaged = (): boolean => sequencer.counts.damaged;
  const deps = { retentions, logStore, signer: sequencer.signer, hold: recordValues.hold, isDamaged, now, log };
  return new RecordSweeper(deps, keepMs).start(log);
}
