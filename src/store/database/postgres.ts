/**
 * A PostgreSQL server as {@link Database}. A connection that fails is thrown away and the next one made when it is asked
 * for, so whatever happens to the server, its end is all that has to be waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { Client, DatabaseError, Pool, TypeOverrides, types, type ClientBase, type ClientConfig } from 'pg';
import type { PostgresConfig } from './postgres-config.js';
import { Fault } from '../../model/faults.js';
import { observeCall, type EngineCallListener } from '../../telemetry/engine-calls.js';
import type { Log } from '../../telemetry/log.js';
import { CircuitBreaker } from '../../runtime/circuit-breaker.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import {
  faultFromSqlState,
  outageCode,
  StatementRejectedFault,
  type Database,
  type DatabaseRow,
  type SqlStatement,
} from './port.js';
import { applicationName, setUpSession, SingleWriterLease, type DatabaseSession } from './postgres-session.js';

/** Beyond what the server is told to hold itself to: after it, the network or the server must be gone. */
const RESPONSE_GRACE_MS = 1_000;
/** A connection's age at which it is replaced, so that new addresses, certificates and passwords come into use. */
const CONNECTION_LIFETIME_SECONDS = 1_800;
const IDLE_CONNECTION_MS = 60_000;
/** Between two signs of life of a process that is the only one: without a connection it would hold nothing. */
const LEASE_HEARTBEAT_MS = 5_000;
/** How long a process that ends is given until its connections are gone. */
const LEASE_WAIT_MS = 3_000;
/** Between two lines for the operator about trouble that comes and goes. */
const OUTAGE_LOG_INTERVAL_MS = 10_000;
/** Lists that the server rolled back for another's sake, which then are free to be run again. */
const MAX_ATTEMPTS = 3;
const STATEMENT_ERRORS = /^(21|22|23|40|42|0A|54|55|57014)/;
const RETRYABLE_ERRORS = /^(40001|40P01)$/;

/** The driver gives bigint as text; ours are sequence numbers and seconds, far below 2^53. */
const typeParsers = new TypeOverrides();
typeParsers.setTypeParser(types.builtins.INT8, Number);

export interface DatabaseObservers {
  /** A line for the operator: that it can't be reached any more, and why; that it can again. */
  readonly log?: Log | undefined;
  readonly watch?: EngineCallListener | undefined;
}

export class PostgresDatabase implements Database {
  /** Other replicas write to it. */
  readonly exclusive = false;
  private readonly pool: Pool;
  private readonly breaker: CircuitBreaker;
  private readonly clients = new Set<Client>();
  private readonly pendingRuns = new Set<Promise<unknown>>();
  private readonly log: Log;
  private readonly watch: EngineCallListener | undefined;
  private lease: SingleWriterLease | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed: Promise<void> | undefined;
  /** Whether the operator has been told that it is away, and from when on that may be said again. */
  private outageLogged = false;
  private quietUntil = 0;

  /** Connects when it is first asked something. */
  constructor(
    private readonly config: PostgresConfig,
    { log = () => undefined, watch }: DatabaseObservers = {},
  ) {
    this.log = log;
    this.watch = watch;
    this.breaker = new CircuitBreaker({
      fault: 'database_unavailable',
      isOutage: (error) => !isStatementError(error),
      probe: () => this.probe(),
      // Of connections that were made before, none is believed in: their other end may be gone without a word.
      onChange: (trouble) => {
        if (trouble !== undefined) this.breakConnections();
      },
    });
    this.pool = new Pool({
      ...buildClientConfig(config),
      max: config.connections,
      idleTimeoutMillis: IDLE_CONNECTION_MS,
      maxLifetimeSeconds: CONNECTION_LIFETIME_SECONDS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // eslint-disable-next-line @typescript-eslint/no-misused-promises -- its type says void; the pool waits for it
      onConnect: (client) => this.prepareConnection(client),
    });
    // Of an idle connection that breaks the pool lets go by itself; the next list finds out whether there is another.
    this.pool.on('error', () => undefined);
    this.pool.on('remove', (client) => this.clients.delete(client));
  }

