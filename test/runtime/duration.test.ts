/** Durations: what is read, and what is none. */
import { expect, it } from 'vitest';
import { parseDuration } from '../../src/runtime/duration.js';

it.each([
  ['PT1H', 3_600_000],
  ['P1DT2H3M4S', 86_400_000 + 2 * 3_600_000 + 3 * 60_000 + 4000],
  ['P2W', 14 * 86_400_000],
  ['PT0S', 0],
  ['P', undefined],
  ['PT', undefined],
  ['P1M', undefined],
  ['1h', undefined],
  ['-PT1H', undefined],
  ['PT1.5H', undefined],
])('%s', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});
