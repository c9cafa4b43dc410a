/**
 * Load shedding: only so much is worked on at one time, and what comes beyond is refused at once, while it has cost
 * nothing. A place is held while Remit works and not while a caller is still sending, so that whoever sends slowly
 * keeps nobody out.
 */
import v8 from 'node:v8';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FAULTS } from '../../model/faults.js';
import { createProblem } from './errors.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import type { AdmissionStats } from '../../telemetry/service-metrics.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Never shed: what an operator asks in trouble most of all. */
    essential?: boolean;
  }
  interface FastifyRequest {
    /** What it holds of the limits; undefined on an essential route. */
    held: HeldCapacity | undefined;
  }
}

interface HeldCapacity {
  slot: boolean;
  bytes: number;
}

export interface AdmissionLimits {
  /** Requests that are worked on at one time. */
  readonly inFlight: number;
  /** The longest body that there can be. */
  readonly bodyBytes: number;
}

/** When to come back, in seconds: faults and peaks that Remit gets over take about as long. */
const OVERLOAD_RETRY_SECONDS = '1';
/** Bodies up to this length are bounded by their number. */
const SMALL_BYTES = 64 * 1024;
/** A body that has been read takes up to dozens of times its length. */
const HEAP_TO_BODIES = 64;
/** Of the heap that V8 may use, what may be used before nothing more is taken in. */
const HEAP_SHARE = 0.9;
const HEAP_READ_EVERY_MS = 100;

export class Admission {
  private readonly inFlight: ConcurrencyLimit;
  private largeBodyBytes = 0;
  private readonly shed = { inFlight: 0, largeBodies: 0, memory: 0 };
  private readonly heapLimit = v8.getHeapStatistics().heap_size_limit;
  private heapUsed = 0;
  private heapReadAt = -Infinity;

  constructor(private readonly limits: AdmissionLimits) {
    this.inFlight = new ConcurrencyLimit(limits.inFlight);
  }

  stats(): AdmissionStats {
    return { inFlight: this.inFlight.active, largeBodyBytes: this.largeBodyBytes, shed: { ...this.shed } };
  }

  /** Before anything else is done for a request. @returns whether it may go on */
  begin(request: FastifyRequest, reply: FastifyReply): boolean {
    const exceeded = this.findExceededLimit(request);
    if (exceeded !== undefined) {
      this.shed[exceeded] += 1;
      return false;
    }
    const capacity: HeldCapacity = { slot: true, bytes: largeBodyBytes(request, this.limits.bodyBytes) };
    request.held = capacity;
    this.inFlight.tryAcquire();
    this.largeBodyBytes += capacity.bytes;
    // Whoever hangs up while still sending gets no answer, after which it would be let go.
    if (capacity.bytes > 0)
      reply.raw.once('close', () => {
        if (!capacity.slot) this.end(capacity);
      });
    return true;
  }

  /** While its body is awaited. */
  pause(capacity: HeldCapacity, hungUp: boolean): void {
    this.releaseSlot(capacity);
    if (hungUp) this.end(capacity);
  }

  /** Its body is there. @returns whether it may go on */
  resume(capacity: HeldCapacity): boolean {
    capacity.slot = this.inFlight.tryAcquire();
    if (!capacity.slot) this.shed.inFlight += 1;
    return capacity.slot;
  }

  /** Its answer is there. */
  end(capacity: HeldCapacity): void {
    this.releaseSlot(capacity);
    this.largeBodyBytes -= capacity.bytes;
    capacity.bytes = 0;
  }

  private releaseSlot(capacity: HeldCapacity): void {
    if (capacity.slot) this.inFlight.release();
    capacity.slot = false;
  }

  private findExceededLimit(request: FastifyRequest): keyof AdmissionStats['shed'] | undefined {
    if (this.inFlight.isFull) return 'inFlight';
    const bytes = largeBodyBytes(request, this.limits.bodyBytes);
    // One at a time fits always.
    const bodyRoom = Math.max(this.limits.bodyBytes, this.heapLimit / HEAP_TO_BODIES);
    if (bytes > 0 && this.largeBodyBytes + bytes > bodyRoom) return 'largeBodies';
    return this.readHeapUsed() > this.heapLimit * HEAP_SHARE ? 'memory' : undefined;
  }

  private readHeapUsed(): number {
    const now = performance.now();
    if (now - this.heapReadAt >= HEAP_READ_EVERY_MS) {
      this.heapUsed = v8.getHeapStatistics().used_heap_size;
      this.heapReadAt = now;
    }
    return this.heapUsed;
  }
}

/** The length of a body that is large, as announced; where that isn't said, the longest. */
function largeBodyBytes({ headers }: FastifyRequest, longest: number): number {
  const announced = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : longest;
  // What is longer than that is refused for its length.
  return announced > SMALL_BYTES && announced <= longest ? announced : 0;
}

/** Holds every route to the limits but the essential ones; and tells whoever gets a 503 when to come back. */
export function installLoadShedding(app: FastifyInstance, admission: Admission): void {
  const refuse = (reply: FastifyReply): void => {
    void reply.code(503).send(createProblem('overloaded', FAULTS.overloaded));
  };

  app.decorateRequest('held', undefined);
  // Every request comes by these, so they call back, which is faster than a promise each.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.essential === true || admission.begin(request, reply)) done();
    else refuse(reply);
  });
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (request.held !== undefined) admission.pause(request.held, reply.raw.destroyed);
    done(null, payload);
  });
  app.addHook('preValidation', (request, reply, done) => {
    if (request.held === undefined || admission.resume(request.held)) done();
    else refuse(reply);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.held !== undefined) admission.end(request.held);
    if (reply.statusCode === 503) void reply.header('retry-after', OVERLOAD_RETRY_SECONDS);
    done(null, payload);
  });
}