  run(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    const observation = { engine: 'database', watch: this.watch, faultOf: outageCode } as const;
    return observeCall(observation, 'run', () => this.runAdmitted(statements));
  }

  private async runAdmitted(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    if (this.closed !== undefined) throw new Fault('database_unavailable', 'it is closed');
    if (this.pool.waitingCount >= this.config.waiting) throw new Fault('overloaded', 'database connections');
    const work = this.runWithRetries(statements);
    this.pendingRuns.add(work);
    return work.finally(() => this.pendingRuns.delete(work));
  }

  private async runWithRetries(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const results = await this.breaker.run(() => this.runTransaction(statements));
        this.logAvailability(undefined);
        return results;
      } catch (error) {
        if (error instanceof DatabaseError && RETRYABLE_ERRORS.test(error.code ?? '') && attempt < MAX_ATTEMPTS)
          continue;
        const fault = toPostgresFault(error);
        if (!isStatementError(error)) this.logAvailability(fault.detail);
        throw fault;
      }
    }
  }

  /**
   * From here on this process alone uses the database, and a second one is refused: for what it has of the database in
   * its memory. To be called before anything else goes on here.
   * @param reason it can't be shared, for the operator of the second
   * @throws ConfigError where another process has it, Fault
   */
  async acquireLease(reason: string): Promise<void> {
    const lease = new SingleWriterLease(reason);
    const client = await this.pool.connect().catch((error: unknown) => {
      throw toPostgresFault(error);
    });
    try {
      const session = this.openSession(client, this.config.statementMs);
      const giveUpAt = performance.now() + LEASE_WAIT_MS;
      while (!(await lease.acquire(session))) {
        if (performance.now() > giveUpAt) throw await lease.conflictError(session, databaseAddress(this.config));
        await sleep(100);
      }
      this.lease = lease;
    } catch (error) {
      client.release(true);
      throw error instanceof Error && error.name === 'ConfigError' ? error : toPostgresFault(error);
    }
    client.release();
    this.heartbeat = setInterval(() => void this.run([{ sql: 'select 1' }]).catch(() => undefined), LEASE_HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  stats(): EngineStats {
    const { totalCount, idleCount, waitingCount } = this.pool;
    return { active: totalCount - idleCount, waiting: waitingCount, circuit: this.breaker.stats() };
  }

  /** Waits for what is under way, but not without end. */
  close(): Promise<void> {
    clearInterval(this.heartbeat);
    this.breaker.stop();
    this.closed ??= Promise.race([
      Promise.allSettled(this.pendingRuns).then(() => this.pool.end()),
      sleep(this.config.statementMs + RESPONSE_GRACE_MS, undefined, { ref: false }),
    ]);
    return this.closed;
  }

  /** Breaks every connection and makes no other, as a crash would. */
  kill(): Promise<void> {
    clearInterval(this.heartbeat);
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
    const client = new Client(buildClientConfig(this.config));
    client.on('error', () => undefined);
    try {
      await client.connect();
      await setUpSession(this.openSession(client, this.config.connectMs), this.config.statementMs);
    } finally {
      client.connection.stream.destroy();
    }
  }

  /** A single statement is a transaction by itself, in one round trip instead of three. */
  private async runTransaction(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    const client = await this.pool.connect();
    const session = this.openSession(client, this.config.statementMs);
    try {
      const results: (readonly DatabaseRow[])[] = [];
      const [single, ...others] = statements;
      if (single !== undefined && others.length === 0) {
        results.push((await session.query(single.sql, single.params ?? [])).rows);
      } else {
        await session.query('begin', []);
        for (const { sql, params } of statements) results.push((await session.query(sql, params ?? [])).rows);
        await session.query('commit', []);
      }
      client.release();
      return results;
    } catch (error) {
      const usable =
        isStatementError(error) &&
        (await session.query('rollback', []).then(
          () => true,
          () => false,
        ));
      client.release(!usable);
      throw error;
    }
  }

  /** Of each new connection, before it is anybody's. */
  private async prepareConnection(client: ClientBase): Promise<void> {
    if (!(client instanceof Client)) throw new TypeError("not a connection of the driver's own");
    this.clients.add(client);
    // What breaks between two statements is found by the next one.
    client.on('error', () => undefined);
    try {
      const session = this.openSession(client, this.config.connectMs);
      await setUpSession(session, this.config.statementMs);
      await this.lease?.confirm(session);
    } catch (error) {
      this.clients.delete(client);
      throw error;
    }
  }

  /** The server ends a statement that takes too long; where even that word doesn't come, the connection is broken off. */
  private openSession(client: Client, ms: number): DatabaseSession {
    return {
      query: async (text, values) => {
        const watchdog = setTimeout(() => {
          client.connection.stream.destroy(new Error(`no answer within ${ms + RESPONSE_GRACE_MS} ms`));
        }, ms + RESPONSE_GRACE_MS);
        try {
          return await client.query<DatabaseRow>(text, [...values]);
        } finally {
          clearTimeout(watchdog);
        }
      },
    };
  }

  private logAvailability(trouble: string | undefined): void {
    const isAway = trouble !== undefined;
    const now = performance.now();
    if (this.outageLogged === isAway || this.closed !== undefined || (isAway && now < this.quietUntil)) return;
    this.outageLogged = isAway;
    this.quietUntil = now + OUTAGE_LOG_INTERVAL_MS;
    this.log(`${databaseAddress(this.config)}: ${isAway ? `can't answer: ${trouble}` : 'answers again'}`, {
      event: isAway ? 'engine_away' : 'engine_back',
      engine: 'database',
      place: databaseAddress(this.config),
    });
  }
}

