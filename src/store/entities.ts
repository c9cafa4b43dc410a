/** The entity store: attributes and parents of users, agents and resources, with a cache where no other process writes. */
import type { Database } from './database/port.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';
import type { Entities, EntityWithAncestors, StoredEntity } from '../model/entities.js';

/** What cached entities may take in memory: some 50,000 of a usual size, or misses. */
const MAX_CACHED_BYTES = 32 * 1024 * 1024;
/** An entity with its entry in the cache, beside its texts. */
const ENTRY_BYTES = 300;

interface CachedEntity {
  /** undefined where none is stored. */
  readonly entity: EntityWithAncestors | undefined;
}

/**
 * Reads entities with all their ancestors. `union` drops rows that are already there, so a cycle of parents ends.
 * `offset 0` keeps the planner from joining the whole table: it takes the list of ids to be far longer than it is.
 */
const LOOKUP_SQL = `
  with recursive
    asked as (select a.type, a.id, a.position from
      unnest($1::text[], $2::text[]) with ordinality as a (type, id, position)),
    found as materialized (
      select a.position, e.attributes, e.parents from asked a cross join lateral
        (select attributes, parents from entities where type = a.type and id = a.id offset 0) e),
    up as (
      select f.position, p->>'type' as type, p->>'id' as id from found f, jsonb_array_elements(f.parents) p
      union
      select u.position, p->>'type', p->>'id' from up u cross join lateral
        (select parents from entities where type = u.type and id = u.id offset 0) e, jsonb_array_elements(e.parents) p),
    gathered as (
      select position, jsonb_agg(jsonb_build_object('type', type, 'id', id)) as ancestors from up group by position)
  select f.position, f.attributes, f.parents, coalesce(g.ancestors, '[]'::jsonb) as ancestors
  from found f left join gathered g on g.position = f.position`;

export class EntityStore implements Entities {
  private readonly entityCache = new CountedCache<string, CachedEntity>({
    maxSize: MAX_CACHED_BYTES,
    sizeCalculation: ({ entity }, key) =>
      ENTRY_BYTES + 2 * (key.length + (entity === undefined ? 0 : JSON.stringify(entity).length)),
  });
  /** Raised before and after each write, so that nothing that was read across a write is cached. */
  private generation = 0;
  private batch:
    | {
        readonly refs: Map<string, EntityRef>;
        readonly spans: Set<ActiveSpan | undefined>;
        readonly result: Promise<Map<string, EntityWithAncestors>>;
      }
    | undefined;

  constructor(private readonly database: Database) {}

  get cache(): CacheCounts {
    return this.entityCache;
  }

  /** What the cached entities take in memory. */
  get cachedBytes(): number {
    return this.entityCache.calculatedSize;
  }

  async lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]> {
    return Promise.all(refs.map((ref) => this.lookupOne(ref)));
  }

  async put(entities: readonly StoredEntity[]): Promise<void> {
    await this.write([
      {
        sql: `insert into entities (type, id, attributes, parents)
              select e->>'type', e->>'id', e->'attributes', e->'parents' from jsonb_array_elements($1::jsonb) e
              on conflict (type, id) do update set
                attributes = excluded.attributes, parents = excluded.parents, updated_at = now()`,
        params: [
          JSON.stringify(entities.map(({ type, id, attributes, parents }) => ({ type, id, attributes, parents }))),
        ],
      },
    ]);
  }

  async remove(ref: EntityRef): Promise<boolean> {
    const rows = await this.write([
      { sql: 'delete from entities where type = $1 and id = $2 returning id', params: [ref.type, ref.id] },
    ]);
    return rows.length > 0;
  }

  /** Lists the ids of all stored entities of a type. @throws Fault */
  async ids(type: string): Promise<readonly string[]> {
    const [rows = []] = await this.database.run([{ sql: 'select id from entities where type = $1', params: [type] }]);
    return rows.map((row) => String(row['id']));
  }

  async count(): Promise<number> {
    const [rows] = await this.database.run([{ sql: 'select count(*)::int as n from entities' }]);
    return Number(rows?.[0]?.['n']);
  }

  private async write(statements: Parameters<Database['run']>[0]): Promise<readonly unknown[]> {
    this.invalidateCache();
    try {
      return (await this.database.run(statements))[0] ?? [];
    } finally {
      this.invalidateCache();
    }
  }

  private invalidateCache(): void {
    this.generation += 1;
    this.entityCache.clear();
  }

  private async lookupOne(ref: EntityRef): Promise<EntityWithAncestors | undefined> {
    const key = formatRef(ref);
    const cached = this.database.exclusive ? this.entityCache.get(key) : undefined;
    if (cached !== undefined) return cached.entity;
    const { generation } = this;
    const entity = (await this.enqueueLookup(key, ref)).get(key);
    if (this.database.exclusive && generation === this.generation) this.entityCache.set(key, { entity });
    return entity;
  }

  /** Sends the lookups of one turn of the event loop to the database together. */
  private enqueueLookup(key: string, ref: EntityRef): Promise<Map<string, EntityWithAncestors>> {
    if (this.batch === undefined) {
      const refs = new Map<string, EntityRef>();
      const spans = new Set<ActiveSpan | undefined>();
      const result = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        this.batch = undefined;
        return withLinks(spans, () => this.query([...refs]));
      });
      this.batch = { refs, spans, result };
    }
    this.batch.refs.set(key, ref);
    this.batch.spans.add(currentSpan());
    return this.batch.result;
  }

  private async query(refs: readonly (readonly [string, EntityRef])[]): Promise<Map<string, EntityWithAncestors>> {
    const [rows = []] = await this.database.run([
      {
        sql: LOOKUP_SQL,
        params: [encodeTextArray(refs.map(([, r]) => r.type)), encodeTextArray(refs.map(([, r]) => r.id))],
      },
    ]);
    const entities = new Map<string, EntityWithAncestors>();
    for (const row of rows) {
      const keyedRef = refs[Number(row['position']) - 1];
      if (keyedRef === undefined) continue;
      const [key, { type, id }] = keyedRef;
      entities.set(key, {
        type,
        id,
        attributes: row['attributes'] as Record<string, unknown>,
        parents: row['parents'] as EntityRef[],
        ancestors: row['ancestors'] as EntityRef[],
      });
    }
    return entities;
  }
}

/** Encodes texts as PostgreSQL's text form of an array. */
function encodeTextArray(texts: readonly string[]): string {
  return `{${texts.map((t) => `"${t.replace(/(["\\])/g, '\\$1')}"`).join(',')}}`;
}
