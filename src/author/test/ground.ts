/**
 * The ground that tests stand on: the parts of a service that decides, with the real engines, and memory where a service
 * has a database. The clock of a scene is the clock of everything: what has an expiration is there or not by it, too.
 */
import type { Deciding } from '../../decide/decide.js';
import { EmbeddedRelationships } from '../../graph/embedded/embedded.js';
import { MAX_UPDATES } from '../../graph/port.js';
import { type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../../graph/relationship-text.js';
import { relationshipText } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Graph } from '../../graph/schema/schema.js';
import type { Rules } from '../../policy/load.js';
import type { WriteLog } from '../../store/journal.js';
import { NOBODY_WATCHES } from '../../telemetry/observer.js';
import { Credentials } from '../../tokens/credentials.js';
import { passingIssuer, type DevIssuer } from '../../issue/development-issuer.js';
import { Issuers } from '../../tokens/issuers.js';
import { TokenVerifier } from '../../tokens/verify.js';
import type { Scene } from './case.js';
import { MemoryEntities } from './entities.js';
import type { TokenSpec } from './format.js';
import { scopesIn } from './names.js';

/** A test waits for its answer: on a machine that is busy, too. */
const DEADLINE_MS = 60_000;
const TOKEN_SECONDS = 300;
/** SpiceDB ends what expires by the host's clock; what hasn't ended by the scene's is given an end far off. */
const FAR_OFF = '9999-12-31T23:59:59Z';

export class Ground {
  private readonly entities = new MemoryEntities();
  /** What SpiceDB holds, by the relationships' keys. */
  private held = new Map<string, Relationship>();
  private readonly tokens = new Map<string, Promise<string>>();
  private now = new Date(0);

  private constructor(
    private readonly graph: string,
    private readonly relationships: EmbeddedRelationships,
    private readonly issuer: DevIssuer,
  ) {}

  /** @throws ConfigError, Fault where SpiceDB won't start */
  static async start(graph: Graph): Promise<Ground> {
    const [relationships, issuer] = await Promise.all([
      EmbeddedRelationships.start(graph, new MemoryLog()),
      passingIssuer(),
    ]);
    return new Ground(graph.text, relationships, issuer);
  }

  /** Whether it is laid out for these rules: others may have changed in all but the SpiceDB schema. */
  fits({ graph }: Rules): boolean {
    return graph.text === this.graph;
  }

  close(): Promise<void> {
    return this.relationships.close();
  }

  deciding(rules: Rules): Deciding {
    const revocations = { find: () => Promise.resolve(undefined) };
    const { entities } = this;
    return {
      rules: () => rules,
      credentials: new Credentials(new TokenVerifier(new Issuers([this.issuer.config])), {
        revocations,
        entities,
        // No token of a test is bound to a key.
        proofs: { spend: () => Promise.resolve(false), isFresh: () => Promise.resolve(false) },
      }),
      relationships: this.relationships,
      entities,
      // The run keeps the decisions themselves, for as long as it lasts.
      decisions: { record: () => Promise.resolve(), correct: () => undefined },
      revocations,
      observer: NOBODY_WATCHES,
      now: () => this.now,
      deadlineMs: DEADLINE_MS,
    };
  }

  /** A token as its issuer would have given it at the scene's time. */
  token(spec: TokenSpec): Promise<string> {
    const key = JSON.stringify([spec, this.now]);
    let token = this.tokens.get(key);
    if (token === undefined) {
      const { scope, ...more } = spec;
      token = this.issuer.mint({
        ...more,
        scope: scope === undefined ? undefined : scopesIn(scope).join(' '),
        ttlSeconds: TOKEN_SECONDS,
        now: this.now,
      });
      this.tokens.set(key, token);
    }
    return token;
  }

  /**
   * Makes the scene's world the one there is. Only what differs from the last is written.
   * @throws BadRequest where SpiceDB refuses a relationship
   */
  async set({ world, changes, now }: Scene): Promise<void> {
    const wanted = new Map(world.relationships.map((r) => [relationshipKey(r), r]));
    for (const text of changes.without) wanted.delete(relationshipKey(parseRelationship(text)));
    for (const relationship of changes.with.map(parseRelationship))
      wanted.set(relationshipKey(relationship), relationship);
    for (const [key, relationship] of wanted) {
      if (relationship.expiresAt === undefined) continue;
      if (Date.parse(relationship.expiresAt) <= now.getTime()) wanted.delete(key);
      else wanted.set(key, { ...relationship, expiresAt: FAR_OFF });
    }
    const updates: RelationshipUpdate[] = [];
    for (const [key, relationship] of this.held)
      if (!wanted.has(key)) updates.push({ operation: 'delete', relationship });
    for (const [key, relationship] of wanted) {
      const held = this.held.get(key);
      if (held === undefined || relationshipText(held) !== relationshipText(relationship))
        updates.push({ operation: 'touch', relationship });
    }
    for (let from = 0; from < updates.length; from += MAX_UPDATES) {
      const group = updates.slice(from, from + MAX_UPDATES);
      await this.relationships.write(group, 'test');
      for (const { operation, relationship } of group) {
        if (operation === 'delete') this.held.delete(relationshipKey(relationship));
        else this.held.set(relationshipKey(relationship), relationship);
      }
    }
    this.entities.set(world.entities);
    this.entities.change(changes.entities);
    this.now = now;
  }
}

/** Nothing outlasts the run, so nothing is kept. */
class MemoryLog implements WriteLog {
  private sequence = 0;

  token(sequence: number): string {
    return String(sequence);
  }

  sequenceOf(token: string): number | undefined {
    return /^\d{1,15}$/.test(token) ? Number(token) : undefined;
  }

  append(): Promise<number> {
    this.sequence += 1;
    return Promise.resolve(this.sequence);
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  withdraw(): Promise<void> {
    return Promise.resolve();
  }

  replay(): ReturnType<WriteLog['replay']> {
    return Promise.resolve({ sequence: 0, lasting: [], unsettled: [] });
  }

  compact(): Promise<void> {
    return Promise.resolve();
  }
}
