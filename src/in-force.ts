/**
 * What decisions are made by at the moment: the rules, and the engine that answers by their SpiceDB schema. Both are
 * replaced as one, between two requests: who has begun goes on with what was in force then.
 */
import type { Engine } from './engines/spicedb/port.js';
import type { Finding } from './rules/findings.js';
import type { Rules } from './rules/load.js';
import type { Searching } from './search/candidates.js';

/** Rules that were to be taken and aren't. */
export interface Refusal {
  /** RFC 3339. */
  readonly at: string;
  /** What is wrong, and where. */
  readonly reason: string;
  /** undefined where they could not be read. */
  readonly version: string | undefined;
  readonly findings: readonly Finding[];
}

/** What a request is answered with, beside the rules and their engine. */
type Common = Omit<Searching, 'rules' | 'relationships'>;

/** How long requests that began before are waited for, in deadlines of a decision: lists take several. */
const PATIENCE = 10;
const MAX_PATIENCE_MS = 60_000;

export class InForce {
  private current: {
    readonly rules: Rules;
    readonly engine: Engine;
    readonly deciding: Searching;
    readonly since: Date;
  };
  /** Of before, for those that still ask it. */
  private retired: { readonly engine: Engine; readonly timer: NodeJS.Timeout } | undefined;
  private lastRefusal: Refusal | undefined;
  private counted = { taken: 0, refused: 0 };

  constructor(
    rules: Rules,
    engine: Engine,
    private readonly common: Common,
  ) {
    this.current = this.made(rules, engine);
  }

  get rules(): Rules {
    return this.current.rules;
  }

  get engine(): Engine {
    return this.current.engine;
  }

  /** To be taken once a request, so that all of it is answered by one set of rules and one engine. */
  get deciding(): Searching {
    return this.current.deciding;
  }

  /** Since when these rules are in force. */
  get since(): Date {
    return this.current.since;
  }

  /** Of the rules as they are written now; undefined while those are in force. */
  get refusal(): Refusal | undefined {
    return this.lastRefusal;
  }

  /** How often others were taken since the start, and how often they weren't. */
  get counts(): { readonly taken: number; readonly refused: number } {
    return this.counted;
  }

  /**
   * @param along what else changes with them: called in the same moment, and must not throw
   * @throws ConfigError where SpiceDB, or what is stored, doesn't fit their schema; Fault. Then all is as it was
   */
  async replace(rules: Rules, along: () => void): Promise<void> {
    const take = (engine: Engine): void => {
      this.current = this.made(rules, engine);
      this.lastRefusal = undefined;
      this.counted.taken += 1;
      along();
    };
    const { engine } = this.current;
    if (rules.graph.text === this.rules.graph.text) {
      take(engine);
      return;
    }
    await engine.succeed(rules.graph, take);
    await this.retire(engine);
  }

  refuse(refusal: Refusal): void {
    this.lastRefusal = refusal;
    this.counted.refused += 1;
  }

  /** What is written is in force again. */
  confirm(): void {
    this.lastRefusal = undefined;
  }

  async close(): Promise<void> {
    await this.endRetired();
    await this.current.engine.close();
  }

  private made(rules: Rules, engine: Engine): InForce['current'] {
    const deciding = { ...this.common, rules: () => rules, relationships: engine };
    return { rules, engine, deciding, since: this.common.now() };
  }

  /** Each has a graph of its own, so there are never more than two. */
  private async retire(engine: Engine): Promise<void> {
    await this.endRetired();
    const ms = Math.min(PATIENCE * this.common.deadlineMs, MAX_PATIENCE_MS);
    const timer = setTimeout(() => void this.endRetired(), ms);
    timer.unref();
    this.retired = { engine, timer };
  }

  private async endRetired(): Promise<void> {
    const { retired } = this;
    this.retired = undefined;
    clearTimeout(retired?.timer);
    await retired?.engine.close();
  }
}
