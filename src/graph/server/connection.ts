/**
 * The connection to a SpiceDB server; the server's engine and `remit migrate` call through it. Every call has a deadline,
 * only so many are under way at once, and what can safely be tried again is (retry-policy.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { Fault } from '../../model/faults.js';
import { observeCall, type EngineCallListener, type EngineObservation } from '../../telemetry/engine-calls.js';
import type { Log } from '../../telemetry/log.js';
import { CircuitBreaker } from '../../runtime/circuit-breaker.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { FULLY_CONSISTENT, type SpiceDBClient } from '../spicedb-api.js';
import { isOutage, toOutageCode, readGrpcStatus } from '../errors.js';
import { jitterPause, READ_RETRIES, WRITE_RETRIES } from './retry-policy.js';
import {
  awaitUnary,
  collectStream,
  consumeStream,
  createAuthzedClient,
  toGrpcDeadline,
  type AuthzedClient,
  type GrpcCallOptions,
  type ServerAddress,
} from './grpc-client.js';

/** Calls under way at once, and calls that may wait for one of them to end; more are refused as `overloaded`. */
const MAX_ACTIVE_CALLS = 128;
const MAX_WAITING_CALLS = 2_000;
/** The time limit of the breaker's probe. */
const PROBE_TIMEOUT_MS = 1_000;
/** The time limit of calls that no decision waits for. */
const SLOW_CALL_TIMEOUT_MS = 10_000;

export class Connection implements SpiceDBClient {
  private client: AuthzedClient;
  private breaker: CircuitBreaker | undefined;
  private readonly calls = new ConcurrencyLimit(MAX_ACTIVE_CALLS, {
    name: 'calls to SpiceDB',
    maxWaiting: MAX_WAITING_CALLS,
  });
  private closed = false;
  private readonly callWatch: EngineObservation;

  /** Connects at the first call. @param deadlineMs the time limit of calls that decisions wait for */
  constructor(
    private readonly address: ServerAddress,
    private readonly deadlineMs: number,
    watch?: EngineCallListener,
  ) {
    this.callWatch = { engine: 'spicedb', watch, faultOf: toOutageCode };
    this.client = createAuthzedClient(address);
  }

  stats(): EngineStats {
    const { active, waiting } = this.calls;
    return { active, waiting, circuit: this.breaker?.stats() };
  }

