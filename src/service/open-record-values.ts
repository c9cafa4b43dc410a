/** Opens what keeps people and values out of the records, with the key that is configured, or that of the data directory. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { readValuesKey } from '../config/records.js';
import { ConfigError } from '../model/faults.js';
import { ensureSecretFile } from '../runtime/secret-file.js';
import type { Database } from '../store/database/port.js';
import { RecordValues } from '../store/record-values.js';

/** The name of the key in the data directory. */
const KEY_NAME = 'values.key';

/** @throws ConfigError; the error of the file system where the data directory can't be used */
export async function openRecordValues(
  { records, database: { mode }, data, file }: Pick<Config, 'records' | 'database' | 'data' | 'file'>,
  database: Database,
  personTypes: () => ReadonlySet<string>,
): Promise<RecordValues> {
  const { keyFile, keepMs } = records.values;
  const { hold } = records;
  const path = keyFile ?? (mode === 'embedded' ? await makeOwnKey(data) : undefined);
  if (path === undefined)
    // A key that is in the database with what it seals would keep nothing from who has a copy of it.
    throw new ConfigError(
      'must name a file with the key that seals the values of records, the same for every replica: "openssl rand -base64 32" makes one',
      { file: displayPath(file), key: 'records.values.key_file' },
    );
  return new RecordValues(database, { key: readValuesKey(path), keepMs, hold, personTypes });
}

async function makeOwnKey(data: string): Promise<string> {
  const path = join(data, KEY_NAME);
  await ensureSecretFile(path, () => randomBytes(32).toString('base64'));
  return path;
}
