/** The entity store: attributes and parents of users, agents and resources, with a cache where no other process writes. */
import type { Database } from './database/port.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import type { Entities, EntityMap, EntityNeed, EntityWithAncestors, StoredEntity } from '../model/entities.js';
import { ReadBatch } from './read-batch.js';
import { followReferences } from './references.js';
import { WriteGuardedCache } from './write-guarded-cache.js';

/** The most memory that cached entities, or misses, may take: some 50,000 of a usual size. */
const MAX_ENTITY_CACHE_BYTES = 32 * 1024 * 1024;
/** An entity with its entry in the cache, beside its texts. */
const CACHED_ENTITY_BYTES = 300;

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

/**
 * Reads entities with those that references lead to from them, and the ancestors of all. The steps of each entity are a
 * tree of finite depth, so the recursion ends, whatever refers to whatever.
 */
const FETCH_SQL = `
  with recursive
    reached as (
      select a.type, a.id, a.steps::jsonb as steps
      from unnest($1::text[], $2::text[], $3::text[]) as a (type, id, steps)
      union
      select s.step->>'type', r.id, s.step->'steps'
      from reached f
        cross join lateral (select attributes from entities where type = f.type and id = f.id offset 0) e
        cross join lateral jsonb_array_elements(f.steps) as s (step)
        cross join lateral (select e.attributes #> array(select jsonb_array_elements_text(s.step->'path')) as value) v
        cross join lateral (select case jsonb_typeof(v.value)
          when 'string' then v.value #>> '{}' when 'object' then v.value->>'id' end as id) r
      where r.id is not null),
    asked as materialized (select distinct type, id from reached),
    found as materialized (
      select a.type, a.id, e.attributes, e.parents from asked a left join lateral
        (select attributes, parents from entities where type = a.type and id = a.id offset 0) e on true),
    up as (
      select f.type as of_type, f.id as of_id, p->>'type' as type, p->>'id' as id
      from found f, jsonb_array_elements(f.parents) p
      union
      select u.of_type, u.of_id, p->>'type', p->>'id' from up u cross join lateral
        (select parents from entities where type = u.type and id = u.id offset 0) e, jsonb_array_elements(e.parents) p),
    gathered as (
      select of_type, of_id, jsonb_agg(jsonb_build_object('type', type, 'id', id)) as ancestors
      from up group by of_type, of_id)
  select f.type, f.id, f.attributes, f.parents, coalesce(g.ancestors, '[]'::jsonb) as ancestors
  from found f left join gathered g on g.of_type = f.type and g.of_id = f.id`;

export interface EntityPage {
  readonly entities: readonly StoredEntity[];
  /** The id after which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** A page ends with the entity that reaches this size, in bytes of its text. */
const MAX_ENTITY_PAGE_BYTES = 512 * 1024;
/** The longest that a PostgreSQL server works on a page. */
const PAGE_TIMEOUT_MS = 2_000;

export class EntityStore implements Entities {
  private readonly cached = new CountedCache<string, CachedEntity>({
    maxSize: MAX_ENTITY_CACHE_BYTES,
    sizeCalculation: ({ entity }, key) =>
      CACHED_ENTITY_BYTES + 2 * (key.length + (entity === undefined ? 0 : JSON.stringify(entity).length)),
  });
  private readonly guarded: WriteGuardedCache<CachedEntity>;
  private batch:
    | {
        readonly needs: Map<string, EntityNeed>;
        readonly result: Promise<EntityMap>;
      }
    | undefined;

  /** @param reads sends what a turn reads */
  constructor(
    private readonly database: Database,
    private readonly reads = new ReadBatch(database),
  ) {
    this.guarded = new WriteGuardedCache(database, this.cached);
  }

  get cache(): CacheCounts {
    return this.cached;
  }

  /** The memory that the cached entities take. */
  get cachedBytes(): number {
    return this.cached.calculatedSize;
  }

  async lookup(refs: readonly EntityRef[]): Promise<readonly (EntityWithAncestors | undefined)[]> {
    const entities = await this.fetch(refs);
    return refs.map((ref) => entities.get(formatRef(ref)));
  }

