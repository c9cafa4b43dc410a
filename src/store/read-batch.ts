/**
 * Reads of the database, sent together: what is asked in one turn of the event loop is one statement, so that a decision
 * costs one round trip and sees one moment, whatever it reads.
 */
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

interface PendingRead {
  /** Called when the turn is over, so that one read can take what several callers want. */
  readonly build: () => SqlStatement;
  readonly resolve: (rows: readonly DatabaseRow[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ReadBatch {
  private pending: PendingRead[] = [];
  private spans = new Set<ActiveSpan | undefined>();

  constructor(private readonly database: Database) {}

  /** Links the caller's trace to the call that the reads of this turn are sent in. */
  linkCaller(): void {
    this.spans.add(currentSpan());
  }

  /** @param build makes a select; a timestamp or bigint in its rows is read as JSON has it. @throws Fault */
  read(build: () => SqlStatement): Promise<readonly DatabaseRow[]> {
    this.linkCaller();
    if (this.pending.length === 0) setImmediate(() => void this.send());
    return new Promise((resolve, reject) => this.pending.push({ build, resolve, reject }));
  }

  private async send(): Promise<void> {
    const { pending, spans } = this;
    this.pending = [];
    this.spans = new Set();
    try {
      const statements = pending.map(({ build }) => build());
      const [rows = []] = await withLinks(spans, () => this.database.run([uniteStatements(statements)]));
      for (const [i, { resolve }] of pending.entries()) resolve(statements.length === 1 ? rows : takeRows(rows, i));
    } catch (error) {
      for (const { reject } of pending) reject(error);
    }
  }
}

/** One statement for all: its rows are JSON, with the number of the statement that each is of. */
function uniteStatements(statements: readonly SqlStatement[]): SqlStatement {
  const [single] = statements;
  if (single !== undefined && statements.length === 1) return single;
  const params: NonNullable<SqlStatement['params']>[number][] = [];
  const selects = statements.map(({ sql, params: own = [] }, i) => {
    const shifted = sql.replace(/\$(\d+)/g, (_, number: string) => `$${Number(number) + params.length}`);
    params.push(...own);
    return `select ${i} as part, to_jsonb(r) as row from (${shifted}) r`;
  });
  return { sql: selects.join(' union all '), params };
}

function takeRows(rows: readonly DatabaseRow[], part: number): DatabaseRow[] {
  return rows.filter((row) => row['part'] === part).map((row) => row['row'] as DatabaseRow);
}
