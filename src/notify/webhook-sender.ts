/**
 * Sends events to the receivers that are configured. Each has a loop of its own, which takes few deliveries at a time from
 * the database: a slow or failing one delays no other, and holds nothing in memory. What a try makes of a delivery is
 * stored after it, so a process that dies in between sends it again, under the same id.
 */
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import { resolveBySystem, type HostResolver } from '../runtime/outbound.js';
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import type { Delivery, DeliveryCounts, DeliveryStore } from '../store/deliveries.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';
import { ATTEMPT_TIMEOUT_MS, attemptWebhook, type AttemptFailure } from './webhook-attempt.js';
import { describeWebhookEndpoint, webhookEndpointKey, type WebhookEndpoint } from './webhook-endpoint.js';

/** The pauses after failed tries, in seconds; after the last of them there is one more try. Together they are two days. */
export const RETRY_SECONDS = [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400];
/** A part by which pauses differ at random, so that what failed together isn't tried together. */
const JITTER = 0.2;
/** Tries of one receiver at a time. */
const CLAIMED_AT_A_TIME = 4;
/** Longer than a try lasts, with the writes around it. */
const LEASE_MS = 6 * ATTEMPT_TIMEOUT_MS;
const PAUSE_MS = 1000;
const COUNT_MS = 15_000;
/** Lookups of names at a time: the system's share threads with what decisions need. */
const MAX_LOOKUPS = 2;

export interface WebhookSenderDeps {
  readonly deliveries: DeliveryStore;
  readonly now: () => Date;
  readonly log: Log;
  readonly resolve?: HostResolver;
  /** A number from 0 to 1. */
  readonly random?: () => number;
  /** The pause after which a receiver's deliveries are looked for again, in milliseconds. */
  readonly pauseMs?: number;
}

export type AttemptOutcome = 'sent' | 'failed' | 'dead';

export interface WebhookStats extends DeliveryCounts {
  readonly endpoint: string;
  readonly outcomes: Readonly<Record<AttemptOutcome, number>>;
}

interface Receiver {
  readonly endpoint: WebhookEndpoint;
  readonly key: string;
  readonly outcomes: Record<AttemptOutcome, number>;
  counts: DeliveryCounts;
  isFailing: boolean;
  /** Whether another configuration is in force: nothing more is sent by this one. */
  isReplaced: boolean;
  loop?: RepeatedWork;
}

export class WebhookSender {
  private receivers: readonly Receiver[] = [];
  private readonly stopping = new AbortController();
  private readonly lookups = new ConcurrencyLimit(MAX_LOOKUPS, { name: 'lookups of receivers' });
  private readonly loops: readonly RepeatedWork[];

  constructor(
    private readonly deps: WebhookSenderDeps,
    endpoints: readonly WebhookEndpoint[],
  ) {
    this.replace(endpoints);
    this.loops = [
      repeat(() => this.distribute(), this.describeLoop(this.pauseMs)),
      repeat(() => this.count(), this.describeLoop(COUNT_MS)),
    ];
  }

  /** Puts other receivers in force. What waits for one that is gone stays for a while, for the case that it comes back. */
  replace(endpoints: readonly WebhookEndpoint[]): void {
    const former = new Map(this.receivers.map((receiver) => [receiver.key, receiver]));
    for (const receiver of this.receivers) {
      receiver.isReplaced = true;
      void receiver.loop?.stop();
    }
    this.receivers = endpoints.map((endpoint) => {
      const key = webhookEndpointKey(endpoint);
      const { outcomes = { sent: 0, failed: 0, dead: 0 }, counts = { waiting: 0, dead: 0 } } = former.get(key) ?? {};
      const receiver: Receiver = { endpoint, key, outcomes, counts, isFailing: false, isReplaced: false };
      receiver.loop = repeat(() => this.sendDue(receiver), this.describeLoop(this.pauseMs));
      return receiver;
    });
  }

  get endpoints(): readonly WebhookEndpoint[] {
    return this.receivers.map(({ endpoint }) => endpoint);
  }

  stats(): readonly WebhookStats[] {
    return this.receivers.map(({ endpoint, outcomes, counts }) => ({
      endpoint: describeWebhookEndpoint(endpoint),
      outcomes: { ...outcomes },
      ...counts,
    }));
  }