  /**
   * Has calls for decisions refused at once while SpiceDB is down. Before this, and for changes of the schema, calls wait
   * for it instead.
   * @param resourceType any definition of the schema, for the probe
   * @param log takes a line for the operator
   */
  enableBreaker(resourceType: string, log: Log): void {
    const request = v1.ReadRelationshipsRequest.create({
      consistency: FULLY_CONSISTENT,
      relationshipFilter: { resourceType },
      optionalLimit: 1,
    });
    const place = this.address.endpoint;
    this.breaker = new CircuitBreaker({
      fault: 'relationships_unavailable',
      isOutage,
      probe: async () => {
        try {
          await collectStream(this.client.readRelationships(request, { deadline: toGrpcDeadline(PROBE_TIMEOUT_MS) }));
        } catch (error) {
          if (!isOutage(error)) return;
          this.reconnect();
          throw error;
        }
      },
      onChange: (error) => {
        const isAway = error !== undefined;
        const message = isAway ? `can't answer: ${readGrpcStatus(error).text.trim()}` : 'answers again';
        log(`SpiceDB at ${place}: ${message}`, {
          event: isAway ? 'engine_away' : 'engine_back',
          engine: 'spicedb',
          place,
        });
      },
    });
  }

  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse> {
    return this.callWithRetries('checkBulkPermissions', this.deadlineMs, (options) =>
      awaitUnary((callback) => this.client.checkBulkPermissions(request, options, callback)),
    );
  }

  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]> {
    return this.callWithRetries('readRelationships', this.deadlineMs, (options) =>
      collectStream(this.client.readRelationships(request, options)),
    );
  }

  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]> {
    return this.callWithRetries('lookupResources', withinMs, (options) =>
      collectStream(this.client.lookupResources(request, options)),
    );
  }

  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]> {
    return this.callWithRetries('lookupSubjects', withinMs, (options) =>
      collectStream(this.client.lookupSubjects(request, options)),
    );
  }

  /** Watches until a message is the last. @throws what `isLast` throws, and where there is none in time */
  watch(request: v1.WatchRequest, withinMs: number, isLast: (response: v1.WatchResponse) => boolean): Promise<void> {
    const call = (options: GrpcCallOptions): Promise<void> =>
      consumeStream(this.client.watch(request, options), isLast);
    return this.callOnce('watch', withinMs, call, false);
  }

  readSchema(withinMs: number): Promise<v1.ReadSchemaResponse> {
    const request = v1.ReadSchemaRequest.create();
    return this.callWithRetries('readSchema', withinMs, (options) =>
      awaitUnary((callback) => this.client.readSchema(request, options, callback)),
    );
  }

  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse> {
    return this.callWithRetries(
      'diffSchema',
      SLOW_CALL_TIMEOUT_MS,
      (options) => awaitUnary((callback) => this.client.diffSchema(request, options, callback)),
      { guarded: false, retries: READ_RETRIES },
    );
  }

  writeRelationships(request: v1.WriteRelationshipsRequest): Promise<v1.WriteRelationshipsResponse> {
    return this.callWithRetries(
      'writeRelationships',
      SLOW_CALL_TIMEOUT_MS,
      (options) => awaitUnary((callback) => this.client.writeRelationships(request, options, callback)),
      { guarded: true, retries: WRITE_RETRIES },
    );
  }

  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse> {
    return this.callWithRetries(
      'writeSchema',
      SLOW_CALL_TIMEOUT_MS,
      (options) => awaitUnary((callback) => this.client.writeSchema(request, options, callback)),
      { guarded: false, retries: WRITE_RETRIES },
    );
  }

  close(): void {
    this.closed = true;
    this.breaker?.stop();
    this.client.close();
  }

  /**
   * Replaces the connection: where the other end vanished, gRPC would take long to notice, and a new connection finds at
   * once the server that answers there now.
   */
  private reconnect(): void {
    if (this.closed) return;
    this.client.close();
    this.client = createAuthzedClient(this.address);
  }

  /** All attempts share one time limit. */
  private async callWithRetries<R>(
    name: string,
    ms: number,
    call: (options: GrpcCallOptions) => Promise<R>,
    { guarded, retries } = GUARDED_READ,
  ): Promise<R> {
    const start = performance.now();
    const until = start + ms;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.callOnce(name, until - performance.now(), call, guarded);
      } catch (error) {
        const pause = jitterPause(retries.pauseMs(attempt));
        const now = performance.now();
        if (this.closed || now + pause >= until || !retries.canRetry(error, attempt, now - start)) throw error;
        await sleep(pause);
      }
    }
  }

  private callOnce<R>(
    name: string,
    ms: number,
    call: (options: GrpcCallOptions) => Promise<R>,
    guarded: boolean,
  ): Promise<R> {
    const work = (): Promise<R> => observeCall(this.callWatch, name, () => this.callInTurn(ms, call));
    return guarded && this.breaker !== undefined ? this.breaker.run(work) : work();
  }

  /** @throws Fault where too many calls wait already, or the time runs out while waiting */
  private async callInTurn<R>(ms: number, call: (options: GrpcCallOptions) => Promise<R>): Promise<R> {
    const until = performance.now() + ms;
    if (this.closed) throw new Fault('relationships_unavailable', 'the connection to SpiceDB is closed');
    return this.calls.run(() => call({ deadline: toGrpcDeadline(Math.max(1, until - performance.now())) }), {
      waitMs: ms,
    });
  }
}

const GUARDED_READ = { guarded: true, retries: READ_RETRIES };
