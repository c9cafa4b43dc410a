/**
 * Metrics of one service, in a registry of its own. Every value of a label is from a list that the operator or the code
 * has written: no user, agent, resource or text of a request's can become one.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Decision } from '../model/decision.js';
import type { StepOutcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { EngineCall } from './engine-calls.js';
import type { CacheCountsByName } from './counted-cache.js';
import type { CircuitStats } from './engine-stats.js';
import { DurationMetric, type DurationHistogram } from './duration-metric.js';
import { PHASES, type DecisionObserver, type Phase } from './observer.js';
import { processMetrics } from './process-metrics.js';
import { withSpan, withSpanSync, type SpanAttributes } from './active-span.js';

/** Numbers that the parts of a service keep by themselves: read when metrics are. */
export interface ServiceCounts {
  readonly caches: CacheCountsByName;
  /** What waits for an engine, by what it is. */
  readonly waiting: Readonly<Record<'checks' | 'records', number>>;
  /** How much went together: of checks to SpiceDB, of records to the database. */
  readonly grouped: Readonly<Record<'checks' | 'records', { readonly groups: number; readonly members: number }>>;
  /** Times that Cedar failed and was begun anew. */
  readonly cedarFaults: number;
  /** Before each engine that is a server. */
  readonly circuits: Readonly<Record<'database' | 'spicedb', CircuitStats | undefined>>;
  /** Of records that nobody waits for: still to be written, and given up. */
  readonly records: { readonly pendingCorrections: number; readonly droppedCorrections: number };
  readonly rules: {
    /** How often others were taken while it ran, and how often they weren't. */
    readonly taken: number;
    readonly refused: number;
    /** Since when these are in force. */
    readonly since: Date;
    /** Others are written, and were refused. */
    readonly outdated: boolean;
  };
}

/** What metrics need to know of the rules in force: their version, and the names of what they have. */
export interface PolicyLabels {
  readonly version: string;
  readonly vocabulary: {
    find(
      action: string,
      resourceType: string,
    ): { readonly action: { readonly name: string }; readonly resourceType: { readonly object: string } } | undefined;
  };
}

/** Of what isn't in the schema, or is no route. */
export const OTHER_LABEL = 'other';

type ShedCounts = AdmissionStats['shed'];
const SHED_CAUSES = [
  ['in_flight', 'inFlight'],
  ['large_bodies', 'largeBodies'],
  ['memory', 'memory'],
] as const;

export class Metrics implements DecisionObserver {
  private readonly registry = new Registry();
  private readonly processRegistry = processMetrics();
  private readonly shedCounters: (() => ShedCounts)[] = [];
  private readonly decisions = this.createCounter(
    'remit_decisions_total',
    'Decisions, by what came of them and the first reason: a reason code, or the fault where an engine could not answer.',
    ['outcome', 'reason', 'action', 'resource_type'],
  );
  private readonly faults = this.createCounter('remit_engine_faults_total', 'Calls that an engine could not answer.', [
    'engine',
    'code',
  ]);
  private readonly decisionSeconds = new DurationMetric(
    'remit_decision_duration_seconds',
    'How long a decision took, its record included.',
    ['outcome'],
    this.registry,
  );
  private readonly requestSeconds = new DurationMetric(
    'remit_http_request_duration_seconds',
    'How long a request took, from its head to the end of its answer.',
    ['method', 'route', 'status'],
    this.registry,
  );
  private readonly callSeconds = new DurationMetric(
    'remit_engine_call_duration_seconds',
    'How long a call of an engine took; many decisions may share one.',
    ['engine', 'call'],
    this.registry,
  );
  private readonly phases: Readonly<Record<Phase, DurationHistogram>>;

  /**
   * @param rules those in force
   * @param counts of the service's parts
   */
  constructor(
    private readonly rules: () => PolicyLabels,
    counts: () => ServiceCounts,
  ) {
    const phases = new DurationMetric(
      'remit_decision_phase_duration_seconds',
      'How long a decision was at each of its parts; cedar is part of gather, and lists gather many at once.',
      ['phase'],
      this.registry,
    );
    this.phases = Object.fromEntries(PHASES.map((phase) => [phase, phases.withLabels(phase)])) as Record<
      Phase,
      DurationHistogram
    >;
    this.readAtScrape(counts);
  }

