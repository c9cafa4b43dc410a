/** Decision records for `remit replay`, `diff` and `explain`: from the service, or from a file. */
import type { Config } from '../config/config.js';
import { displayPath, readTextFile } from '../config/files.js';
import { parseRecord } from '../records/parse-record.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { ConfigError } from '../model/faults.js';
import { MAX_RECORD_DEPTH, StrictJsonError, parseStrictJson } from '../runtime/strict-json.js';
import { isObject } from '../policy/schema/types.js';
import { VALUES_KEY_OPTION, parseInstantOption, wholeNumber } from './command/option-values.js';
import type { OptionDeclarations } from './command/parse-arguments.js';
import { acceptedValues, openServiceClient } from './service-client.js';
import { UsageError } from './command/usage-error.js';

const MAX_RECORD_LIMIT = 100_000;
const RECORDS_PAGE_SIZE = 200;

export type DecisionOrSearchRecord = DecisionRecord | SearchRecord;

/** The options that say which records are read; `config`, the service's, is the command's own. */
export const RECORD_OPTIONS = {
  file: {
    value: 'FILE',
    description: "reads the records from a file, as GET /v1/decisions?values=true gives them, and not the service's",
  },
  from: { value: 'TIME', description: 'reads records from this time on (RFC 3339)', parse: parseInstantOption },
  to: { value: 'TIME', description: 'reads records from before this time (RFC 3339)', parse: parseInstantOption },
  limit: {
    value: 'N',
    description: 'reads so many records at most: the newest of the service, the first of a file',
    default: '1000',
    parse: wholeNumber(1, MAX_RECORD_LIMIT),
  },
  key: VALUES_KEY_OPTION,
} as const satisfies OptionDeclarations;

/** The values of {@link RECORD_OPTIONS}. */
export interface RecordSource {
  readonly file: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly limit: number;
  readonly key: string | undefined;
}

/**
 * Records up to the limit: from a file in its order, from the service the newest first.
 * @param config reads the service's configuration; not called where there is a file
 * @throws ConfigError for the file, UsageError where the service refuses, or shows the facts of decisions to an admin only
 */
export async function* readRecords(source: RecordSource, config: () => Config): AsyncGenerator<DecisionOrSearchRecord> {
  const records = source.file === undefined ? fetchRecords(config(), source) : readRecordsFile(source.file);
  let remaining = source.limit;
  for await (const record of records) {
    if ('redacted' in record)
      throw new UsageError(
        `${source.file === undefined ? '' : `${displayPath(source.file)}: `}the records come without the facts that the decisions rest on, which only an admin is shown: an admin client's key is needed (--key or REMIT_KEY), or a file of what an admin reads at GET /v1/decisions?values=true (--file)`,
      );
    yield record;
    remaining -= 1;
    if (remaining === 0) return;
  }
}

/** Page by page, as far as they are consumed. */
async function* fetchRecords(
  config: Config,
  { from, to, limit, key }: RecordSource,
): AsyncGenerator<DecisionOrSearchRecord> {
  const client = await openServiceClient(config, key);
  try {
    let pageToken = '';
    do {
      const query = new URLSearchParams({ values: 'true', limit: String(Math.min(RECORDS_PAGE_SIZE, limit)) });
      for (const [name, value] of Object.entries({ since: from, until: to, page_token: pageToken }))
        if (value !== undefined && value !== '') query.set(name, value);
      const { results, page } = acceptedValues(await client.get(`/v1/decisions?${query.toString()}`)) as {
        results: readonly DecisionOrSearchRecord[];
        page: { next_token: string };
      };
      yield* results;
      pageToken = page.next_token;
    } while (pageToken !== '');
  } finally {
    await client.close();
  }
}

/**
 * The records of a file, which holds JSON in one of three forms: a list of records, an answer of `GET /v1/decisions`,
 * or one of these or a record on each line.
 * @throws ConfigError that names the file, and the line or record
 */
export function readRecordsFile(path: string): DecisionOrSearchRecord[] {
  const file = displayPath(path);
  const records = parseJsonOrLines(readTextFile(path).trim(), file).flatMap((value) => {
    if (Array.isArray(value)) return value as unknown[];
    return isObject(value) && Array.isArray(value['results']) ? (value['results'] as unknown[]) : [value];
  });
  return records.map((record, i) => {
    if (!isObject(record) || typeof record['id'] !== 'string' || !isObject(record['request']))
      throw new ConfigError(`record ${i + 1} is not a decision record, as GET /v1/decisions gives them`, file);
    // A list's record has no facts that a decision is made of again.
    if ('search' in record) return record as unknown as SearchRecord;
    return parseRecord(record, `${file}: record ${i + 1}`);
  });
}

/** The value of a JSON text; of a text that isn't JSON as a whole, the value of each line. @throws ConfigError */
function parseJsonOrLines(text: string, file: string): unknown[] {
  try {
    return [parseStrictJson(text, MAX_RECORD_DEPTH)];
  } catch (error) {
    // A text that is JSON as a whole is no JSON in its first line alone.
    if (!(error instanceof StrictJsonError) || error.path !== '') throw toConfigError(error, file);
    return text.split('\n').map((line, i) => parseLine(line, `${file}:${i + 1}`));
  }
}

/** @throws ConfigError */
function parseLine(text: string, place: string): unknown {
  try {
    return parseStrictJson(text, MAX_RECORD_DEPTH);
  } catch (error) {
    throw toConfigError(error, place);
  }
}

function toConfigError(error: unknown, place: string): unknown {
  if (!(error instanceof StrictJsonError)) return error;
  return new ConfigError(error.path === '' ? 'is not JSON' : `${error.path} ${error.message}`, place);
}
