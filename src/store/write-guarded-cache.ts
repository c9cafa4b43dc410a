/**
 * A cache of what is read of the database, where no other process writes. What is read while a write is under way may be of
 * before it, so nothing of that is cached.
 */
import type { LRUCache } from 'lru-cache';
import type { Database } from './database/port.js';

export class WriteGuardedCache<Value extends object> {
  /** Raised before and after each write. */
  private generation = 0;

  constructor(
    private readonly database: Pick<Database, 'exclusive'>,
    private readonly cache: Pick<LRUCache<string, Value>, 'get' | 'set' | 'clear'>,
  ) {}

  /** The moment that something is read from, as {@link set} and {@link isUnwritten} take it. */
  get now(): number {
    return this.generation;
  }

  /** Whether nothing has been written since. */
  isUnwritten(since: number): boolean {
    return since === this.generation;
  }

  get(key: string): Value | undefined {
    return this.cache.get(key);
  }

  set(key: string, value: Value, since: number): void {
    if (this.database.exclusive && this.isUnwritten(since)) this.cache.set(key, value);
  }

  /** Does the work, which writes. */
  async whileWriting<Result>(work: () => Promise<Result>): Promise<Result> {
    this.invalidate();
    try {
      return await work();
    } finally {
      this.invalidate();
    }
  }

  private invalidate(): void {
    this.generation += 1;
    this.cache.clear();
  }
}
