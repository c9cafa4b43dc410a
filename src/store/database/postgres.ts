/**
 * A PostgreSQL server as {@link Database}. A connection that fails is thrown away and the next one made when it is asked
 * for, so whatever happens to the server, its end is all that has to be waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { Client, DatabaseError, Pool, TypeOverrides, types, type ClientBase, type ClientConfig } from 'pg';
import type { PostgresConfig } from './postgres-config.js';
import { Fault } from '../../model/faults.js';
import { watched, type WatchCalls } from '../../telemetry/calls.js';
import type { Log } from '../../telemetry/log.js';
import { Breaker } from '../../runtime/circuit-breaker.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { failure, outage, Refused, type Database, type Row, type Statement } from './port.js';
import { applicationName, settle, Sole, type Session } from './postgres-session.js';

/** Beyond what the server is told to hold itself to: after it, the network or the server must be gone. */
const GRACE_MS = 1_000;
/** A connection's age at which it is replaced, so that new addresses, certificates and passwords come into use. */
const LIFETIME_SECONDS = 1_800;
const IDLE_MS = 60_000;
/** Between two signs of life of a process that is the only one: without a connection it would hold nothing. */
const BEAT_MS = 5_000;
/** How long a process that ends is given until its connections are gone. */
const CLAIM_MS = 3_000;
/** Between two lines for the operator about trouble that comes and goes. */
const QUIET_MS = 10_000;
/** Lists that the server rolled back for another's sake, which then are free to be run again. */
const ATTEMPTS = 3;
const CONNECTION_HOLDS = /^(21|22|23|40|42|0A|54|55|57014)/;
const ROLLED_BACK = /^(40001|40P01)$/;

/** The driver gives bigint as text; ours are sequence numbers and seconds, far below 2^53. */
const parsed = new TypeOverrides();
parsed.setTypeParser(types.builtins.INT8, Number);

export interface Reported {
  /** A line for the operator: that it can't be reached any more, and why; that it can again. */
  readonly log?: Log | undefined;
  readonly watch?: WatchCalls | undefined;
}

export class PostgresDatabase implements Database {
  /** Other replicas write to it. */
  readonly exclusive = false;
  private readonly pool: Pool;
  private readonly breaker: Breaker;
  private readonly clients = new Set<Client>();
  private readonly running = new Set<Promise<unknown>>();
  private readonly log: Log;
  private readonly watch: WatchCalls | undefined;
  private sole: Sole | undefined;
  private beat: NodeJS.Timeout | undefined;
  private closed: Promise<void> | undefined;
  /** Whether the operator has been told that it is away, and from when on that may be said again. */
  private told = false;
  private quietUntil = 0;

  /** Connects when it is first asked something. */
  constructor(
    private readonly config: PostgresConfig,
    { log = () => undefined, watch }: Reported = {},
  ) {
    this.log = log;
    this.watch = watch;
    this.breaker = new Breaker({
      fault: 'database_unavailable',
      isOutage: (error) => !holds(error),
      probe: () => this.probe(),
      // Of connections that were made before, none is believed in: their other end may be gone without a word.
      onChange: (trouble) => {
        if (trouble !== undefined) this.breakConnections();
      },
    });
    this.pool = new Pool({
      ...connectionOf(config),
      max: config.connections,
      idleTimeoutMillis: IDLE_MS,
      maxLifetimeSeconds: LIFETIME_SECONDS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // eslint-disable-next-line @typescript-eslint/no-misused-promises -- its type says void; the pool waits for it
      onConnect: (client) => this.greet(client),
    });
    // Of an idle connection that breaks the pool lets go by itself; the next list finds out whether there is another.
    this.pool.on('error', () => undefined);
    this.pool.on('remove', (client) => this.clients.delete(client));
  }

  run(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    const watching = { engine: 'database', watch: this.watch, faultOf: outage } as const;
    return watched(watching, 'run', () => this.runNow(statements));
  }

  private async runNow(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    if (this.closed !== undefined) throw new Fault('database_unavailable', 'it is closed');
    if (this.pool.waitingCount >= this.config.waiting) throw new Fault('overloaded', 'database connections');
    const work = this.persist(statements);
    this.running.add(work);
    return work.finally(() => this.running.delete(work));
  }

