/** `approvals` of the configuration: bounds of how long people may take, and how long their yes is good. */
import { describe, expect, it } from 'vitest';
import { approvalsFormat, resolveApprovals } from '../../src/config/approvals.js';

const MINUTE = 60_000;

describe('approvals', () => {
  it('has bounds where nothing is said', () => {
    expect(resolveApprovals(approvalsFormat.parse(undefined))).toEqual({
      open: 20, waitingMs: 1440 * MINUTE, onceMs: 15 * MINUTE, untilMaxMs: 1440 * MINUTE, cooldownMs: 60 * MINUTE,
    }); // prettier-ignore
  });

  it.each([
    ['open', 1, 1],
    ['waiting', 'P30D', 30 * 1440 * MINUTE],
    ['once', 'PT1M', MINUTE],
    ['until_max', 'P90D', 90 * 1440 * MINUTE],
    ['cooldown', 'PT0S', 0],
  ])('reads %s', (key, value, read) => {
    expect(approvalsFormat.parse({ [key]: value })).toMatchObject({ [key]: read });
  });

  it.each([
    ['open', 0, 'Too small'],
    ['open', 1001, 'Too big'],
    ['waiting', 'P31D', 'must be between PT1M and P30D'],
    ['once', 'PT59S', 'must be between PT1M and P1D'],
    ['until_max', 'P91D', 'must be between PT1M and P90D'],
    ['cooldown', 'P8D', 'must be between PT0S and P7D'],
    ['once', '15m', 'must be a duration such as P30D or PT12H'],
  ])('refuses %s: %j', (key, value, message) => {
    expect(approvalsFormat.safeParse({ [key]: value }).error?.issues[0]?.message).toContain(message);
  });
});
