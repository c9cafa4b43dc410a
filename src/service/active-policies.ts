/**
 * The policies in force, with the graph engine that answers by their SpiceDB schema. Both are replaced together, between
 * two requests: a request that has begun finishes with those that it began with. The routes decide within a snapshot, and
 * `reload/` replaces it.
 */
import type { GraphEngine } from '../graph/port.js';
import type { Finding } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { SearchDeps } from '../lists/candidates.js';

/** Policy files that were refused when they changed. */
export interface PolicyRefusal {
  /** RFC 3339. */
  readonly at: string;
  /** The first error with its place. */
  readonly reason: string;
  /** undefined where the files could not be read. */
  readonly version: string | undefined;
  readonly findings: readonly Finding[];
}

/** The dependencies of a decision that no reload replaces. */
type SharedDeps = Omit<SearchDeps, 'rules' | 'relationships'>;

/** An engine with the number of requests that use it. It is closed once it is retired and unused. */
interface EngineLease {
  readonly engine: GraphEngine;
  openRequests: number;
  /** A successor has taken its place. */
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

  /** When the policies came into force. */
  get since(): Date {
    return this.snapshot.since;
  }

  /** The refusal of the files as they are now; undefined while they are in force. */
  get refusal(): PolicyRefusal | undefined {
    return this.lastRefusal;
  }

  /** The numbers of times that changed files were taken, and refused, since the start. */
  get counts(): { readonly taken: number; readonly refused: number } {
    return this.counters;
  }

  /**
   * Runs all of one request with the policies in force at its beginning; their engine stays open until its end. This is the
   * only source of a decision's dependencies in a service.
   */
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
   * Replaces the policies, and the engine where their SpiceDB schema differs.
   * @param onSwap called at the moment of replacement, for what changes together with them; must not throw
   * @throws ConfigError where SpiceDB or stored relationships don't fit the schema, Fault. Then nothing has changed
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

  /** Forgets the refusal: the files are those in force again. */
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
