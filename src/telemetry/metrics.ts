/**
 * The metrics of one service, in a registry of its own. Every label value comes from a list that the operator or the
 * code has written: no user, agent, resource or text of a request can become one.
 */
import { Counter, Registry } from 'prom-client';
import type { Decision } from '../model/decision.js';
import type { Reason } from '../model/reasons.js';
import type { StepOutcome } from '../model/outcome.js';
import type { FaultCode } from '../model/faults.js';
import type { Question } from '../model/question.js';
import type { EngineCall } from './engine-calls.js';
import { DurationMetric, type DurationHistogram } from './duration-metric.js';
import { PHASES, type DecisionObserver, type Phase } from './observer.js';
import { processMetrics } from './process-metrics.js';
import { registerServiceMetrics, type ServiceCounts, type ShedCounts } from './service-metrics.js';
import { withSpan, withSpanSync, type SpanAttributes } from './active-span.js';

/** The parts of the policies in force that become labels: their version, and the names in their vocabulary. */
export interface PolicyLabels {
  readonly version: string;
  readonly vocabulary: {
    find(
      action: string,
      resourceType: string,
    ): { readonly action: { readonly name: string }; readonly resourceType: { readonly object: string } } | undefined;
  };
}

/** The label of an action or type that isn't in the schema, and of an unknown route. */
export const OTHER_LABEL = 'other';

export class Metrics implements DecisionObserver {
  private readonly registry = new Registry();
  private readonly processRegistry = processMetrics();
  private readonly shedCounts: (() => ShedCounts)[] = [];
  private readonly decisions = this.createCounter(
    'remit_decisions_total',
    'Decisions, by what came of them and the first reason: a reason code, or the fault where an engine could not answer.',
    ['outcome', 'reason', 'action', 'resource_type'],
  );
  private readonly limitDenials = this.createCounter(
    'remit_limit_denials_total',
    'Limits that decisions were denied for, by what has the limit: the action, a delegation or a consent.',
    ['owner', 'action'],
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
   * @param rules the policies in force
   * @param counts the numbers of the service's parts
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
    registerServiceMetrics(this.registry, {
      counts,
      shed: () => this.shedCounts.map((shed) => shed()),
      version: () => this.rules().version,
    });
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
    for (const reason of decision.reasons)
      if (reason.code === 'limit_exceeded')
        this.limitDenials.inc({
          owner: getLimitOwner(reason),
          action: questionKind?.action.name ?? OTHER_LABEL,
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

  /** The last failure of each kind, in words: many decisions may share the call that failed. */
  readonly lastFailures = new Map<FaultCode, string>();

  readonly observeCall = ({ engine, call: observeCall, seconds, fault, failure }: EngineCall): void => {
    this.callSeconds.withLabels(engine, observeCall).observe(seconds);
    if (fault !== undefined) this.faults.inc({ engine, code: fault });
    if (fault !== undefined && failure !== undefined) this.lastFailures.set(fault, failure);
  };

  /** Observes one HTTP request. @param route as it is registered; undefined where there is none */
  observeRequest(method: string, route: string | undefined, status: number, seconds: number): void {
    this.requestSeconds
      .withLabels(route === undefined ? OTHER_LABEL : method, route ?? OTHER_LABEL, String(status))
      .observe(seconds);
  }

  /** Adds a listener's count of shed requests; those of all listeners are summed up. */
  countShed(shed: () => ShedCounts): void {
    this.shedCounts.push(shed);
  }

  /** Renders all metrics in Prometheus' text format, those of the process included. */
  async exposition(): Promise<{ readonly type: string; readonly text: string }> {
    const [serviceText, processText] = await Promise.all([this.registry.metrics(), this.processRegistry.metrics()]);
    return { type: this.registry.contentType, text: `${serviceText}\n${processText}` };
  }

  /** Describes a decision without its user, agent and resource: its id leads to the record, traces are for others. */
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
}

function describeStepOutcome(outcome: StepOutcome): SpanAttributes {
  return {
    'remit.step.outcome': outcome.outcome,
    ...(outcome.outcome === 'deny' ? { 'remit.step.reasons': outcome.reasons.map(({ code }) => code) } : {}),
    ...(outcome.outcome === 'unknown' ? { 'remit.step.fault': outcome.fault } : {}),
  };
}

function getLimitOwner({ consent, delegation }: Reason): 'action' | 'consent' | 'delegation' {
  if (consent !== undefined) return 'consent';
  return delegation === undefined ? 'action' : 'delegation';
}
