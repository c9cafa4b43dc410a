/**
 * The environment that test cases are decided in: the real Cedar and an embedded SpiceDB, with memory in place of the
 * database. The clock of a scene is the clock of everything, so relationships and tokens expire by it, too.
 */
import type { DecisionDeps } from '../../decide/decide.js';
import { NO_APPROVER_RULES, type ApproverRules } from '../../govern/approvals/eligibility.js';
import { EmbeddedGraph } from '../../graph/embedded/embedded.js';
import { MAX_UPDATES_PER_WRITE } from '../../graph/port.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey, formatRelationship, parseRelationship } from '../../graph/relationship-text.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { Decision, DecisionRecord } from '../../model/decision.js';
import { GraphSnapshot } from '../../graph/snapshot.js';
import type { Rules } from '../../policy/load.js';
import type { WriteLog } from '../../store/journal.js';
import { NOOP_OBSERVER } from '../../telemetry/observer.js';
import { CredentialVerifier } from '../../tokens/credentials.js';
import { createEphemeralIssuer, type DevelopmentIssuer } from '../../issue/development-issuer.js';
import { Issuers } from '../../tokens/issuers.js';
import { TokenVerifier } from '../../tokens/verify.js';
import type { Scene } from './case.js';
import { MemoryEntities } from './memory-entities.js';
import type { ApprovalSpec, TokenSpec } from './format.js';
import { MemoryApprovals, type ApprovalOutcome } from './memory-approvals.js';
import { MemoryConsents } from './memory-consents.js';
import { MemoryDelegations } from './memory-delegations.js';
import { MemoryHistory } from './memory-history.js';
import { MemoryLimits } from './memory-limits.js';
import type { TokenReading } from '../../model/credential.js';
import { splitScopes } from './names.js';

/** The deadline of a decision: long, so that a busy machine fails no test. */
const DEADLINE_MS = 60_000;
const TEST_TOKEN_SECONDS = 300;
/** SpiceDB expires relationships by the host's clock, so one that is alive by the scene's clock is given this end. */
const FAR_FUTURE = '9999-12-31T23:59:59Z';

export class TestEnvironment {
  private readonly entities = new MemoryEntities();
  private readonly limits = new MemoryLimits();
  private readonly history = new MemoryHistory();
  private readonly consents = new MemoryConsents();
  private readonly delegations = new MemoryDelegations();
  private readonly approvals = new MemoryApprovals();
  /** The relationships that SpiceDB has, by their keys. */
  private storedRelationships = new Map<string, Relationship>();
  private readonly tokens = new Map<string, Promise<string>>();
  private readonly tokenVerifier: TokenVerifier;
  private now = new Date(0);
  private approverRules = NO_APPROVER_RULES;

  private constructor(
    private readonly graph: string,
    private readonly relationships: EmbeddedGraph,
    private readonly issuer: DevelopmentIssuer,
  ) {
    this.tokenVerifier = new TokenVerifier(new Issuers([issuer.config]));
  }

  /**
   * @throws ConfigError where SpiceDB refuses the schema
   * @throws Fault where SpiceDB doesn't start
   */
  static async start(graph: GraphSchema): Promise<TestEnvironment> {
    const [relationships, issuer] = await Promise.all([
      EmbeddedGraph.start(graph, new MemoryWriteLog()),
      createEphemeralIssuer(),
    ]);
    return new TestEnvironment(graph.text, relationships, issuer);
  }

  /** Whether the rules have this environment's SpiceDB schema; anything else of them may have changed. */
  fits({ graph }: Rules): boolean {
    return graph.text === this.graph;
  }

  close(): Promise<void> {
    return this.relationships.close();
  }

  /** Mints a token and reads it, as a request would carry it. */
  async requestToken(spec: TokenSpec): Promise<TokenReading> {
    return this.tokenVerifier.read(await this.mintToken(spec));
  }

