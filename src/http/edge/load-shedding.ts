/**
 * Load shedding: Remit works on a limited number of requests, with a limited number of bytes, at one time, of which each
 * caller has a share. The rest is refused at once, while it has cost nothing. Room is taken once the caller is known and
 * before its body is read. A request holds a place while Remit works and not while its body arrives, so slow senders keep
 * no other request out; it holds its bytes until the answer is taken, so slow readers are held to their share, too.
 */
import { Readable } from 'node:stream';
import v8 from 'node:v8';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { FAULTS, Fault } from '../../model/faults.js';
import { FairLimit, type CallerGroups } from '../../runtime/fair-limit.js';
import type { AdmissionStats } from '../../telemetry/service-metrics.js';
import { createProblem } from './errors.js';
import type { RateLimiter } from './rate-limit.js';
import { limitReadingTime } from './reading-time.js';
import { countItems } from './request-cost.js';
import { getAnnouncedLength } from './unread-body.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Never shed: operators need the route most when the service is in trouble. */
    essential?: boolean;
  }
  interface FastifyRequest {
    /** The part of the limits that it holds; undefined on a route that is essential or has no caller. */
    held: HeldCapacity | undefined;
  }
}

interface HeldCapacity {
  readonly groups: CallerGroups;
  /** The bytes of a short body. */
  shortBytes: number;
  /** Those of a long body, and of a long answer. */
  longBytes: number;
  /** Whether Remit works on it, for which it holds a place. */
  isWorkedOn: boolean;
  /** Whether the answer is sent, or the connection gone. */
  isClosed: boolean;
}

export interface AdmissionLimits {
  /** Requests that are worked on at one time. */
  readonly inFlight: number;
  /** The longest body that there can be. */
  readonly bodyBytes: number;
}

/** `Retry-After`, in seconds: faults and peaks that pass take about as long. */
const OVERLOAD_RETRY_SECONDS = '1';
/** The same where a caller has as much as it may: people have to answer something first, or to end something. */
const FULL_RETRY_SECONDS = '60';
/** The least that a body counts: its buffers are there, however short it is. */
const LEAST_BODY_BYTES = 1024;
/** The longest body that counts as short. A body in chunks, whose length is only known in the end, begins as one. */
const SHORT_BYTES = 64 * 1024;
/** The memory that is set aside for the answer to an item of a batch. */
const ITEM_ANSWER_BYTES = 1024;
/** The heap over the room for bodies and answers: a parsed body takes up to dozens of times its length. */
const HEAP_TO_BODIES = 64;
/** The longest body always has room, with an answer as long, beside another. */
const LONGEST_BODIES = 3;
/** The share of the heap limit beyond which no request is taken. */
const HEAP_SHARE = 0.9;
const HEAP_READ_EVERY_MS = 100;
/** A longer answer may stay here while its reader is slow; shorter ones are in the system's hands at once. */
const LONG_ANSWER_BYTES = 64 * 1024;

export class Admission {
  private readonly places: FairLimit;
  /** Short bodies have a room of their own, so that a caller's long ones, which may take a while, don't keep them out. */
  private readonly shortBytes: FairLimit;
  private readonly longBytes: FairLimit;
  private readonly shed = { inFlight: 0, bodies: 0, memory: 0 };
  private readonly heapLimit = v8.getHeapStatistics().heap_size_limit;
  private heapUsed = 0;
  private heapReadAt = -Infinity;

  constructor(limits: AdmissionLimits) {
    this.places = new FairLimit(limits.inFlight);
    const room = Math.max(LONGEST_BODIES * limits.bodyBytes, this.heapLimit / HEAP_TO_BODIES);
    this.shortBytes = new FairLimit(room);
    this.longBytes = new FairLimit(room);
  }

  stats(): AdmissionStats {
    return {
      inFlight: this.places.active,
      bodyBytes: this.shortBytes.active + this.longBytes.active,
      shed: { ...this.shed },
    };
  }

  /** Takes room for the request's body. Authentication runs this hook once the caller is known. */
  readonly admit: onRequestHookHandler = (request, reply, done) => {
    if (request.routeOptions.config.essential === true) {
      done();
      return;
    }
    const { callerGroups: groups = [] } = request;
    const bytes = this.getInitialBytes(request);
    const isShort = bytes <= SHORT_BYTES;
    const room = isShort ? this.shortBytes : this.longBytes;
    const exceeded = this.findExceededLimit(groups, room, bytes);
    if (exceeded !== undefined) {
      this.shed[exceeded] += 1;
      refuseOverload(reply);
      return;
    }
    room.take(groups, bytes);
    const [shortBytes, longBytes] = isShort ? [bytes, 0] : [0, bytes];
    const capacity: HeldCapacity = { groups, shortBytes, longBytes, isWorkedOn: false, isClosed: false };
    request.held = capacity;
    const close = (): void => {
      if (capacity.isClosed) return;
      capacity.isClosed = true;
      this.releaseBytes(capacity);
    };
    // An injected request only finishes; a connection that breaks only closes.
    reply.raw.once('finish', close).once('close', close);
    done();
  };

