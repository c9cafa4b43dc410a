import { expect, it } from 'vitest';
import { toDurationMs } from '../../src/policy/duration.js';

it.each([
  ['1d2h3m4s5ms', 93_784_005],
  ['90m', 5_400_000],
  ['-1h', -3_600_000],
  ['0ms', 0],
])('The duration %s is %d milliseconds', (text, ms) => {
  expect(toDurationMs(text)).toBe(ms);
});
