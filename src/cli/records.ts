/** Decision records: of the service, or from a file. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { shown } from '../config/files.js';
import { readRecord } from '../records/parse-record.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { ConfigError } from '../model/faults.js';
import { isObject } from '../policy/schema/types.js';
import { ask, refusal } from './service-request.js';
import { Usage } from './command.js';

const MOST = 100_000;
const PAGE = 200;

export type Record = DecisionRecord | SearchRecord;

/** How many records at most. @throws Usage */
export function limitOf(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST) throw new Usage(`--limit must be from 1 to ${MOST}`);
  return limit;
}

/** Where records come from, as the options say. */
export interface From {
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
export function recordsOf({ file, from, to, key }: From, config: () => Config, limit: number): AsyncIterable<Record> {
  if (file !== undefined) return firstOf(fromFile(file), limit);
  const asked = config();
  return firstOf(recorded(asked, key ?? asked.key, { from, to }, limit), limit);
}

async function* firstOf(records: AsyncIterable<Record> | Iterable<Record>, limit: number): AsyncGenerator<Record> {
  let left = limit;
  for await (const record of records) {
    yield record;
    left -= 1;
    if (left === 0) return;
  }
}

/** The newest first. @throws Usage where the service refuses */
async function* recorded(
  config: Config,
  key: string | undefined,
  times: { readonly from: string | undefined; readonly to: string | undefined },
  limit: number,
): AsyncGenerator<Record> {
  const asked = await ask(config, key);
  try {
    let page = '';
    do {
      const query = new URLSearchParams({ limit: String(Math.min(PAGE, limit)) });
      for (const [name, value] of Object.entries({ ...times, page_token: page }))
        if (value !== undefined && value !== '') query.set(name, value);
      const { status, body } = await asked.get(`/v1/decisions?${query.toString()}`);
      if (status !== 200) {
        throw refusal({ status, body });
      }
      const { results, page: next } = body as { results: readonly Record[]; page: { next_token: string } };
      yield* results;
      page = next.next_token;
    } while (page !== '');
  } finally {
    await asked.close();
  }
}

/** One JSON value a line, or one of all: a list of records, or an answer of GET /v1/decisions. @throws ConfigError */
export function fromFile(file: string): Record[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`, shown(file));
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
    values = text.split('\n').map((line, i) => parse(line, `${shown(file)}:${i + 1}`));
  }
  const records = values.flatMap((value) =>
    isObject(value) && Array.isArray(value['results']) ? (value['results'] as unknown[]) : [value],
  );
  return records.map((value, i) => {
    if (!isObject(value) || typeof value['id'] !== 'string' || !isObject(value['request']))
      throw new ConfigError(`record ${i + 1} is none, as GET /v1/decisions gives them`, shown(file));
    // Of a list nothing is decided again.
    return 'search' in value ? (value as unknown as Record) : readRecord(value, `${shown(file)}: record ${i + 1}`);
  });
}