  /** @param keepRecord is given each decision as a service would record it; the run itself keeps the decisions */
  decisionDeps(rules: Rules, keepRecord?: (record: DecisionRecord) => void): DecisionDeps {
    const revocations = { find: () => Promise.resolve(undefined) };
    const { entities } = this;
    const readApproverRules = (): ApproverRules => this.approverRules;
    return {
      rules: () => rules,
      credentials: new CredentialVerifier(this.tokenVerifier, {
        revocations,
        entities,
        // Tokens of tests are not bound to a key.
        proofs: { markUsed: () => Promise.resolve(false), isUnused: () => Promise.resolve(false) },
      }),
      relationships: this.relationships,
      entities,
      consents: this.consents,
      approvals: this.approvals,
      get approverRules() {
        return readApproverRules();
      },
      delegations: this.delegations,
      decisions: {
        record: (record) => {
          if ('rationale' in record) keepRecord?.(record);
          return Promise.resolve({ kind: 'stored', accepted: [] });
        },
        correct: () => undefined,
      },
      revocations,
      limits: this.limits,
      history: this.history,
      observer: NOOP_OBSERVER,
      now: () => this.now,
      deadlineMs: DEADLINE_MS,
      settleAfterMs: DEADLINE_MS,
    };
  }

  /** Has people answer a denied question. */
  approve(denied: Decision, answers: readonly ApprovalSpec[], rules: Rules): Promise<ApprovalOutcome> {
    const graph = new GraphSnapshot(this.relationships, 'full');
    const userType = rules.vocabulary.userObject ?? 'user';
    return this.approvals.answer(denied, answers, userType, { graph, rules, ...this.approverRules });
  }

  /** Mints a token at the time of the scene. */
  private mintToken(spec: TokenSpec): Promise<string> {
    const key = JSON.stringify([spec, this.now]);
    let token = this.tokens.get(key);
    if (token === undefined) {
      const { scope, ...claims } = spec;
      token = this.issuer.mint({
        ...claims,
        scope: scope === undefined ? undefined : splitScopes(scope).join(' '),
        ttlSeconds: TEST_TOKEN_SECONDS,
        now: this.now,
      });
      this.tokens.set(key, token);
    }
    return token;
  }

  /**
   * Puts the scene's relationships, entities and clock in place. Only relationships that differ from those of the last
   * scene are written.
   * @throws BadRequest where SpiceDB refuses a relationship
   */
  async applyScene({ world, changes, now, approverRules }: Scene): Promise<void> {
    const target = new Map(world.relationships.map((r) => [relationshipKey(r), r]));
    for (const text of changes.without) target.delete(relationshipKey(parseRelationship(text)));
    for (const relationship of changes.with.map(parseRelationship))
      target.set(relationshipKey(relationship), relationship);
    for (const [key, relationship] of target) {
      if (relationship.expiresAt === undefined) continue;
      if (Date.parse(relationship.expiresAt) <= now.getTime()) target.delete(key);
      else target.set(key, { ...relationship, expiresAt: FAR_FUTURE });
    }
    const updates: RelationshipUpdate[] = [];
    for (const [key, relationship] of this.storedRelationships)
      if (!target.has(key)) updates.push({ operation: 'delete', relationship });
    for (const [key, relationship] of target) {
      const current = this.storedRelationships.get(key);
      if (current === undefined || formatRelationship(current) !== formatRelationship(relationship))
        updates.push({ operation: 'touch', relationship });
    }
    for (let from = 0; from < updates.length; from += MAX_UPDATES_PER_WRITE) {
      const batch = updates.slice(from, from + MAX_UPDATES_PER_WRITE);
      await this.relationships.write(batch, 'test');
      for (const { operation, relationship } of batch) {
        if (operation === 'delete') this.storedRelationships.delete(relationshipKey(relationship));
        else this.storedRelationships.set(relationshipKey(relationship), relationship);
      }
    }
    this.entities.set(world.entities);
    this.entities.change(changes.entities);
    this.limits.set(changes.used, changes.consents, now);
    this.history.set(changes.history);
    this.delegations.set(changes.delegations);
    this.consents.set(changes.consents, now);
    this.now = now;
    this.approverRules = approverRules;
  }
}

/** A write log that keeps nothing, since no write has to outlast the run. */
class MemoryWriteLog implements WriteLog {
  private sequence = 0;

  encodeToken(sequence: number): string {
    return String(sequence);
  }

  decodeToken(token: string): number | undefined {
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
    return Promise.resolve({ sequence: 0, settledUpdates: [], unsettled: [] });
  }

  compact(): Promise<void> {
    return Promise.resolve();
  }
}
