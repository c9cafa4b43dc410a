/**
 * Limits the bytes of decision records, at the rate at which bodies may bring bytes: a short batch whose items share a long
 * default has long records. What a record is going to take is charged before its question gets a turn, by the bytes of the
 * question, and settled once the record is made. So a caller is charged with no less than its records hold, at any moment.
 */
import type { FastifyRequest } from 'fastify';
import { measureQuestion } from '../question-size.js';
import { listCallerBuckets } from './caller-buckets.js';
import { RateLimitExceeded } from './errors.js';
import { BODY_BYTES_A_REQUEST } from './request-cost.js';
import { TokenBuckets, type TokenBucketResult } from './token-bucket.js';

/** A record up to this length is part of what its question counts as. */
export const ORDINARY_RECORD_BYTES = 8 * 1024;
/** The bytes that an ordinary record has beyond what its question says. */
const ORDINARY_ANSWER_BYTES = 4 * 1024;

/** The bytes that a question's record is going to have beyond an ordinary one. @param question with the defaults of its batch */
export function estimateExcessBytes({ caller }: FastifyRequest, question: unknown): number {
  // What an agent's own token says is on record with each of its questions, as what a token in a context says.
  const tokenBytes = caller?.kind === 'agent' ? caller.presented.reading.text.length : 0;
  return countExcessBytes(ORDINARY_ANSWER_BYTES + tokenBytes + measureQuestion(question));
}

/** The bytes of a record beyond an ordinary one. */
export function countExcessBytes(recordBytes: number): number {
  return Math.max(0, recordBytes - ORDINARY_RECORD_BYTES);
}

export class RecordRate {
  private readonly buckets = new TokenBuckets();

  /** @param agentRate of a caller that is no client, in requests a second */
  constructor(private readonly agentRate: number) {}

  /** Says whether the records of the caller, and of its groups, weigh no more than the rate allows. */
  read(request: FastifyRequest): TokenBucketResult {
    return this.buckets.takeMoreOfEach(listCallerBuckets(request, this.agentRate), 0, 0);
  }

  /** Charges the bytes of a record that is to be made. @throws RateLimitExceeded where those before have weighed too much */
  reserve(request: FastifyRequest, bytes: number): void {
    const { allowed, retryAfter } = this.read(request);
    if (!allowed) throw new RateLimitExceeded(retryAfter);
    this.charge(request, bytes);
  }

  /** Charges what the records have weighed beyond what was reserved for them, or gives back what they haven't. */
  settle(request: FastifyRequest, reserved: number, recorded: number): void {
    this.charge(request, recorded - reserved);
  }

  private charge(request: FastifyRequest, bytes: number): void {
    if (bytes === 0) return;
    const cost = bytes / BODY_BYTES_A_REQUEST;
    for (const { key, rate } of listCallerBuckets(request, this.agentRate)) {
      if (cost > 0) this.buckets.takeDebt(key, rate, cost);
      else this.buckets.refund(key, -cost);
    }
  }
}