  async decision(question: Question, work: () => Promise<Decision>): Promise<Decision> {
    const startedAt = performance.now();
    const decision = await withSpan('decision', async (decisionSpan) => {
      const result = await work();
      decisionSpan?.setAttributes(this.describeDecision(result));
      return result;
    });
    const { action, resource } = question;
    const questionKind = this.rules().vocabulary.find(action.name, resource.type);
    const outcome = decision.decision ? 'allow' : decision.fault === undefined ? 'deny' : 'unknown';
    this.decisions.inc({
      outcome,
      reason: decision.fault ?? decision.reasons[0]?.code ?? '',
      action: questionKind?.action.name ?? OTHER_LABEL,
      resource_type: questionKind?.resourceType.object ?? OTHER_LABEL,
    });
    this.decisionSeconds.withLabels(outcome).observe((performance.now() - startedAt) / 1000);
    return decision;
  }

  async phase<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await withSpan(phase, work);
    } finally {
      this.phases[phase].observe((performance.now() - startedAt) / 1000);
    }
  }

  cedar<T>(work: () => T): T {
    const startedAt = performance.now();
    try {
      return withSpanSync('cedar', work);
    } finally {
      this.phases.cedar.observe((performance.now() - startedAt) / 1000);
    }
  }

  step<O extends StepOutcome>(step: string, judge: () => O): O {
    return withSpanSync(`step ${step}`, judge, describeStepOutcome);
  }

  readonly observeCall = ({ engine, call: observeCall, seconds, fault }: EngineCall): void => {
    this.callSeconds.withLabels(engine, observeCall).observe(seconds);
    if (fault !== undefined) this.faults.inc({ engine, code: fault });
  };

  /** @param route as it is registered; undefined where there is none */
  observeRequest(method: string, route: string | undefined, status: number, seconds: number): void {
    this.requestSeconds
      .withLabels(route === undefined ? OTHER_LABEL : method, route ?? OTHER_LABEL, String(status))
      .observe(seconds);
  }

  /** Of what a listener refuses for there being too much: all listeners' count together. */
  countShed(shed: () => ShedCounts): void {
    this.shedCounters.push(shed);
  }

  /** In Prometheus' text format, the process's own included. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    const [serviceText, processText] = await Promise.all([this.registry.metrics(), this.processRegistry.metrics()]);
    return { type: this.registry.contentType, text: `${serviceText}\n${processText}` };
  }

  /** A decision's id leads to its record, which says who and what: neither goes to whoever keeps traces. */
  private describeDecision({ id, decision, fault, reasons, dry_run, request }: Decision): SpanAttributes {
    const questionKind = this.rules().vocabulary.find(request.action, request.resource.type);
    return {
      'remit.decision.id': id,
      'remit.decision.outcome': decision ? 'allow' : fault === undefined ? 'deny' : 'unknown',
      'remit.decision.reasons': [...(fault === undefined ? [] : [fault]), ...reasons.map(({ code }) => code)],
      'remit.decision.dry_run': dry_run,
      'remit.action': questionKind?.action.name ?? OTHER_LABEL,
      'remit.resource_type': questionKind?.resourceType.object ?? OTHER_LABEL,
    };
  }

  private createCounter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  private readAtScrape(counts: () => ServiceCounts): void {
    const read = <L extends string>(
      kind: typeof Counter | typeof Gauge,
      name: string,
      help: string,
      labelNames: readonly L[],
      values: () => readonly (readonly [labels: Record<L, string>, value: number])[],
    ): void => {
      new kind<L>({
        name,
        help,
        labelNames: [...labelNames],
        registers: [this.registry],
        collect() {
          this.reset();
          for (const [labels, value] of values()) this.inc(labels, value);
        },
      });
    };
    read(Counter, 'remit_cache_lookups_total', 'What was looked for among what is kept.', ['cache', 'result'], () =>
      Object.entries(counts().caches).flatMap(([cache, { hits, misses }]) => [
        [{ cache, result: 'hit' }, hits],
        [{ cache, result: 'miss' }, misses],
      ]),
    );
    read(Gauge, 'remit_queue_waiting', 'What waits to be sent to an engine.', ['queue'], () =>
      Object.entries(counts().waiting).map(([queue, n]) => [{ queue }, n]),
    );
    read(Counter, 'remit_groups_total', 'Groups sent to an engine as one.', ['queue'], () =>
      Object.entries(counts().grouped).map(([queue, { groups }]) => [{ queue }, groups]),
    );
    read(Counter, 'remit_grouped_total', 'What was sent in those groups.', ['queue'], () =>
      Object.entries(counts().grouped).map(([queue, { members }]) => [{ queue }, members]),
    );
    read(Counter, 'remit_cedar_faults_total', 'Times that Cedar failed and was begun anew.', [], () => [
      [{}, counts().cedarFaults],
    ]);
    const circuits = (of: (circuit: CircuitStats) => number): [{ engine: string }, number][] =>
      Object.entries(counts().circuits).map(([engine, circuit]) => [
        { engine },
        circuit === undefined ? 0 : of(circuit),
      ]);
    read(Gauge, 'remit_circuit_open', '1 while an engine is taken to be away.', ['engine'], () =>
      circuits(({ state }) => Number(state !== 'closed')),
    );
    read(Counter, 'remit_circuit_opened_total', 'Times that an engine was found to be away.', ['engine'], () =>
      circuits(({ opened }) => opened),
    );
    read(Counter, 'remit_circuit_refused_total', 'Calls refused while an engine was away.', ['engine'], () =>
      circuits(({ refused }) => refused),
    );
    read(
      Counter,
      'remit_requests_shed_total',
      'Requests refused at once, by what there was too much of.',
      ['cause'],
      () => SHED_CAUSES.map(([cause, of]) => [{ cause }, this.shedCounters.reduce((sum, shed) => sum + shed()[of], 0)]),
    );
    read(
      Gauge,
      'remit_record_corrections_pending',
      'Corrections of decision records that are still to be written.',
      [],
      () => [[{}, counts().records.pendingCorrections]],
    );
    read(
      Counter,
      'remit_record_corrections_dropped_total',
      'Corrections of decision records that the full queue dropped.',
      [],
      () => [[{}, counts().records.droppedCorrections]],
    );
    read(Counter, 'remit_policy_reloads_total', 'Rules that were to be taken while it ran.', ['outcome'], () => {
      const { taken, refused } = counts().rules;
      return [
        [{ outcome: 'taken' }, taken],
        [{ outcome: 'refused' }, refused],
      ];
    });
    read(Gauge, 'remit_policy_outdated', '1 while the rules as they are written were refused.', [], () => [
      [{}, Number(counts().rules.outdated)],
    ]);
    read(Gauge, 'remit_policy_loaded_timestamp_seconds', 'Since when the rules are in force.', [], () => [
      [{}, counts().rules.since.getTime() / 1000],
    ]);
    read(Gauge, 'remit_policy_info', 'Always 1; the version of the rules in force.', ['version'], () => [
      [{ version: this.rules().version }, 1],
    ]);
  }
}

function describeStepOutcome(outcome: StepOutcome): SpanAttributes {
  return {
    'remit.step.outcome': outcome.outcome,
    ...(outcome.outcome === 'deny' ? { 'remit.step.reasons': outcome.reasons.map(({ code }) => code) } : {}),
    ...(outcome.outcome === 'unknown' ? { 'remit.step.fault': outcome.fault } : {}),
  };
}
/** In plain numbers. */

export interface AdmissionStats {
  readonly inFlight: number;
  /** Of large bodies that are being read or worked on. */
  readonly largeBodyBytes: number;
  /** Requests that were refused, by what there was too much of. */
  readonly shed: { readonly inFlight: number; readonly largeBodies: number; readonly memory: number };
}
