/**
 * The metrics whose values the parts of a service keep themselves (caches, queues, circuits, reloads); they are read when
 * metrics are scraped.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { CircuitStats } from '../runtime/circuit-breaker.js';
import type { CacheCountsByName } from './counted-cache.js';

/** The numbers that the parts of a service keep; they are read when metrics are scraped. */
export interface ServiceCounts {
  readonly caches: CacheCountsByName;
  /** Items that wait for an engine. */
  readonly waiting: Readonly<Record<'checks' | 'records', number>>;
  /** Items that were sent in groups: checks to SpiceDB, records to the database. */
  readonly grouped: Readonly<Record<'checks' | 'records', { readonly groups: number; readonly members: number }>>;
  /** Times that Cedar failed and was restarted. */
  readonly cedarFaults: number;
  /** The circuit of each engine; undefined where it is embedded. */
  readonly circuits: Readonly<Record<'database' | 'spicedb', CircuitStats | undefined>>;
  /** Corrections of records that are still to be written. */
  readonly records: { readonly pendingCorrections: number };
  readonly reviews: { readonly open: number; readonly overdue: number };
  /** Decisions that hold something of a limit, and got no outcome yet. */
  readonly openReservations: number;
  /** Tasks of approvals that wait for people. */
  readonly waitingApprovals: number;
  /** The log of records: its size, the records that wait for a place in it, and whether it was damaged. */
  readonly auditLog: { readonly size: number; readonly pending: number; readonly damaged: boolean };
  /** The notifications of each receiver, by its name. */
  readonly webhooks: readonly {
    readonly endpoint: string;
    readonly waiting: number;
    readonly dead: number;
    readonly outcomes: Readonly<Record<'sent' | 'failed' | 'dead', number>>;
  }[];
  readonly rules: {
    /** Reloads that were taken, and those that were refused, while the service ran. */
    readonly taken: number;
    readonly refused: number;
    /** The time since which the present policies are in force. */
    readonly since: Date;
    /** Whether the files have changed since, and were refused. */
    readonly outdated: boolean;
  };
}

export interface AdmissionStats {
  readonly inFlight: number;
  /** Bytes of bodies that are being read or worked on, and of answers that aren't taken yet. */
  readonly bodyBytes: number;
  /** Requests that were refused, by the limit that was reached. */
  readonly shed: { readonly inFlight: number; readonly bodies: number; readonly memory: number };
}

export type ShedCounts = AdmissionStats['shed'];

/** The sources of the metrics. */
export interface MetricSources {
  readonly counts: () => ServiceCounts;
  /** The counts of each listener. */
  readonly shed: () => readonly ShedCounts[];
  /** The version of the policies in force. */
  readonly version: () => string;
}

const SHED_CAUSES = [
  ['in_flight', 'inFlight'],
  ['bodies', 'bodies'],
  ['memory', 'memory'],
] as const;

type MetricType = typeof Counter | typeof Gauge;
type Samples<Label extends string> = readonly (readonly [labels: Record<Label, string>, value: number])[];

/** Registers a metric whose samples are read at each scrape. */
type RegisterMetric = <Label extends string>(
  type: MetricType,
  name: string,
  help: string,
  labelNames: readonly Label[],
  read: () => Samples<Label>,
) => void;

