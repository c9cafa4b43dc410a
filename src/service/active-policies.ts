/**
 * What decisions are made by at the moment: the rules, and the engine that answers by their SpiceDB schema. Both are
 * replaced as one, between two requests: who has begun goes on with what was in force then.
 */
import type { Engine } from '../graph/port.js';
import type { Finding } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { Searching } from '../lists/candidates.js';

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

/** An engine, and how many requests are at it. */
interface Held {
  readonly engine: Engine;
  users: number;
  /** Another has followed it. */
  retired: boolean;
}

export class InForce {
  private current: {
    readonly rules: Rules;
    readonly held: Held;
    readonly deciding: Searching;
    readonly since: Date;
  };
  private readonly closing = new Set<Promise<void>>();
  private lastRefusal: Refusal | undefined;
  private readonly counted = { taken: 0, refused: 0 };

  constructor(
    rules: Rules,
    engine: Engine,
    private readonly common: Common,
  ) {
    this.current = this.made(rules, { engine, users: 0, retired: false });
  }

  get rules(): Rules {
    return this.current.rules;
  }

  get engine(): Engine {
    return this.current.held.engine;
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

  /** All of one request: what is in force when it begins holds until its end, and its engine stays open. */
  async using<T>(work: (deciding: Searching) => Promise<T>): Promise<T> {
    const { held, deciding } = this.current;
    held.users += 1;
    try {
      return await work(deciding);
    } finally {
      held.users -= 1;
      this.endUnused(held);
    }
  }

  /**
   * @param along what else changes with them: called in the same moment, and must not throw
   * @throws ConfigError where SpiceDB, or what is stored, doesn't fit their schema; Fault. Then all is as it was
   */
  async replace(rules: Rules, along: () => void): Promise<void> {
    const { held } = this.current;
    const take = (next: Held): void => {
      this.current = this.made(rules, next);
      this.lastRefusal = undefined;
      this.counted.taken += 1;
      along();
    };
    if (rules.graph.text === this.rules.graph.text) {
      take(held);
      return;
    }
    await held.engine.succeed(rules.graph, (engine) => {
      take({ engine, users: 0, retired: false });
    });
    held.retired = true;
    this.endUnused(held);
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
    await Promise.all(this.closing);
    await this.engine.close();
  }

  private made(rules: Rules, held: Held): InForce['current'] {
    const deciding = { ...this.common, rules: () => rules, relationships: held.engine };
    return { rules, held, deciding, since: this.common.now() };
  }

  private endUnused({ engine, users, retired }: Held): void {
    if (!retired || users > 0) return;
    const closed = engine
      .close()
      .catch(() => undefined)
      .finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }
}
