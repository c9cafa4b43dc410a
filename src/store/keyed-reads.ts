/**
 * Reads rows of a table by keys, for decisions: what is asked in one turn of the event loop is asked once, and what is read
 * is cached only where no other process writes.
 */
import { LRUCache } from 'lru-cache';
import type { Database, DatabaseRow } from './database/port.js';
import { encodeTextArray } from './entities.js';
import type { ReadBatch } from './read-batch.js';
import { WriteGuardedCache } from './write-guarded-cache.js';

export interface KeyedQuery<Need, Value> {
  readonly keyOf: (need: Need) => string;
  /** A select, given an array for each column of the needs. Its rows have the `position` of their need, from 1. */
  readonly sql: string;
  readonly columnsOf: (need: Need) => readonly string[];
  /** @param rows those of one need; none where nothing is stored */
  readonly toValue: (rows: readonly DatabaseRow[]) => Value;
}

const MAX_CACHE_BYTES = 8 * 1024 * 1024;
/** A value with its entry in the cache, beside its texts. */
const CACHED_VALUE_BYTES = 300;

export class KeyedReads<Need, Value> {
  private readonly cache: WriteGuardedCache<{ readonly value: Value }>;
  private batch:
    | { readonly needs: Map<string, Need>; readonly result: Promise<ReadonlyMap<string, readonly DatabaseRow[]>> }
    | undefined;

  /** @param reads sends what a turn reads */
  constructor(
    database: Database,
    private readonly reads: ReadBatch,
    private readonly query: KeyedQuery<Need, Value>,
  ) {
    this.cache = new WriteGuardedCache(
      database,
      new LRUCache({
        maxSize: MAX_CACHE_BYTES,
        sizeCalculation: ({ value }, key) =>
          CACHED_VALUE_BYTES + 2 * (key.length + JSON.stringify(value ?? null).length),
      }),
    );
  }

  /** The values of all needs by their keys. @throws Fault */
  async fetch(needs: readonly Need[]): Promise<ReadonlyMap<string, Value>> {
    const since = this.cache.now;
    const values = new Map<string, Value>();
    const unread = new Map<string, Need>();
    for (const need of needs) {
      const key = this.query.keyOf(need);
      const cached = this.cache.get(key);
      if (cached === undefined) unread.set(key, need);
      else values.set(key, cached.value);
    }
    if (unread.size === 0) return values;
    const rows = await this.enqueue(unread);
    for (const key of unread.keys()) {
      const value = this.query.toValue(rows.get(key) ?? []);
      values.set(key, value);
      this.cache.set(key, { value }, since);
    }
    return values;
  }

  /** Does the work, which writes to the table. */
  whileWriting<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.cache.whileWriting(work);
  }

  private enqueue(unread: ReadonlyMap<string, Need>): Promise<ReadonlyMap<string, readonly DatabaseRow[]>> {
    if (this.batch === undefined) {
      const needs = new Map<string, Need>();
      this.batch = { needs, result: this.read(needs) };
    }
    for (const [key, need] of unread) this.batch.needs.set(key, need);
    this.reads.linkCaller();
    return this.batch.result;
  }

  private async read(needs: ReadonlyMap<string, Need>): Promise<ReadonlyMap<string, readonly DatabaseRow[]>> {
    let keys: readonly string[] = [];
    const rows = await this.reads.read(() => {
      this.batch = undefined;
      keys = [...needs.keys()];
      const lines = [...needs.values()].map(this.query.columnsOf);
      const columns = (lines[0] ?? []).map((_, i) => encodeTextArray(lines.map((line) => line[i] ?? '')));
      return { sql: this.query.sql, params: columns };
    });
    const byKey = new Map<string, DatabaseRow[]>();
    for (const row of rows) {
      const key = keys[Number(row['position']) - 1];
      if (key === undefined) continue;
      const ofKey = byKey.get(key) ?? [];
      ofKey.push(row);
      byKey.set(key, ofKey);
    }
    return byKey;
  }
}
