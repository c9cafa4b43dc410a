/**
 * Reads what usage has to know beside the records of a period: which of them came to nothing, and what agents had been allowed
 * before. The work is bounded whatever the store holds.
 */
import { parseDescribedRef } from '../model/ids.js';
import type { Database } from './database/port.js';
import { toSearchKey } from './record-row.js';
import type { RecordValues } from './record-values.js';

/** The user whose records they are, or the agent whose, as `type:id`. */
export interface UsingParty {
  readonly member: 'user' | 'agent';
  readonly ref: string;
}

export interface EarlierUses {
  /** Whether the agent, as `type:id`, had been allowed the action on the type; true where the record doesn't say on which. */
  readonly has: (agent: string, action: string, resourceType: string) => boolean;
  /** False where there may be more before what was looked at. */
  readonly complete: boolean;
}

const PARTY_COLUMNS = { user: 'user_key', agent: 'agent_key' } as const;
/** The newest records of before that are looked at. */
const MAX_EARLIER_ROWS = 2_000;
/** The longest that a PostgreSQL server works on it. */
const EARLIER_TIMEOUT_MS = 2_000;

/**
 * Finds those of which a client reported that they failed or were abandoned. An agent's own word isn't asked for: it takes nothing
 * out of what the agent did.
 * @param decisions ids of decisions and lists
 * @throws Fault
 */
export async function findUndoneDecisions(
  database: Pick<Database, 'run'>,
  decisions: readonly string[],
): Promise<ReadonlySet<string>> {
  if (decisions.length === 0) return new Set();
  const [rows = []] = await database.run([
    {
      sql: `select about from records where kind = 'outcome' and about = any ($1::uuid[]) and client not like 'agent:%'
              and record->>'outcome' in ('failed', 'abandoned')`,
      params: [`{${[...new Set(decisions)].join(',')}}`],
    },
  ]);
  return new Set(rows.map((row) => String(row['about'])));
}

/**
 * Reads which actions agents had been allowed before an instant. The newest records before it are looked at, and no more than a
 * page of records looks at.
 * @param agents those that are asked about, as `type:id`
 * @param before RFC 3339
 * @throws Fault
 */
export async function readEarlierUses(
  database: Pick<Database, 'run'>,
  values: Pick<RecordValues, 'findName'>,
  { member, ref }: UsingParty,
  agents: readonly string[],
  before: string,
): Promise<EarlierUses> {
  const key = await findPartyKey(values, ref);
  if (key === undefined) return { has: () => false, complete: true };
  // A list that only says what could be done is no use of it.
  const scanned = `select agent_key, action, resource_key,
      decision and (kind <> 'list' or record->>'search' = 'filter') as used from records
    where decision is not null and ${PARTY_COLUMNS[member]} = $1 and at < $2::timestamptz
    order by at desc, id desc limit ${MAX_EARLIER_ROWS}`;
  const params = [key, before];
  const [, rows = [], [counted] = []] = await database.run([
    { sql: `set local statement_timeout = ${EARLIER_TIMEOUT_MS}` },
    {
      // A key that is long is a hash, which tells no type, and a list has no resource.
      sql: `select distinct agent_key, action,
              case when resource_key is null or resource_key like '#%' then '' else split_part(resource_key, ':', 1) end as type
            from (${scanned}) s where used and agent_key is not null and action is not null`,
      params,
    },
    { sql: `select count(*)::int as n from (${scanned}) s`, params },
  ]);
  const used = new Set(rows.map((row) => useKey(String(row['agent_key']), String(row['action']), String(row['type']))));
  const agentKeys = new Map<string, string | undefined>();
  for (const agent of agents) agentKeys.set(agent, await findPartyKey(values, agent));
  return {
    has: (agent, action, resourceType) => {
      const agentKey = agentKeys.get(agent);
      const actionKey = toSearchKey(action);
      return agentKey !== undefined && ['', resourceType].some((type) => used.has(useKey(agentKey, actionKey, type)));
    },
    complete: Number(counted?.['n']) < MAX_EARLIER_ROWS,
  };
}

/** The key of a party's records; undefined where the log has no name of it. */
async function findPartyKey(values: Pick<RecordValues, 'findName'>, text: string): Promise<string | undefined> {
  const ref = parseDescribedRef(text);
  const name = ref === undefined ? undefined : await values.findName(ref);
  return ref === undefined || name === undefined ? undefined : toSearchKey(`${ref.type}:${name}`);
}

function useKey(agentKey: string, action: string, type: string): string {
  return JSON.stringify([agentKey, action, type]);
}
