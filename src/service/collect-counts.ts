/** Collects, for the metrics, the numbers that the parts of a service keep by themselves. */
import type { Database } from '../store/database/port.js';
import type { DecisionStore } from '../store/decisions.js';
import type { EntityStore } from '../store/entities.js';
import type { RepeatedCount } from '../telemetry/repeated-count.js';
import type { ServiceCounts } from '../telemetry/service-metrics.js';
import type { Sequencer } from '../records/sequencer.js';
import type { ReviewSweeper } from '../govern/review-sweeper.js';
import type { WebhookSender } from '../notify/webhook-sender.js';
import type { ActivePolicies } from './active-policies.js';
import type { TrustConfig } from './clients-and-issuers.js';

export interface CountedParts {
  readonly activePolicies: ActivePolicies;
  readonly database: Database;
  readonly entities: EntityStore;
  readonly decisions: DecisionStore;
  readonly trust: TrustConfig;
  readonly webhooks: WebhookSender;
  readonly reviews: Pick<ReviewSweeper, 'counts'>;
  readonly reservations: Pick<RepeatedCount, 'latest'>;
  readonly auditLog: Pick<Sequencer, 'counts'>;
  readonly waitingApprovals: Pick<RepeatedCount, 'latest'>;
}

export function collectCounts({
  activePolicies,
  database,
  entities,
  decisions,
  trust,
  webhooks,
  reviews,
  reservations,
  waitingApprovals,
  auditLog,
}: CountedParts): ServiceCounts {
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
    webhooks: webhooks.stats(),
    reviews: reviews.counts,
    openReservations: reservations.latest,
    waitingApprovals: waitingApprovals.latest,
    auditLog: auditLog.counts,
    rules: {
      ...activePolicies.counts,
      since: activePolicies.since,
      outdated: activePolicies.refusal !== undefined,
    },
  };
}