function buildClientConfig(config: PostgresConfig): ClientConfig {
  return {
    host: config.host,
    port: config.port,
    user: config.user,
    database: config.database,
    password: () => readPassword(config),
    ssl: buildTlsOptions(config),
    sslnegotiation: 'postgres',
    client_encoding: 'UTF8',
    application_name: applicationName(),
    types: typeParsers,
    connectionTimeoutMillis: config.connectMs,
  };
}

/** Whether the server has ended the statement and goes on with the connection. */
function isStatementError(error: unknown): boolean {
  return error instanceof DatabaseError && STATEMENT_ERRORS.test(error.code ?? '');
}

/** Where the database is, without whose password. */
export function databaseAddress({ host, port, database }: PostgresConfig): string {
  return `postgres://${host.includes(':') ? `[${host}]` : encodeURIComponent(host)}:${port}/${encodeURIComponent(database)}`;
}

/** Asked for by the server only; read anew for each connection, so that it can be changed. */
function readPassword({ password }: PostgresConfig): string {
  const secret = password();
  if (secret === undefined || secret === '')
    throw new Fault('database_unavailable', 'the server asks for a password, and none is configured');
  return secret;
}

function buildTlsOptions({ host, tls }: PostgresConfig): ConnectionOptions | false {
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
function toPostgresFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof DatabaseError)) {
    const { code, message } = error as NodeJS.ErrnoException;
    return faultFromSqlState(
      undefined,
      code === undefined || message.includes(code) ? message : `${code} ${message}`.trim(),
    );
  }
  const { code, message, table, column, constraint } = error;
  const place = [table, column, constraint].filter((part) => part !== undefined).join(' ');
  const fault = faultFromSqlState(code, [code, place].join(' ').trim());
  return fault instanceof StatementRejectedFault ? fault : faultFromSqlState(code, `${code ?? ''} ${message}`.trim());
}