export function registerServiceMetrics(registry: Registry, sources: MetricSources): void {
  const register: RegisterMetric = (Type, name, help, labelNames, read) => {
    new Type({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  };
  registerQueues(register, sources);
  registerCircuits(register, sources);
  registerPolicies(register, sources);
  registerNotifications(register, sources);
  registerAuditLog(register, sources);
}

function registerQueues(register: RegisterMetric, { counts, shed }: MetricSources): void {
  register(Counter, 'remit_cache_lookups_total', 'Lookups in caches, by result.', ['cache', 'result'], () =>
    Object.entries(counts().caches).flatMap(([cache, { hits, misses }]) => [
      [{ cache, result: 'hit' }, hits],
      [{ cache, result: 'miss' }, misses],
    ]),
  );
  register(Gauge, 'remit_queue_waiting', 'Items that wait to be sent to an engine.', ['queue'], () =>
    Object.entries(counts().waiting).map(([queue, n]) => [{ queue }, n]),
  );
  register(Counter, 'remit_groups_total', 'Groups of items sent to an engine together.', ['queue'], () =>
    Object.entries(counts().grouped).map(([queue, { groups }]) => [{ queue }, groups]),
  );
  register(Counter, 'remit_grouped_total', 'Items sent in those groups.', ['queue'], () =>
    Object.entries(counts().grouped).map(([queue, { members }]) => [{ queue }, members]),
  );
  register(
    Counter,
    'remit_requests_shed_total',
    'Requests refused at once, by the limit that was reached.',
    ['cause'],
    () => {
      const listeners = shed();
      return SHED_CAUSES.map(([cause, key]) => [{ cause }, listeners.reduce((sum, counted) => sum + counted[key], 0)]);
    },
  );
  register(
    Gauge,
    'remit_record_corrections_pending',
    'Corrections of decision records that are still to be written.',
    [],
    () => [[{}, counts().records.pendingCorrections]],
  );
}

function registerCircuits(register: RegisterMetric, { counts }: MetricSources): void {
  const readCircuits = (read: (circuit: CircuitStats) => number): [{ engine: string }, number][] =>
    Object.entries(counts().circuits).map(([engine, circuit]) => [
      { engine },
      circuit === undefined ? 0 : read(circuit),
    ]);
  register(Counter, 'remit_cedar_faults_total', 'Times that Cedar failed and was restarted.', [], () => [
    [{}, counts().cedarFaults],
  ]);
  register(Gauge, 'remit_circuit_open', '1 while the circuit of an engine is open.', ['engine'], () =>
    readCircuits(({ state }) => Number(state !== 'closed')),
  );
  register(Counter, 'remit_circuit_opened_total', 'Times that the circuit of an engine opened.', ['engine'], () =>
    readCircuits(({ opened }) => opened),
  );
  register(Counter, 'remit_circuit_refused_total', 'Calls refused while a circuit was open.', ['engine'], () =>
    readCircuits(({ refused }) => refused),
  );
}

function registerPolicies(register: RegisterMetric, { counts, version }: MetricSources): void {
  register(Counter, 'remit_policy_reloads_total', 'Reloads of the policies, by outcome.', ['outcome'], () => {
    const { rules } = counts();
    return [
      [{ outcome: 'taken' }, rules.taken],
      [{ outcome: 'refused' }, rules.refused],
    ];
  });
  register(Gauge, 'remit_policy_outdated', '1 while the present policy files were refused.', [], () => [
    [{}, Number(counts().rules.outdated)],
  ]);
  register(
    Gauge,
    'remit_policy_loaded_timestamp_seconds',
    'Time since which the policies are in force, in seconds since the epoch.',
    [],
    () => [[{}, counts().rules.since.getTime() / 1000]],
  );
  register(Gauge, 'remit_policy_info', 'Always 1, with the version of the policies in force.', ['version'], () => [
    [{ version: version() }, 1],
  ]);
}

function registerAuditLog(register: RegisterMetric, { counts }: MetricSources): void {
  register(Gauge, 'remit_audit_log_records', 'Records that the audit log has, when it was last looked at.', [], () => [
    [{}, counts().auditLog.size],
  ]);
  register(Gauge, 'remit_audit_log_waiting', 'Records that wait for their place in the audit log.', [], () => [
    [{}, counts().auditLog.pending],
  ]);
  register(
    Gauge,
    'remit_audit_log_damaged',
    '1 while the audit log is not what was stored or signed of it.',
    [],
    () => [[{}, Number(counts().auditLog.damaged)]],
  );
}

function registerNotifications(register: RegisterMetric, { counts }: MetricSources): void {
  register(
    Counter,
    'remit_notification_attempts_total',
    'Tries to send a notification, by what came of them: it was sent, is tried again, or was given up.',
    ['endpoint', 'outcome'],
    () =>
      counts().webhooks.flatMap(({ endpoint, outcomes }) =>
        Object.entries(outcomes).map(([outcome, n]) => [{ endpoint, outcome }, n] as const),
      ),
  );
  register(
    Gauge,
    'remit_limit_reservations_open',
    'Decisions that hold something of a limit, and got no outcome yet.',
    [],
    () => [[{}, counts().openReservations]],
  );
  register(Gauge, 'remit_approvals_waiting', 'Requests for approvals that wait for people.', [], () => [
    [{}, counts().waitingApprovals],
  ]);
  register(Gauge, 'remit_reviews_open', 'Reviews that are to be made, overdue ones as well.', [], () => [
    [{}, counts().reviews.open],
  ]);
  register(Gauge, 'remit_reviews_overdue', 'Reviews that are overdue.', [], () => [[{}, counts().reviews.overdue]]);
  register(Gauge, 'remit_notifications_waiting', 'Notifications that are still to be sent.', ['endpoint'], () =>
    counts().webhooks.map(({ endpoint, waiting }) => [{ endpoint }, waiting]),
  );
  register(Gauge, 'remit_notifications_dead', 'Notifications that were given up and are kept.', ['endpoint'], () =>
    counts().webhooks.map(({ endpoint, dead }) => [{ endpoint }, dead]),
  );
}
