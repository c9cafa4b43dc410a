/**
 * The set-up of each new connection to PostgreSQL before its first use: the checks that Remit can work with the server,
 * the formats and timeouts of the session, and the lease of a process that needs the database for itself.
 */
import { hostname } from 'node:os';
import { v4 as uuid } from 'uuid';
import { ConfigError, Fault } from '../../model/faults.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './locks.js';

/** One connection. */
export interface DatabaseSession {
  query(sql: string, values: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

const MIN_MAJOR_VERSION = 15;

/** Names this process in pg_stat_activity, for the operator; PostgreSQL keeps 63 bytes of it. */
export function applicationName(): string {
  return `remit ${process.pid} on ${hostname()}`.slice(0, 63);
}

/**
 * Sets the session up whatever the role's defaults: the date format that is parsed here; a commit that is on disk before
 * it is acknowledged; no compilation, which takes longer than these queries; keepalives that find a dead peer within half
 * a minute, since its locks stay until then.
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

/** Sets the session up and checks the server. @throws Fault naming the reason why the server can't be used */
export async function setUpSession(session: DatabaseSession, statementMs: number): Promise<void> {
  const { rows } = await session.query(SESSION_SETUP_SQL, [String(statementMs)]);
  const { version, encoding, read_only: readOnly } = rows[0] ?? {};
  const unfitServer = (problem: string): Fault => new Fault('database_unavailable', `the server ${problem}`);
  if (Number(version) < MIN_MAJOR_VERSION)
    throw unfitServer(`is PostgreSQL ${String(version)}: ${MIN_MAJOR_VERSION} or newer is needed`);
  if (encoding !== 'UTF8') throw unfitServer(`has the database in ${String(encoding)}: UTF8 is needed`);
  // A standby, or a former primary: the next connection may reach the server that took over.
  if (readOnly !== 'off') throw unfitServer('accepts no writes: it is a standby, or read-only');
}

/**
 * A lease of the database for one process, which lasts as long as the process. Every connection holds a shared lock that
 * another process must hold exclusively to start, and the table `meta` names the last holder. So a new holder knows that
 * nothing of the previous one is still under way, and the previous one, once cut off, can't come back.
 */
export class SingleWriterLease {
  private readonly holderId = uuid();

  /** @param reason why the database can't be shared, for the operator of a second process */
  constructor(private readonly reason: string) {}

  /** Takes the lease. @returns false where another process holds it */
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

  /** Takes the shared lock on a further connection. @throws Fault where another process holds the lease by now */
  async confirm(session: DatabaseSession): Promise<void> {
    const { rows } = await session.query('select pg_try_advisory_lock_shared($1, $2) as held', [
      LOCK_NAMESPACE,
      ADVISORY_LOCKS.graph,
    ]);
    // Read once the lock is held: a process that wrote its own name had the lock exclusively.
    const { rows: meta } = await session.query(`select value from meta where key = 'graph_of'`, []);
    if (rows[0]?.['held'] !== true || meta[0]?.['value'] !== this.holderId)
      throw new Fault('database_unavailable', `another process has taken the database over; ${this.reason}`);
  }

  /** Makes the error that names the process that holds the lease. */
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
