/**
 * What decisions are made by at the moment: the rules, and the engine that answers by their SpiceDB schema. Both are
 * replaced as one, between two requests: who has begun goes on with what was in force then.
 */
import type { GraphEngine } from '../graph/port.js';
import type { Finding } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { SearchDeps } from '../lists/candidates.js';

/** Rules that were to be taken and aren't. */
export interface PolicyRefusal {
  /** RFC 3339. */
  readonly at: string;
  /** What is wrong, and where. */
  readonly reason: string;
  /** undefined where they could not be read. */
  readonly version: string | undefined;
  readonly findings: readonly Finding[];
}

/** What a request is answered with, beside the rules and their engine. */
type SharedDeps = Omit<SearchDeps, 'rules' | 'relationships'>;

/** An engine, and how many requests are at it. */
interface EngineLease {
  readonly engine: GraphEngine;
  openRequests: number;
  /** Another has followed it. */
  isRetired: boolean;
}

export class ActivePolicies {
  private snapshot: {
    readonly rules: Rules;
    readonly lease: EngineLease;
    readonly deps: SearchDeps;
    readonly since: Date;
  };
  private readonly closing = new Set<Promise<void>>();
  private lastRefusal: PolicyRefusal | undefined;
  private readonly counters = { taken: 0, refused: 0 };

  constructor(
    rules: Rules,
    engine: GraphEngine,
    private readonly shared: SharedDeps,
  ) {
    this.snapshot = this.createSnapshot(rules, { engine, openRequests: 0, isRetired: false });
  }

  get rules(): Rules {
    return this.snapshot.rules;
  }

  get engine(): GraphEngine {
    return this.snapshot.lease.engine;
  }

  /** Since when these rules are in force. */
  get since(): Date {
    return this.snapshot.since;
  }

  /** Of the rules as they are written now; undefined while those are in force. */
  get refusal(): PolicyRefusal | undefined {
    return this.lastRefusal;
  }

  /** How often others were taken since the start, and how often they weren't. */
  get counts(): { readonly taken: number; readonly refused: number } {
    return this.counters;
  }

  /** All of one request: what is in force when it begins holds until its end, and its engine stays open. */
  async withSnapshot<T>(work: (deps: SearchDeps) => Promise<T>): Promise<T> {
    const { lease, deps } = this.snapshot;
    lease.openRequests += 1;
    try {
      return await work(deps);
    } finally {
      lease.openRequests -= 1;
      this.closeUnused(lease);
    }
  }

  /**
   * @param onSwap what else changes with them: called in the same moment, and must not throw
   * @throws ConfigError where SpiceDB, or what is stored, doesn't fit their schema; Fault. Then all is as it was
   */
  async replace(rules: Rules, onSwap: () => void): Promise<void> {
    const { lease } = this.snapshot;
    const install = (next: EngineLease): void => {
      this.snapshot = this.createSnapshot(rules, next);
      this.lastRefusal = undefined;
      this.counters.taken += 1;
      onSwap();
    };
    if (rules.graph.text === this.rules.graph.text) {
      install(lease);
      return;
    }
    await lease.engine.startSuccessor(rules.graph, (engine) => {
      install({ engine, openRequests: 0, isRetired: false });
    });
    lease.isRetired = true;
    this.closeUnused(lease);
  }

  refuse(refusal: PolicyRefusal): void {
    this.lastRefusal = refusal;
    this.counters.refused += 1;
  }

  /** What is written is in force again. */
  confirm(): void {
    this.lastRefusal = undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.closing);
    await this.engine.close();
  }

  private createSnapshot(rules: Rules, lease: EngineLease): ActivePolicies['snapshot'] {
    const deps = { ...this.shared, rules: () => rules, relationships: lease.engine };
    return { rules, lease, deps, since: this.shared.now() };
  }

  private closeUnused({ engine, openRequests: users, isRetired: retired }: EngineLease): void {
    if (!retired || users > 0) return;
    const closed = engine
      .close()
      .catch(() => undefined)
      .finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }
}