  private async persist(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const results = await this.breaker.run(() => this.attempt(statements));
        this.note(undefined);
        return results;
      } catch (error) {
        if (error instanceof DatabaseError && ROLLED_BACK.test(error.code ?? '') && attempt < ATTEMPTS) continue;
        const fault = faultOf(error);
        if (!holds(error)) this.note(fault.detail);
        throw fault;
      }
    }
  }

  /**
   * From here on this process alone uses the database, and a second one is refused: for what it has of the database in
   * its memory. To be called before anything else goes on here.
   * @param why it can't be shared, for the operator of the second
   * @throws ConfigError where another process has it, Fault
   */
  async claim(why: string): Promise<void> {
    const sole = new Sole(why);
    const client = await this.pool.connect().catch((error: unknown) => {
      throw faultOf(error);
    });
    try {
      const session = this.session(client, this.config.statementMs);
      const until = performance.now() + CLAIM_MS;
      while (!(await sole.claim(session))) {
        if (performance.now() > until) throw await sole.refusal(session, placeOf(this.config));
        await sleep(100);
      }
      this.sole = sole;
    } catch (error) {
      client.release(true);
      throw error instanceof Error && error.name === 'ConfigError' ? error : faultOf(error);
    }
    client.release();
    this.beat = setInterval(() => void this.run([{ sql: 'select 1' }]).catch(() => undefined), BEAT_MS);
    this.beat.unref();
  }

  stats(): EngineStats {
    const { totalCount, idleCount, waitingCount } = this.pool;
    return { active: totalCount - idleCount, waiting: waitingCount, circuit: this.breaker.stats() };
  }

  /** Waits for what is under way, but not without end. */
  close(): Promise<void> {
    clearInterval(this.beat);
    this.breaker.stop();
    this.closed ??= Promise.race([
      Promise.allSettled(this.running).then(() => this.pool.end()),
      sleep(this.config.statementMs + GRACE_MS, undefined, { ref: false }),
    ]);
    return this.closed;
  }

  /** Breaks every connection and makes no other, as a crash would. */
  kill(): Promise<void> {
    clearInterval(this.beat);
    this.breaker.stop();
    this.closed ??= this.pool.end();
    this.breakConnections();
    return this.closed;
  }

  private breakConnections(): void {
    for (const client of this.clients) client.connection.stream.destroy();
  }

  /** Whether the server takes a connection and answers on it, however busy the pool's are. */
  private async probe(): Promise<void> {
    const client = new Client(connectionOf(this.config));
    client.on('error', () => undefined);
    try {
      await client.connect();
      await settle(this.session(client, this.config.connectMs), this.config.statementMs);
    } finally {
      client.connection.stream.destroy();
    }
  }

  /** A single statement is a transaction by itself, in one round trip instead of three. */
  private async attempt(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    const client = await this.pool.connect();
    const session = this.session(client, this.config.statementMs);
    try {
      const results: (readonly Row[])[] = [];
      const [only, ...more] = statements;
      if (only !== undefined && more.length === 0) {
        results.push((await session.query(only.sql, only.params ?? [])).rows);
      } else {
        await session.query('begin', []);
        for (const { sql, params } of statements) results.push((await session.query(sql, params ?? [])).rows);
        await session.query('commit', []);
      }
      client.release();
      return results;
    } catch (error) {
      const goesOn =
        holds(error) &&
        (await session.query('rollback', []).then(
          () => true,
          () => false,
        ));
      client.release(!goesOn);
      throw error;
    }
  }

  /** Of each new connection, before it is anybody's. */
  private async greet(client: ClientBase): Promise<void> {
    if (!(client instanceof Client)) throw new TypeError("not a connection of the driver's own");
    this.clients.add(client);
    // What breaks between two statements is found by the next one.
    client.on('error', () => undefined);
    try {
      const session = this.session(client, this.config.connectMs);
      await settle(session, this.config.statementMs);
      await this.sole?.join(session);
    } catch (error) {
      this.clients.delete(client);
      throw error;
    }
  }

  /** The server ends a statement that takes too long; where even that word doesn't come, the connection is broken off. */
  private session(client: Client, ms: number): Session {
    return {
      query: async (text, values) => {
        const watchdog = setTimeout(() => {
          client.connection.stream.destroy(new Error(`no answer within ${ms + GRACE_MS} ms`));
        }, ms + GRACE_MS);
        try {
          return await client.query<Row>(text, [...values]);
        } finally {
          clearTimeout(watchdog);
        }
      },
    };
  }

  private note(trouble: string | undefined): void {
    const away = trouble !== undefined;
    const now = performance.now();
    if (this.told === away || this.closed !== undefined || (away && now < this.quietUntil)) return;
    this.told = away;
    this.quietUntil = now + QUIET_MS;
    this.log(`${placeOf(this.config)}: ${away ? `can't answer: ${trouble}` : 'answers again'}`, {
      event: away ? 'engine_away' : 'engine_back',
      engine: 'database',
      place: placeOf(this.config),
    });
  }
}

function connectionOf(config: PostgresConfig): ClientConfig {
  return {
    host: config.host,
    port: config.port,
    user: config.user,
    database: config.database,
    password: () => passwordOf(config),
    ssl: tlsOf(config),
    sslnegotiation: 'postgres',
    client_encoding: 'UTF8',
    application_name: applicationName(),
    types: parsed,
    connectionTimeoutMillis: config.connectMs,
  };
}

/** Whether the server has ended the statement and goes on with the connection. */
function holds(error: unknown): boolean {
  return error instanceof DatabaseError && CONNECTION_HOLDS.test(error.code ?? '');
}

/** Where the database is, without whose password. */
export function placeOf({ host, port, database }: PostgresConfig): string {
  return `postgres://${host.includes(':') ? `[${host}]` : encodeURIComponent(host)}:${port}/${encodeURIComponent(database)}`;
}

/** Asked for by the server only; read anew for each connection, so that it can be changed. */
function passwordOf({ password }: PostgresConfig): string {
  const given = password();
  if (given === undefined || given === '')
    throw new Fault('database_unavailable', 'the server asks for a password, and none is configured');
  return given;
}

function tlsOf({ host, tls }: PostgresConfig): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  return {
    minVersion: 'TLSv1.2',
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    rejectUnauthorized: tls.mode !== 'unverified',
    // The name that was configured, also where it is an address.
    checkServerIdentity: (_name, certificate) =>
      tls.mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}

/** The server's words on values may repeat them, so of those the code and the place are said, and no more. */
function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof DatabaseError)) {
    const { code, message } = error as NodeJS.ErrnoException;
    return failure(undefined, code === undefined || message.includes(code) ? message : `${code} ${message}`.trim());
  }
  const { code, message, table, column, constraint } = error;
  const place = [table, column, constraint].filter((part) => part !== undefined).join(' ');
  const fault = failure(code, [code, place].join(' ').trim());
  return fault instanceof Refused ? fault : failure(code, `${code ?? ''} ${message}`.trim());
}
