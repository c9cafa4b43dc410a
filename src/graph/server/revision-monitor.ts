/** What is known of a SpiceDB server at the moment: whether its schema fits and, where answers are kept, its newest revision. */
import type { Graph } from '../schema/schema.js';
import type { Caches } from '../../telemetry/counted-cache.js';
import * as calls from '../spicedb-api.js';
import type { Connection } from './connection.js';
import { Fitting } from './schema-monitor.js';
import { instant, Newest, type Instant } from './cache.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { AskedCheck } from '../../model/checks.js';
import { Pulse } from './poller.js';
import { OUTAGE, refusalOf } from '../errors.js';
import { differences } from './schema-diff.js';
import { tellsOfWrites } from './zedtoken.js';

/** How long SpiceDB may take to say its newest revision and schema. */
const LOOK_MS = 1_000;

export interface CurrentOptions {
  readonly endpoint: string;
  /** `bounded`: what was answered at the newest revision is kept. */
  readonly consistency?: 'full' | 'bounded';
  /** A line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export class Current {
  private readonly pulse: Pulse;
  private readonly fitting: Fitting;
  /** Undefined: nothing is kept. */
  private readonly newest: Newest | undefined;
  private readonly log: (line: string) => void;
  /** When the last look that was answered began. */
  private looked: Instant | undefined;
  /** Whether the operator has been told that nothing can be kept. */
  private told = false;

  constructor(
    private readonly connection: Connection,
    private readonly graph: Graph,
    { endpoint, consistency, log = () => undefined }: CurrentOptions,
  ) {
    this.log = log;
    this.fitting = new Fitting({ endpoint, file: graph.file }, log);
    this.newest = consistency === 'bounded' ? new Newest(graph) : undefined;
    this.pulse = new Pulse(() => this.look());
  }

  /** @throws Fault where the server has another schema than the rules were read with */
  fits(): void {
    const { fault } = this.fitting;
    if (fault !== undefined) throw fault;
  }

  /** An answer each, in order. @param ask whatever is not kept */
  async answers(
    checks: readonly AskedCheck[],
    ask: (checks: readonly AskedCheck[]) => Promise<readonly CheckAnswer[]>,
  ): Promise<readonly CheckAnswer[]> {
    const { newest } = this;
    if (newest === undefined) return ask(checks);
    this.pulse.want();
    const kept = checks.map((check) => newest.answer(check));
    const asked = await ask(checks.filter((_, i) => kept[i] === undefined));
    let next = 0;
    return kept.map((answer) => answer ?? asked[next++] ?? OUTAGE);
  }

  get caches(): Caches {
    return this.newest?.caches ?? {};
  }

  keep(check: AskedCheck, answer: CheckAnswer): void {
    this.newest?.keep(check, answer);
  }

  /** To be called after every write of this process, however it ended. */
  written(): void {
    this.newest?.forget();
  }

  end(): void {
    this.pulse.end();
  }

  /** Its newest revision and its schema, in one call. Never throws. */
  private async look(): Promise<void> {
    const began = instant();
    const read = await this.connection.readSchema(LOOK_MS).catch((error: unknown) =>
      // An empty store in place of the one that there was.
      refusalOf(error).code === 'NOT_FOUND' ? { schemaText: '', readAt: undefined } : undefined,
    );
    if (read === undefined) return;
    const at = read.readAt?.token;
    const fits = await this.fitting.look(read.schemaText, async () => {
      const consistency = at === undefined ? calls.NOW : calls.exactly(at);
      return (await differences(this.connection, this.graph, consistency)).found;
    });
    // SpiceDB may answer by a look at its datastore that was under way when it was asked, though by none that was over:
    // so what it says is true since the look before.
    const since = this.looked;
    this.looked = began;
    if (this.newest === undefined || at === undefined) return;
    if (fits && since !== undefined) this.newest.seen(at, since);
    if (this.told || tellsOfWrites(at)) return;
    this.told = true;
    this.log('"consistency: bounded" keeps nothing here: by its revisions this datastore of SpiceDB tells no writes');
  }
}