  /** Asks the database once at most: for all that the cache doesn't have, and for what references lead to from there. */
  async fetch(needs: readonly EntityNeed[]): Promise<EntityMap> {
    const since = this.guarded.now;
    const cached = followReferences(needs, (key) => this.guarded.get(key));
    if (cached.unknown.length === 0) return cached.entities;
    const read = await this.enqueueLookup(cached.unknown);
    // After a write what was cached may be of another moment than what was read: then all of it is read.
    const isOneMoment = cached.entities.size === 0 || this.guarded.isUnwritten(since);
    const snapshot = isOneMoment ? read : await this.enqueueLookup(needs);
    const followed = followReferences(needs, (key) => {
      if (snapshot.has(key)) return { entity: snapshot.get(key) };
      return isOneMoment && cached.entities.has(key) ? { entity: cached.entities.get(key) } : undefined;
    });
    if (followed.unknown.length > 0) throw new TypeError(`not read: ${followed.unknown.map(formatRef).join(', ')}`);
    for (const [key, entity] of followed.entities) this.guarded.set(key, { entity }, since);
    return followed.entities;
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

  /**
   * Reads a page of the entities of a type, in the order of their ids, as far as its bytes are bounded.
   * @param after the id of the last one of the page before
   * @throws Fault
   */
  async pageOfType(type: string, after: string | undefined, limit: number): Promise<EntityPage> {
    const [, rows = []] = await this.database.run([
      { sql: `set local statement_timeout = ${PAGE_TIMEOUT_MS}` },
      {
        // An entity beyond the page isn't read: that there is one says that a page follows.
        sql: `with page as (
                select id, attributes, parents, row_number() over (order by id) as place,
                  sum(octet_length(attributes::text) + octet_length(parents::text)) over (order by id)
                    - octet_length(attributes::text) - octet_length(parents::text) as size_before
                from (select * from entities where type = $1 and ($2::text is null or id > $2) order by id limit $3) e)
              select id, case when place < $3 and size_before < $4 then attributes end as attributes,
                case when place < $3 and size_before < $4 then parents end as parents from page order by id`,
        params: [type, after ?? null, limit + 1, MAX_ENTITY_PAGE_BYTES],
      },
    ]);
    const entities = rows
      .filter((row) => row['attributes'] !== null)
      .map((row) => ({
        type,
        id: String(row['id']),
        attributes: row['attributes'] as Record<string, unknown>,
        parents: row['parents'] as EntityRef[],
      }));
    return { entities, next: rows.length > entities.length ? entities.at(-1)?.id : undefined };
  }

  /** Reads stored entities in a fixed order. @param after the last one of the page before. @throws Fault */
  async page(after: EntityRef | undefined, limit: number): Promise<readonly StoredEntity[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select type, id, attributes, parents from entities
              where $1::text is null or (type, id) > ($1, $2) order by type, id limit $3`,
        params: [after?.type ?? null, after?.id ?? null, limit],
      },
    ]);
    return rows as unknown as readonly StoredEntity[];
  }

  async count(): Promise<number> {
    const [rows] = await this.database.run([{ sql: 'select count(*)::int as n from entities' }]);
    return Number(rows?.[0]?.['n']);
  }

  /** Does what writes to the table from elsewhere. */
  whileWriting<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.guarded.whileWriting(work);
  }

  private async write(statements: Parameters<Database['run']>[0]): Promise<readonly unknown[]> {
    const [rows = []] = await this.guarded.whileWriting(() => this.database.run(statements));
    return rows;
  }

  /** Gathers the look-ups of one turn of the event loop. */
  private enqueueLookup(needs: readonly EntityNeed[]): Promise<EntityMap> {
    if (this.batch === undefined) {
      const batched = new Map<string, EntityNeed>();
      const result = this.query(batched);
      this.batch = { needs: batched, result };
    }
    for (const need of needs) {
      const key = formatRef(need);
      this.batch.needs.set(key, uniteNeeds(this.batch.needs.get(key), need));
    }
    this.reads.linkCaller();
    return this.batch.result;
  }

  private async query(needs: ReadonlyMap<string, EntityNeed>): Promise<EntityMap> {
    const asked: { list: readonly EntityNeed[]; followed: boolean } = { list: [], followed: false };
    const rows = await this.reads.read(() => {
      this.batch = undefined;
      const list = [...needs.values()];
      const followed = list.some(({ steps = [] }) => steps.length > 0);
      Object.assign(asked, { list, followed });
      const refs = [encodeTextArray(list.map(({ type }) => type)), encodeTextArray(list.map(({ id }) => id))];
      return followed
        ? { sql: FETCH_SQL, params: [...refs, encodeTextArray(list.map(({ steps = [] }) => JSON.stringify(steps)))] }
        : { sql: LOOKUP_SQL, params: refs };
    });
    const { list, followed } = asked;
    const entities = new Map<string, EntityWithAncestors | undefined>([...needs.keys()].map((key) => [key, undefined]));
    for (const row of rows) {
      const ref = followed ? { type: String(row['type']), id: String(row['id']) } : list[Number(row['position']) - 1];
      if (ref === undefined) continue;
      entities.set(formatRef(ref), row['attributes'] === null ? undefined : toEntity(ref, row));
    }
    return entities;
  }
}

/** One need for both: the references of each are followed. */
function uniteNeeds(former: EntityNeed | undefined, { type, id, steps = [] }: EntityNeed): EntityNeed {
  const knownSteps = former?.steps ?? [];
  return { type, id, steps: [...knownSteps, ...steps.filter((step) => !knownSteps.includes(step))] };
}

function toEntity({ type, id }: EntityRef, row: Readonly<Record<string, unknown>>): EntityWithAncestors {
  return {
    type,
    id,
    attributes: row['attributes'] as Record<string, unknown>,
    parents: row['parents'] as EntityRef[],
    ancestors: row['ancestors'] as EntityRef[],
  };
}

/** Encodes texts as PostgreSQL's text form of an array. */
export function encodeTextArray(texts: readonly string[]): string {
  return `{${texts.map((t) => `"${t.replace(/(["\\])/g, '\\$1')}"`).join(',')}}`;
}
