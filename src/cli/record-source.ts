/** Decision records: of the service, or from a file. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { parseRecord } from '../records/parse-record.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { ConfigError } from '../model/faults.js';
import { isObject } from '../policy/schema/types.js';
import { openServiceClient, rejectionError } from './service-client.js';
import { UsageError } from './command.js';

const MAX_RECORD_LIMIT = 100_000;
const RECORDS_PAGE_SIZE = 200;

export type DecisionOrSearchRecord = DecisionRecord | SearchRecord;

/** How many records at most. @throws Usage */
export function parseRecordLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_RECORD_LIMIT)
    throw new UsageError(`--limit must be from 1 to ${MAX_RECORD_LIMIT}`);
  return limit;
}

/** Where records come from, as the options say. */
export interface RecordSource {
  readonly file?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly key?: string | undefined;
}

/**
 * As many as the limit allows: of a file in its order, of the service the newest first.
 * @param config of the service; asked for where there is no file
 * @throws ConfigError for the file, Usage where the service refuses
 */
export function readRecords(
  { file, from, to, key }: RecordSource,
  config: () => Config,
  limit: number,
): AsyncIterable<DecisionOrSearchRecord> {
  if (file !== undefined) return takeRecords(readRecordsFile(file), limit);
  const settings = config();
  return takeRecords(fetchRecords(settings, key ?? settings.clientKey, { from, to }, limit), limit);
}

async function* takeRecords(
  records: AsyncIterable<DecisionOrSearchRecord> | Iterable<DecisionOrSearchRecord>,
  limit: number,
): AsyncGenerator<DecisionOrSearchRecord> {
  let remaining = limit;
  for await (const record of records) {
    yield record;
    remaining -= 1;
    if (remaining === 0) return;
  }
}

/** The newest first. @throws Usage where the service refuses */
async function* fetchRecords(
  config: Config,
  key: string | undefined,
  times: { readonly from: string | undefined; readonly to: string | undefined },
  limit: number,
): AsyncGenerator<DecisionOrSearchRecord> {
  const client = await openServiceClient(config, key);
  try {
    let page = '';
    do {
      const query = new URLSearchParams({ limit: String(Math.min(RECORDS_PAGE_SIZE, limit)) });
      for (const [name, value] of Object.entries({ ...times, page_token: page }))
        if (value !== undefined && value !== '') query.set(name, value);
      const { status, body } = await client.get(`/v1/decisions?${query.toString()}`);
      if (status !== 200) {
        throw rejectionError({ status, body });
      }
      const { results, page: next } = body as {
        results: readonly DecisionOrSearchRecord[];
        page: { next_token: string };
      };
      yield* results;
      page = next.next_token;
    } while (page !== '');
  } finally {
    await client.close();
  }
}

/** One JSON value a line, or one of all: a list of records, or an answer of GET /v1/decisions. @throws ConfigError */
export function readRecordsFile(file: string): DecisionOrSearchRecord[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`, displayPath(file));
  }
  const parse = (json: string, place: string): unknown => {
    try {
      return JSON.parse(json);
    } catch {
      throw new ConfigError('is not JSON', place);
    }
  };
  let values: unknown[];
  try {
    values = [JSON.parse(text)].flat();
  } catch {
    values = text.split('\n').map((line, i) => parse(line, `${displayPath(file)}:${i + 1}`));
  }
  const records = values.flatMap((value) =>
    isObject(value) && Array.isArray(value['results']) ? (value['results'] as unknown[]) : [value],
  );
  return records.map((value, i) => {
    if (!isObject(value) || typeof value['id'] !== 'string' || !isObject(value['request']))
      throw new ConfigError(`record ${i + 1} is none, as GET /v1/decisions gives them`, displayPath(file));
    // Of a list nothing is decided again.
    return 'search' in value
      ? (value as unknown as DecisionOrSearchRecord)
      : parseRecord(value, `${displayPath(file)}: record ${i + 1}`);
  });
}