  /** Takes a place once the body has arrived. @returns false where the request is shed */
  begin(capacity: HeldCapacity): boolean {
    capacity.isWorkedOn = this.places.tryTake(capacity.groups, 1);
    if (!capacity.isWorkedOn) this.shed.inFlight += 1;
    return capacity.isWorkedOn;
  }

  /** Sets aside more bytes for a request. @returns false where it has no room */
  grow(capacity: HeldCapacity, bytes: number): boolean {
    // Otherwise nothing would release them.
    if (capacity.isClosed) return false;
    if (!this.longBytes.tryTake(capacity.groups, bytes)) {
      this.shed.bodies += 1;
      return false;
    }
    capacity.longBytes += bytes;
    return true;
  }

  /** Sets as many bytes aside for a stream as it holds at the moment. @returns false where it has no room for more */
  resize(capacity: HeldCapacity, bytes: number): boolean {
    const more = bytes - capacity.longBytes;
    if (more > 0) return this.grow(capacity, more);
    if (capacity.isClosed) return false;
    this.longBytes.release(capacity.groups, -more);
    capacity.longBytes = bytes;
    return true;
  }

  /**
   * Makes what takes the room of a request's body as its pieces arrive. Of a body in chunks the length is only known in the
   * end, so room and rate are taken as it grows; any other body has its room.
   * @throws Fault `overloaded`, RateLimitExceeded; the function made, not this one
   */
  createRoom(request: FastifyRequest, rateLimiter: Pick<RateLimiter, 'countBody'>): (bytes: number) => void {
    const { held } = request;
    if (held === undefined || getAnnouncedLength(request.raw) !== Infinity) return () => undefined;
    let total = 0;
    let room = SHORT_BYTES;
    return (bytes) => {
      total += bytes;
      for (; total > room; room += SHORT_BYTES) {
        rateLimiter.countBody(request, { bytes: total });
        if (!this.grow(held, SHORT_BYTES)) throw new Fault('overloaded', 'a body in chunks');
      }
    };
  }

  /** Releases the place, since the work is done; the bytes stay until the answer of this length is taken. */
  end(capacity: HeldCapacity, answerBytes: number): void {
    const { groups, isWorkedOn } = capacity;
    if (isWorkedOn) this.places.release(groups, 1);
    capacity.isWorkedOn = false;
    if (capacity.isClosed) {
      if (isWorkedOn) this.releaseBytes(capacity);
    } else if (answerBytes > LONG_ANSWER_BYTES && answerBytes > capacity.longBytes) {
      this.longBytes.take(groups, answerBytes - capacity.longBytes);
      capacity.longBytes = answerBytes;
    }
  }

  /** Once only: a stream may be worked on again after its sender hung up. */
  private releaseBytes(capacity: HeldCapacity): void {
    // A request whose sender hung up is counted until the work is done.
    if (capacity.isWorkedOn) return;
    this.shortBytes.release(capacity.groups, capacity.shortBytes);
    this.longBytes.release(capacity.groups, capacity.longBytes);
    capacity.shortBytes = capacity.longBytes = 0;
  }

  /** The bytes of a body as it is announced. A body that is too long is refused for its length. */
  private getInitialBytes({ raw, routeOptions }: FastifyRequest): number {
    const length = getAnnouncedLength(raw);
    if (length === Infinity) return SHORT_BYTES;
    return length === 0 || length > routeOptions.bodyLimit ? 0 : Math.max(length, LEAST_BODY_BYTES);
  }

  private findExceededLimit(
    groups: CallerGroups,
    room: FairLimit,
    bytes: number,
  ): keyof AdmissionStats['shed'] | undefined {
    if (!this.places.hasRoom(groups, 1)) return 'inFlight';
    if (!room.hasRoom(groups, bytes)) return 'bodies';
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

/** Adds the hooks that hold every request of a known caller to the limits, and `Retry-After` to every 503 and 429. */
export function installLoadShedding(app: FastifyInstance, admission: Admission): void {
  app.decorateRequest('held', undefined);
  // Every request runs these hooks; a callback is faster than a promise.
  app.addHook('preValidation', (request, reply, done) => {
    if (request.held === undefined || admission.begin(request.held)) done();
    else refuseOverload(reply);
  });
  app.addHook('preHandler', (request, _reply, done) => {
    const { held } = request;
    const items = held === undefined ? 0 : countItems(request.body);
    if (held === undefined || items <= 1 || admission.grow(held, items * ITEM_ANSWER_BYTES)) done();
    else done(new Fault('overloaded'));
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const length = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0;
    if (request.held !== undefined) admission.end(request.held, length);
    if (reply.statusCode === 503) void reply.header('retry-after', OVERLOAD_RETRY_SECONDS);
    if (reply.statusCode === 429 && !reply.hasHeader('retry-after'))
      void reply.header('retry-after', FULL_RETRY_SECONDS);
    // A file that is sent as it is read is long, too. Callers who are known may have streams that last.
    const isFile = request.caller === undefined && payload instanceof Readable;
    if (length > LONG_ANSWER_BYTES || isFile) limitReadingTime(reply);
    done(null, payload);
  });
}

function refuseOverload(reply: FastifyReply): void {
  void reply.code(503).send(createProblem('overloaded', FAULTS.overloaded));
}