  /** The receivers by the keys of their rows, as answers name them. */
  get names(): ReadonlyMap<string, string> {
    return new Map(this.receivers.map(({ key, endpoint }) => [key, describeWebhookEndpoint(endpoint)]));
  }

  /** Resolves once no try is under way. What was being sent is sent again by another process, or at the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const loops = [...this.loops, ...this.receivers.flatMap(({ loop }) => loop ?? [])];
    await Promise.all(loops.map((loop) => loop.stop()));
  }

  private get pauseMs(): number {
    return this.deps.pauseMs ?? PAUSE_MS;
  }

  private async distribute(): Promise<void> {
    const targets = this.receivers.map(({ key, endpoint: { events } }) => ({ endpoint: key, events }));
    while (await this.deps.deliveries.distribute(targets));
    for (const { loop } of this.receivers) loop?.wake();
  }

  private async count(): Promise<void> {
    const counts = await this.deps.deliveries.count(this.receivers.map(({ key }) => key));
    for (const receiver of this.receivers) receiver.counts = counts.get(receiver.key) ?? { waiting: 0, dead: 0 };
  }

  private async sendDue(receiver: Receiver): Promise<void> {
    const { deliveries } = this.deps;
    const isStopped = (): boolean => this.stopping.signal.aborted || receiver.isReplaced;
    while (!isStopped()) {
      const due = await deliveries.claim(receiver.key, CLAIMED_AT_A_TIME, LEASE_MS);
      const resolve = this.createSharedResolver();
      await Promise.all(due.map((delivery) => this.send(receiver, delivery, resolve)));
      if (due.length < CLAIMED_AT_A_TIME) return;
    }
  }

  private async send(receiver: Receiver, delivery: Delivery, resolve: HostResolver): Promise<void> {
    const { deliveries, now, random = Math.random } = this.deps;
    const options = { now, resolve, stopping: this.stopping.signal };
    const failure = await attemptWebhook(receiver.endpoint, delivery, options);
    if (failure === undefined) {
      receiver.outcomes.sent += 1;
      this.tellState(receiver, undefined);
      return deliveries.settleSent(receiver.key, delivery.event.id);
    }
    if (failure === 'stopped') return deliveries.settleFailed(receiver.key, delivery, failure, 0);
    const pause = RETRY_SECONDS[delivery.attempts - 1];
    // RFC 9110 section 15.5.11: it is gone for good.
    const isDead = pause === undefined || failure === 'status_410';
    receiver.outcomes[isDead ? 'dead' : 'failed'] += 1;
    this.tellState(receiver, failure, isDead);
    const retryMs = isDead ? undefined : Math.round(pause * 1000 * (1 - JITTER + 2 * JITTER * random()));
    return deliveries.settleFailed(receiver.key, delivery, failure, retryMs);
  }

  /** Makes the lookup that the tries of one turn share: a name that is slow to resolve takes one thread of the system's. */
  private createSharedResolver(): HostResolver {
    const { resolve = resolveBySystem } = this.deps;
    const found = new Map<string, ReturnType<HostResolver>>();
    return (hostname) => {
      const answer = found.get(hostname) ?? this.lookups.run(() => resolve(hostname));
      found.set(hostname, answer);
      return answer;
    };
  }

  /** Logs that a receiver has begun to fail, and that it no longer does. */
  private tellState(receiver: Receiver, failure: AttemptFailure | undefined, isGivenUp = false): void {
    if (receiver.isFailing === (failure !== undefined)) return;
    receiver.isFailing = failure !== undefined;
    const name = describeWebhookEndpoint(receiver.endpoint);
    if (failure === undefined) this.deps.log(`Notifications reach ${name} again.`, { event: 'webhook_recovered' });
    else
      this.deps.log(
        `A notification could not be sent to ${name} (${failure}). It is ${isGivenUp ? 'given up' : 'tried again'}.`,
        { event: 'webhook_failing', failure },
      );
  }

  private describeLoop(pauseMs: number): Parameters<typeof repeat>[1] {
    return {
      pauseMs,
      onFailing: reportFailing(this.deps.log, 'Notifications can not be sent', 'webhooks_waiting'),
    };
  }
}
