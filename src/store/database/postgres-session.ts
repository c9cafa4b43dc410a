/**
 * What is settled with PostgreSQL on each new connection, before anything is asked on it: that it is a server Remit can
 * work with, how it writes what it answers, when it gives up; and, where one process alone may use the database, that
 * this is still the one.
 */
import { hostname } from 'node:os';
import { v4 as uuid } from 'uuid';
import { ConfigError, Fault } from '../../model/faults.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './locks.js';

/** One connection, as it is seen here. */
export interface DatabaseSession {
  query(sql: string, values: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

const MIN_MAJOR_VERSION = 15;

/** By which an operator finds a connection's process in pg_stat_activity; PostgreSQL keeps 63 bytes of it. */
export function applicationName(): string {
  return `remit ${process.pid} on ${hostname()}`.slice(0, 63);
}

/**
 * Dates as they are parsed here, whatever the role's defaults; nothing acknowledged before it is on disk; no compiling
 * of queries that take less time than that; a peer that is gone found out within half a minute, since its locks stand
 * until then.
 */
const SESSION_SETUP_SQL = `
  select set_config('datestyle', 'ISO, MDY', false), set_config('timezone', 'UTC', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on'
                                     else current_setting('synchronous_commit') end, false),
    set_config('statement_timeout', $1, false), set_config('lock_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', $1, false),
    set_config('jit', 'off', false),
    set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    current_setting('server_version_num')::int / 10000 as version,
    current_setting('server_encoding') as encoding,
    current_setting('transaction_read_only') as read_only`;

/** @throws Fault naming what about the server won't do */
export async function setUpSession(session: DatabaseSession, statementMs: number): Promise<void> {
  const { rows } = await session.query(SESSION_SETUP_SQL, [String(statementMs)]);
  const { version, encoding, read_only: readOnly } = rows[0] ?? {};
  const unfitServer = (problem: string): Fault => new Fault('database_unavailable', `the server ${problem}`);
  if (Number(version) < MIN_MAJOR_VERSION)
    throw unfitServer(`is PostgreSQL ${String(version)}: ${MIN_MAJOR_VERSION} or newer is needed`);
  if (encoding !== 'UTF8') throw unfitServer(`has the database in ${String(encoding)}: UTF8 is needed`);
  // A standby, or a primary that was stood down: the next connection may lead to the one that took over.
  if (readOnly !== 'off') throw unfitServer('takes no writes (it is a standby, or made read-only)');
}

/**
 * One process alone, for as long as it lives: every connection of it holds a lock that another process must have for
 * itself to begin, and `meta` says which process it was last. So whoever begins knows that nothing of the one before is
 * still on its way, and the one before, cut off in between, can't come back.
 */
export class SingleWriterLease {
  private readonly holderId = uuid();

  /** @param reason said to the operator where another process is there */
  constructor(private readonly reason: string) {}

  /** Takes the database over. @returns whether nobody else has it */
  async acquire(session: DatabaseSession): Promise<boolean> {
    const { rows } = await session.query('select pg_try_advisory_lock($1, $2) as free', [
      LOCK_NAMESPACE,
      ADVISORY_LOCKS.graph,
    ]);
    if (rows[0]?.['free'] !== true) return false;
    await session.query(
      `insert into meta values ('graph_of', $1) on conflict (key) do update set value = excluded.value`,
      [this.holderId],
    );
    await session.query('select pg_advisory_lock_shared($1, $2)', [LOCK_NAMESPACE, ADVISORY_LOCKS.graph]);
    await session.query('select pg_advisory_unlock($1, $2)', [LOCK_NAMESPACE, ADVISORY_LOCKS.graph]);
    return true;
  }

  /** For each further connection. @throws Fault where another process has the database by now */
  async confirm(session: DatabaseSession): Promise<void> {
    const { rows } = await session.query('select pg_try_advisory_lock_shared($1, $2) as held', [
      LOCK_NAMESPACE,
      ADVISORY_LOCKS.graph,
    ]);
    // Asked once the lock is there: whoever wrote another name had all connections' locks for itself.
    const { rows: meta } = await session.query(`select value from meta where key = 'graph_of'`, []);
    if (rows[0]?.['held'] !== true || meta[0]?.['value'] !== this.holderId)
      throw new Fault('database_unavailable', `another process has taken the database over; ${this.reason}`);
  }

  /** Who has it, for the operator. */
  async conflictError(session: DatabaseSession, place: string): Promise<ConfigError> {
    const { rows } = await session.query(
      `select a.application_name as name, a.client_addr::text as address, a.pid::text
         from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'advisory' and l.granted and l.classid = $1::bigint::oid and l.objid = $2::bigint::oid
          and l.database = (select oid from pg_database where datname = current_database())
        order by a.backend_start limit 1`,
      [LOCK_NAMESPACE, ADVISORY_LOCKS.graph],
    );
    const { name, address, pid } = rows[0] ?? {};
    const location = typeof address === 'string' ? ` at ${address}` : '';
    const holder =
      typeof name === 'string' && name !== ''
        ? `"${name}"${location}`
        : `backend ${typeof pid === 'string' ? pid : '?'}`;
    return new ConfigError(`the database is in use by ${holder}; ${this.reason}`, place);
  }
}
