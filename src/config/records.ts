/** `records` of the configuration: what records have, for how long, and what a legal hold keeps beyond that. */
import { z } from 'zod';
import { findIdProblem, findTypeProblem, parseDescribedRef } from '../model/ids.js';
import { DURATION_TEXT, parseDuration } from '../runtime/duration.js';
import type { Hold } from '../store/record-hold.js';
import { boundedDurationFormat } from './durations.js';
import { readKeyFile } from './files.js';

/** Years differ in length, and records are kept for no less than was asked for. */
const LONGEST_YEAR_MS = 366 * 86_400_000;
const YEARS_TEXT = /^P([1-9]\d?)Y$/;
/** Records are read for a few days by what waits for people, and by outcomes that are reported. */
const SHORTEST_KEEPING_MS = 7 * 86_400_000;

const keepingFormat = z
  .string()
  .regex(new RegExp(`${YEARS_TEXT.source}|${DURATION_TEXT.source}`), 'must be a duration such as P1Y or P90D')
  .transform((text) => {
    const [, years] = YEARS_TEXT.exec(text) ?? [];
    return years === undefined ? (parseDuration(text) ?? 0) : Number(years) * LONGEST_YEAR_MS;
  })
  .refine((value) => value >= SHORTEST_KEEPING_MS, 'must be at least P7D');

const MAX_HELD_PEOPLE = 1000;

/** A person as `user:ann`, with the id as it is. */
const heldPersonFormat = z.string().transform((text, context) => {
  const ref = parseDescribedRef(text) ?? { type: '', id: '' };
  if (findTypeProblem(ref.type) === undefined && findIdProblem(ref.id) === undefined) return ref;
  context.addIssue({ code: 'custom', message: 'must name a person such as "user:ann"' });
  return z.NEVER;
});

export const recordsFormat = z
  .strictObject({
    facts: z.boolean().default(true),
    path: z
      .enum(['recorded', 'on_demand'])
      .default('recorded')
      .describe(
        'The relationships that grant: on the record of each decision, or proved for one where a reader asks for them',
      ),
    keep: keepingFormat.optional(),
    hold: z
      .union([z.boolean(), z.array(heldPersonFormat).max(MAX_HELD_PEOPLE)])
      .default(false)
      .describe('A legal hold: true, or the people whose records are kept and who can not be erased'),
    values: z
      .strictObject({
        key_file: z.string().min(1).optional(),
        keep: boundedDurationFormat('PT1H', 'P3650D').prefault('P90D'),
      })
      .prefault({}),
  })
  .prefault({});

export interface RecordsConfig {
  /** Whether decision records hold the facts that the decisions rested on. */
  readonly facts: boolean;
  /** Whether records have the path of relationships that grants; otherwise it is proved later, where it is asked for. */
  readonly path: 'recorded' | 'on_demand';
  /** The time for which records are kept, in milliseconds; undefined: for ever. */
  readonly keepMs: number | undefined;
  /** A legal hold keeps records and their values. */
  readonly hold: Hold;
  readonly values: {
    /** The file of the key; undefined only beside the embedded database, where it is made in the data directory. */
    readonly keyFile: string | undefined;
    /** The time for which values are kept, in milliseconds. */
    readonly keepMs: number;
  };
}

const VALUES_KEY_BYTES = 32;
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=\s*$/;

/** @param text 32 bytes in base64 */
function parseValuesKey(text: string): Buffer | undefined {
  const key = BASE64_KEY.test(text) ? Buffer.from(text, 'base64') : undefined;
  return key?.length === VALUES_KEY_BYTES ? key : undefined;
}

/** @throws ConfigError */
export function readValuesKey(file: string): Buffer {
  return readKeyFile(file, {
    setting: 'records.values.key_file',
    parse: parseValuesKey,
    problem: 'the file must have 32 bytes in base64, as "openssl rand -base64 32" makes them',
  });
}
