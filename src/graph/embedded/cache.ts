/**
 * What an embedded SpiceDB has answered, kept exactly as long as it is true: until the next write, and until the next
 * expiration of any relationship. All writes pass through this process, so it knows of both.
 */
import { CountedCache, type Caches } from '../../telemetry/counted-cache.js';
import { type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import { checkKey } from '../relationship-text.js';
import { relationshipKey } from '../relationship-text.js';
import type { Graph } from '../schema/schema.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { AskedCheck } from '../../model/checks.js';

const KEPT_ANSWERS = 50_000;
/** Only short ones are kept. */
const KEPT_READS = 1_000;
const SHORT = 100;
/** Ids of lookups, in all. */
const KEPT_IDS = 200_000;
/** Around an expiration nothing is kept: SpiceDB reads the clock itself, a little earlier or later than we do. */
export const EXPIRY_MARGIN_MS = 100;

/** What any lookup has found. */
interface Found {
  readonly ids: readonly string[];
}

/** By which an answer is kept; undefined where it can differ from one request to the next. */
export function keyOf(check: AskedCheck, graph: Graph): string | undefined {
  if (graph.reach.reachesCaveat(check.resource.type, check.permission)) return undefined;
  return check.explain === true ? `${checkKey(check)} explained` : checkKey(check);
}

export class Kept {
  private readonly answers = new CountedCache<string, CheckAnswer>({ max: KEPT_ANSWERS });
  private readonly reads = new CountedCache<string, readonly Relationship[]>({ max: KEPT_READS });
  private readonly lookups = new CountedCache<string, Found>({
    maxSize: KEPT_IDS,
    sizeCalculation: ({ ids }) => ids.length + 1,
  });
  readonly caches: Caches = {
    relationship_checks: this.answers,
    relationship_reads: this.reads,
    relationship_lookups: this.lookups,
  };
  /** When each relationship that has an expiration ends, in milliseconds since the epoch. */
  private readonly expirations = new Map<string, number>();
  /** The next of them: until then, and until the next write, nothing changes. */
  private nextExpiration: number | undefined;
  private current = 0;

  constructor(private readonly graph: Graph) {}

  /** Raised before a write is sent and after it is done: what was asked in another generation is not kept. */
  get generation(): number {
    this.expire();
    return this.current;
  }

  keyOf(check: AskedCheck): string | undefined {
    return keyOf(check, this.graph);
  }

  answer(key: string): CheckAnswer | undefined {
    this.expire();
    return this.answers.get(key);
  }

  keepAnswer(key: string, answer: CheckAnswer, generation: number): void {
    // What SpiceDB won't answer of this graph it won't answer until the graph is another.
    const lasting = answer.result === 'yes' || answer.result === 'no' || answer.result === 'unanswerable';
    if (lasting && generation === this.current) this.answers.set(key, answer);
  }

  read(key: string): readonly Relationship[] | undefined {
    this.expire();
    return this.reads.get(key);
  }

  keepRead(key: string, found: readonly Relationship[], generation: number): void {
    if (found.length <= SHORT && generation === this.current) this.reads.set(key, found);
  }

  lookup(key: string): Found | undefined {
    this.expire();
    return this.lookups.get(key);
  }

  keepLookup(key: string, found: Found, generation: number): void {
    if (generation === this.current) this.lookups.set(key, found);
  }

  /** To be called around every write. */
  forget(): void {
    this.current += 1;
    this.answers.clear();
    this.reads.clear();
    this.lookups.clear();
  }

  /** Keeps track of when relationships end by themselves. */
  note(updates: readonly RelationshipUpdate[]): void {
    for (const { operation, relationship } of updates) {
      const key = relationshipKey(relationship);
      if (operation === 'delete' || relationship.expiresAt === undefined) this.expirations.delete(key);
      else this.expirations.set(key, Date.parse(relationship.expiresAt));
    }
    this.nextExpiration = undefined;
  }

  /** When a yes may end by itself: at its own expiration, or, where it has a longer path, at the next of any. */
  until(check: AskedCheck): string | undefined {
    if (!this.graph.reach.isVolatile(check.resource.type, check.permission)) return undefined;
    this.expire();
    const own = this.expirations.get(
      relationshipKey({ resource: check.resource, relation: check.permission, subject: check.subject }),
    );
    const at = own ?? this.nextExpiration ?? Infinity;
    return at === Infinity ? undefined : new Date(at).toISOString();
  }

  /** Drops what is kept where a relationship has ended, or is about to, since it was kept. */
  private expire(): void {
    // eslint-disable-next-line no-restricted-syntax -- SpiceDB reads the host's clock, whatever clock decisions are given
    const now = Date.now();
    if (this.nextExpiration !== undefined && now < this.nextExpiration - EXPIRY_MARGIN_MS) return;
    this.forget();
    let next = Infinity;
    for (const [key, at] of this.expirations) {
      if (at + EXPIRY_MARGIN_MS < now) this.expirations.delete(key);
      else if (at < next) next = at;
    }
    this.nextExpiration = next;
  }
}
