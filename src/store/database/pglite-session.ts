/**
 * Statements on PGlite. Each is prepared once and then takes one message: PGlite's own queries have each statement parsed and planned
 * again, and take six messages, which is longer than what most of them do.
 */
import { parse, protocol, type PGlite } from '@electric-sql/pglite';
import type { DatabaseRow, SqlStatement } from './port.js';

const { serialize } = protocol;

/** Statements that are kept prepared: there are only more where texts are made of values. */
const MAX_KEPT_STATEMENTS = 200;
/** Tables grow, and PGlite has no one to tell its plans of it: a statement is planned anew after so many uses. */
const MAX_USES_OF_PLAN = 1_000;

interface PreparedStatement {
  /** Empty: it isn't kept. */
  readonly name: string;
  readonly parameterTypes: readonly number[];
  uses: number;
}

export class PgliteSession {
  private readonly prepared = new Map<string, PreparedStatement>();
  private lastNumber = 0;

  /** @param database is used by this session alone */
  constructor(private readonly database: PGlite) {}

  /** Runs the statements in one transaction. @returns the rows of each @throws DatabaseError */
  run(statements: readonly SqlStatement[]): Promise<DatabaseRow[][]> {
    return this.database.runExclusive(async () => {
      const rows = await this.runTransaction(statements).catch(async (error: unknown) => {
        if (!isOutdatedPlan(error)) throw error;
        // A table was changed since, and the transaction has not happened.
        await this.send(serialize.query('deallocate all'));
        this.prepared.clear();
        return this.runTransaction(statements);
      });
      await this.database.syncToFs();
      return rows;
    });
  }

  private async runTransaction(statements: readonly SqlStatement[]): Promise<DatabaseRow[][]> {
    const [single, ...others] = statements;
    // A single statement is a transaction by itself: begin and commit would be two more messages.
    if (single !== undefined && others.length === 0) return [await this.query(single)];
    const results: DatabaseRow[][] = [];
    await this.send(serialize.query('begin'));
    try {
      for (const statement of statements) results.push(await this.query(statement));
      await this.send(serialize.query('commit'));
      return results;
    } catch (error) {
      await this.send(serialize.query('rollback'));
      throw error;
    }
  }

  private async query({ sql, params = [] }: SqlStatement): Promise<DatabaseRow[]> {
    const { name, parameterTypes } = await this.prepare(sql, params.length > 0);
    const values = params.map((value, i) => this.serializeValue(value, parameterTypes[i]));
    const messages = await this.send(
      serialize.bind({ statement: name, values }),
      serialize.describe({ type: 'P' }),
      serialize.execute({}),
      serialize.sync(),
    );
    return parse.parseResults(messages, this.database.parsers)[0]?.rows ?? [];
  }

  private async prepare(sql: string, hasParameters: boolean): Promise<PreparedStatement> {
    const former = this.prepared.get(sql);
    if (former !== undefined && former.uses < MAX_USES_OF_PLAN) {
      former.uses += 1;
      return former;
    }
    if (former !== undefined) {
      this.prepared.delete(sql);
      await this.send(serialize.close({ type: 'S', name: former.name }), serialize.sync());
    }
    const isKept = hasParameters && this.prepared.size < MAX_KEPT_STATEMENTS;
    const name = isKept ? `remit_${(this.lastNumber += 1)}` : '';
    const messages = await this.send(
      serialize.parse({ name, text: sql }),
      serialize.describe({ type: 'S', name }),
      serialize.sync(),
    );
    const statement = { name, parameterTypes: parse.parseDescribeStatementResults(messages), uses: 1 };
    if (isKept) this.prepared.set(sql, statement);
    return statement;
  }

  private serializeValue(value: string | number | boolean | null, type: number | undefined): string | null {
    if (value === null) return null;
    const serializer = type === undefined ? undefined : this.database.serializers[type];
    return serializer === undefined ? String(value) : serializer(value);
  }

  /** Sends messages at one time, of which the last has PostgreSQL answer. @throws DatabaseError where it answers with an error */
  private send(...messages: readonly Uint8Array[]): ReturnType<PGlite['execProtocolStream']> {
    return this.database.execProtocolStream(Buffer.concat(messages), { syncToFs: false });
  }
}

function isOutdatedPlan(error: unknown): boolean {
  const { code, routine } = error as { code?: unknown; routine?: unknown };
  return code === '0A000' && routine === 'RevalidateCachedQuery';
}
