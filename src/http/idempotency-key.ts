/** The `Idempotency-Key` of a request, and how its equal questions are told apart: each of them is a use of its own. */
import type { FastifyRequest } from 'fastify';
import { BadRequest } from '../model/faults.js';
import type { IdempotencyKey } from '../model/question.js';

/** The key of one request, which makes that of each of its questions. */
export class RequestIdempotencyKey {
  private readonly numbers = new Map<string, Map<object, number>>();

  constructor(private readonly text: string) {}

  /** The key of a further question of the request. */
  forQuestion(): IdempotencyKey {
    const question = {};
    return { text: this.text, countEqualBefore: (retryKey) => this.countBefore(question, retryKey) };
  }

  /** Equal questions are numbered as they first come, and keep their numbers. */
  private countBefore(question: object, retryKey: string): number {
    const equal = this.numbers.get(retryKey) ?? new Map<object, number>();
    this.numbers.set(retryKey, equal);
    const number = equal.get(question) ?? equal.size;
    equal.set(question, number);
    return number;
  }
}

/** @returns undefined where the request has none. @throws BadRequest where it can't be one */
export function readIdempotencyKey(request: Pick<FastifyRequest, 'headers'>): RequestIdempotencyKey | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return new RequestIdempotencyKey(header);
  throw new BadRequest('must be one key of 1 to 255 visible ASCII characters', 'Idempotency-Key');
}
