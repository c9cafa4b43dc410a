/**
 * Keeps allows, and nothing else, for equal questions. It is off unless it is asked for: what is kept doesn't know of a
 * delegation that ended meanwhile. An allow is kept no longer than the service permits (`valid_until`) and the caller wants.
 */
import { createHash } from 'node:crypto';
import { RemitSetupError } from './errors.js';
import { createEvaluation, type Evaluation } from './evaluation.js';
import type { WireQuestion } from './question.js';
import { isRecord } from './strict-json.js';

export interface CacheOptions {
  /** The longest that a withdrawal may go unnoticed. */
  readonly maxAgeMs: number;
  /** The most allows that are kept; 1,000 by default. */
  readonly maxEntries?: number;
}

interface Entry {
  /** A copy, which no caller has: one that changes its own would lift the obligations of the next. */
  readonly parts: Omit<Evaluation, 'mask'>;
  /** Counted by the clock of `performance.now()`. */
  readonly ends: number;
}

export class AllowCache {
  private readonly entries = new Map<string, Entry>();
  private readonly maxAgeMs: number;
  private readonly maxEntries: number;

  /** @throws RemitSetupError */
  constructor({ maxAgeMs, maxEntries = 1_000 }: CacheOptions) {
    if (!(maxAgeMs > 0) || !Number.isInteger(maxEntries) || maxEntries < 1)
      throw new RemitSetupError('options', {
        detail: 'a cache needs a maxAgeMs, and its maxEntries is a whole number',
      });
    this.maxAgeMs = maxAgeMs;
    this.maxEntries = maxEntries;
  }

  /** @param credential whose question it is: several may ask through one client */
  getKey(question: WireQuestion, credential: string): string {
    // As it is sent: a Date is a text there, and what is undefined is absent.
    const sent: unknown = JSON.parse(JSON.stringify(question));
    return createHash('sha256')
      .update(JSON.stringify([credential, sortMembers(sent)]))
      .digest('base64');
  }

  find(key: string): Evaluation | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.ends > performance.now()) return createEvaluation(structuredClone(entry.parts));
    this.entries.delete(key);
    return undefined;
  }

  /** @param asked when the question was asked, by the clock of `performance.now()` */
  keep(key: string, evaluation: Evaluation, asked: number): void {
    const { evaluated_at: from } = evaluation.context;
    // The service's own two instants, so that clocks that differ lengthen nothing.
    const permittedMs = Date.parse(evaluation.validUntil ?? '') - Date.parse(typeof from === 'string' ? from : '');
    const ends = asked + Math.min(permittedMs, this.maxAgeMs);
    if (!evaluation.allowed || !(ends > performance.now())) return;
    this.entries.delete(key);
    const [oldest] = this.entries.keys();
    if (this.entries.size >= this.maxEntries && oldest !== undefined) this.entries.delete(oldest);
    const { mask: _mask, ...parts } = evaluation;
    this.entries.set(key, {
      parts: structuredClone({ ...parts, question: evaluation.question, isCached: true }),
      ends,
    });
  }
}

/**
 * The same JSON with the members of its objects in one order, so that equal questions have equal texts. An object becomes the list of
 * its members in an object of its own, so that no list is taken for it.
 */
function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (!isRecord(value)) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { members: members.map(([name, inner]) => [name, sortMembers(inner)]) };
}
