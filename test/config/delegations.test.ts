/** `delegations` of the configuration: durations of ISO 8601. */
import { describe, expect, it } from 'vitest';
import { delegationsFormat } from '../../src/config/delegations.js';

const HOUR = 3_600_000;

describe('delegations.client_max', () => {
  it.each([
    ['P30D', 720 * HOUR],
    ['P1W', 168 * HOUR],
    ['PT12H', 12 * HOUR],
    ['P1DT1H30M5S', 25.5 * HOUR + 5000],
  ])('reads %s', (text, ms) => {
    expect(delegationsFormat.parse({ client_max: text })).toEqual({ client_max: ms });
  });

  it('is thirty days where nothing is said', () => {
    expect(delegationsFormat.parse(undefined)).toEqual({ client_max: 720 * HOUR });
  });

  it.each(['P', 'PT', '30d', 'P1M', 'P1Y', '-P1D', 'P1.5D', ' P1D', 30])('refuses %j', (text) => {
    expect(delegationsFormat.safeParse({ client_max: text }).success).toBe(false);
  });
});
