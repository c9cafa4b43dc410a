/** Decision records from a file. */
import { readFileSync } from 'node:fs';
import { shown } from '../config/files.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { ConfigError } from '../model/faults.js';
import { isObject } from '../rules/types.js';

/** One JSON value a line, or one of all: a list of records, or an answer of GET /v1/decisions. @throws ConfigError */
export function recordsOf(file: string): (DecisionRecord | SearchRecord)[] {
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
    return value as unknown as DecisionRecord | SearchRecord;
  });
}
