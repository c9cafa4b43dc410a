/** `records` of the configuration: records are kept for no less than was asked for, and as long as they are read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { recordsFormat } from '../../src/config/records.js';
import { collectCleanups } from '../support/cleanups.js';

const DAY_MS = 86_400_000;
const directory = mkdtempSync(join(tmpdir(), 'remit-records-'));
collectCleanups()(() => rmSync(directory, { recursive: true }));

describe('records.keep', () => {
  it('is for ever, a time, or years that are no shorter than any year', () => {
    expect(recordsFormat.parse(undefined).keep).toBeUndefined();
    for (const [text, days] of [['P7D', 7], ['P90D', 90], ['P52W', 364], ['P1Y', 366], ['P10Y', 3660]] as const)
      expect(recordsFormat.parse({ keep: text }).keep).toBe(days * DAY_MS); // prettier-ignore
  });

  it.each(['P6D', 'PT1H', 'P', '', 'P0Y', 'P1M', '1Y', 'P1Y2D', 'P100Y', 365, true])('is never %j', (keep) => {
    expect(recordsFormat.safeParse({ keep }).success).toBe(false);
  });

  it('is longer than an approval waits, which is of a denial on record', () => {
    const file = join(directory, 'remit.yaml');
    const load = (keep: string) => {
      const sections = ['schema: { relationships: a, actions: b }', 'policies: c', 'approvals: { waiting: P10D }'];
      writeFileSync(file, [...sections, `records: { keep: ${keep} }`].join('\n'));
      return loadConfig(file, {}).records.keepMs;
    };
    expect(load('P11D')).toBe(11 * DAY_MS);
    expect(() => load('P10D')).toThrow(/records\.keep.*approvals\.waiting/);
  });
});
