/**
 * Load shedding: Remit works on a limited number of requests at one time and refuses the rest at once, while they have
 * cost nothing. A request holds a slot while Remit works and not while its body arrives, so slow senders keep no other
 * caller out.
 */
import v8 from 'node:v8';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FAULTS } from '../../model/faults.js';
import { createProblem } from './errors.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import type { AdmissionStats } from '../../telemetry/service-metrics.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Never shed: operators need the route most when the service is in trouble. */
    essential?: boolean;
  }
  interface FastifyRequest {
    /** The capacity that it holds; undefined on an essential route. */
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

/** `Retry-After`, in seconds: faults and peaks that pass take about as long. */
const OVERLOAD_RETRY_SECONDS = '1';
/** Bodies up to this length are limited by the number of requests alone. */
const SMALL_BYTES = 64 * 1024;
/** The heap over the room for large bodies: a parsed body takes up to dozens of times its length. */
const HEAP_TO_BODIES = 64;
/** The share of the heap limit beyond which no request is taken. */
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

  /** Takes a slot for a request, before anything else is done for it. @returns false where it is shed */
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
    // A caller that hangs up while it sends gets no answer, after which its capacity would be released.
    if (capacity.bytes > 0)
      reply.raw.once('close', () => {
        if (!capacity.slot) this.end(capacity);
      });
    return true;
  }

  /** Releases the slot while the body arrives. */
  pause(capacity: HeldCapacity, hungUp: boolean): void {
    this.releaseSlot(capacity);
    if (hungUp) this.end(capacity);
  }

  /** Takes a slot again once the body has arrived. @returns false where the request is shed */
  resume(capacity: HeldCapacity): boolean {
    capacity.slot = this.inFlight.tryAcquire();
    if (!capacity.slot) this.shed.inFlight += 1;
    return capacity.slot;
  }

  /** Releases everything once the answer is sent. */
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
    // One large body always fits.
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

/** The announced length of a large body, or the longest where none is announced; 0 for a small one. */
function largeBodyBytes({ headers }: FastifyRequest, longest: number): number {
  const announced = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : longest;
  // A longer body is refused for its length.
  return announced > SMALL_BYTES && announced <= longest ? announced : 0;
}

/** Holds every route but the essential ones to the limits, and adds `Retry-After` to every 503. */
export function installLoadShedding(app: FastifyInstance, admission: Admission): void {
  const refuse = (reply: FastifyReply): void => {
    void reply.code(503).send(createProblem('overloaded', FAULTS.overloaded));
  };

  app.decorateRequest('held', undefined);
  // Every request runs these hooks; a callback is faster than a promise.
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
