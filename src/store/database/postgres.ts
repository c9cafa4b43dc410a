/**
 * A PostgreSQL server as {@link Database}: a pool of connections, transactions that run again where the server asks for
 * it, and a circuit breaker. A connection that fails is dropped and replaced at the next transaction, so nothing but the
 * end of an outage has to be waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool, type ClientBase } from 'pg';
import type { PostgresConfig } from './postgres-config.js';
import { Fault } from '../../model/faults.js';
import { observeCall, type EngineCallListener } from '../../telemetry/engine-calls.js';
import type { Log } from '../../telemetry/log.js';
import { CircuitBreaker } from '../../runtime/circuit-breaker.js';
import { withTimeout } from '../../runtime/timeout.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { OutageLog } from './outage-log.js';
import { outageCode, type Database, type DatabaseRow, type SqlStatement } from './port.js';
import { buildClientConfig, databaseAddress, openSession, RESPONSE_GRACE_MS } from './postgres-connection.js';
import { isRetryableError, isStalePlan, isStatementError, toPostgresFault } from './postgres-errors.js';
import { setUpSession, SingleWriterLease } from './postgres-session.js';

/** The age at which a connection is replaced, so that new addresses, certificates and passwords come into use. */
const CONNECTION_LIFETIME_SECONDS = 1_800;
const IDLE_CONNECTION_MS = 60_000;
/** The interval of the calls that keep a connection open while the lease is held: it is held by connections only. */
const LEASE_HEARTBEAT_MS = 5_000;
/** The time that the connections of a process that ends have to close before its lease counts as held. */
const LEASE_WAIT_MS = 3_000;
/** Runs of a transaction that the server rolls back for the sake of another one. */
const MAX_TRANSACTION_RUNS = 3;

export interface DatabaseObservers {
  /** Takes a line for the operator when the database stops answering, and when it answers again. */
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
  private readonly outages: OutageLog;
  private readonly watch: EngineCallListener | undefined;
  private lease: SingleWriterLease | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed: Promise<void> | undefined;

  /** Connects at the first call. */
  constructor(
    private readonly config: PostgresConfig,
    { log = () => undefined, watch }: DatabaseObservers = {},
  ) {
    this.outages = new OutageLog(databaseAddress(config), log);
    this.watch = watch;
    this.breaker = new CircuitBreaker({
      fault: 'database_unavailable',
      isOutage: (error) => !isStatementError(error),
      probe: () => this.probe(),
      // Connections from before an outage are not trusted: the server may have dropped them without a sign.
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
    // The pool drops an idle connection that breaks; the next transaction finds out whether there is another.
    this.pool.on('error', () => undefined);
    this.pool.on('remove', (client) => this.clients.delete(client));
  }

  run(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    const observation = { engine: 'database', watch: this.watch, faultOf: outageCode } as const;
    return observeCall(observation, 'run', () => this.runAdmitted(statements));
  }

  private async runAdmitted(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    if (this.closed !== undefined) throw new Fault('database_unavailable', 'the database is closed');
    if (this.pool.waitingCount >= this.config.waiting) throw new Fault('overloaded', 'database connections');
    const work = this.runWithRetries(statements);
    this.pendingRuns.add(work);
    return work.finally(() => this.pendingRuns.delete(work));
  }

  private async runWithRetries(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const results = await this.breaker.run(() => this.runTransaction(statements));
        this.reportAvailability(undefined);
        return results;
      } catch (error) {
        if (isRetryableError(error) && attempt < MAX_TRANSACTION_RUNS) continue;
        // Each connection has prepared it for itself, and one that has is dropped.
        if (isStalePlan(error) && attempt <= this.config.connections) continue;
        const fault = toPostgresFault(error);
        if (!isStatementError(error)) this.reportAvailability(fault.detail);
        throw fault;
      }
    }
  }

  /**
   * Takes the database for this process alone, because it holds parts of it in memory; a second process is refused. To be
   * called before any other use.
   * @param reason why the database can't be shared, for the operator of the second process
   * @throws ConfigError where another process holds it, Fault
   */
  async acquireLease(reason: string): Promise<void> {
    const lease = new SingleWriterLease(reason);
    const client = await this.pool.connect().catch((error: unknown) => {
      throw toPostgresFault(error);
    });
    try {
      const session = openSession(client, this.config.statementMs);
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

  /** Waits for the transactions under way, for as long as they may take. */
  close(): Promise<void> {
    clearInterval(this.heartbeat);
    this.breaker.stop();
    this.closed ??= withTimeout(
      Promise.allSettled(this.pendingRuns).then(() => this.pool.end()),
      this.config.statementMs + RESPONSE_GRACE_MS,
      () => undefined,
      { unref: true },
    );
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

  /** Checks that the server accepts a new connection and answers on it, however busy the pool's are. */
  private async probe(): Promise<void> {
    const client = new Client(buildClientConfig(this.config));
    client.on('error', () => undefined);
    try {
      await client.connect();
      await setUpSession(openSession(client, this.config.connectMs), this.config.statementMs);
    } finally {
      client.connection.stream.destroy();
    }
  }

  /** Runs one transaction. A single statement is a transaction by itself, in one round trip instead of three. */
  private async runTransaction(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    const client = await this.pool.connect();
    const session = openSession(client, this.config.statementMs);
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
        !isStalePlan(error) &&
        (await session.query('rollback', []).then(
          () => true,
          () => false,
        ));
      client.release(!usable);
      throw error;
    }
  }

  /** Sets a new connection up before its first use. */
  private async prepareConnection(client: ClientBase): Promise<void> {
    if (!(client instanceof Client)) throw new TypeError("the connection is not one of the driver's own");
    this.clients.add(client);
    // An error between two statements shows at the next one.
    client.on('error', () => undefined);
    try {
      const session = openSession(client, this.config.connectMs);
      await setUpSession(session, this.config.statementMs);
      await this.lease?.confirm(session);
    } catch (error) {
      this.clients.delete(client);
      throw error;
    }
  }

  private reportAvailability(trouble: string | undefined): void {
    if (this.closed === undefined) this.outages.report(trouble);
  }
}
