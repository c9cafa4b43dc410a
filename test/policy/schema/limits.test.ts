/** Limits in both of their forms, and every way in which one can fail to be a limit. */
import { describe, expect, it } from 'vitest';
import { readLimit, readLimitText } from '../../../src/policy/schema/limits.js';
import {
  completeLimits,
  grantLimitsFormat,
  MAX_GRANT_LIMITS,
  readStatedLimits,
} from '../../../src/policy/schema/limits-format.js';

const problemOf = (text: string): string => {
  const read = readLimitText(text);
  return 'problem' in read ? [read.problem.message, read.problem.suggestion].filter(Boolean).join('; ') : '';
};

describe('the text of limits', () => {
  it('says how much, in which time, and for whom', () => {
    expect(readLimitText('100 per P1D by user, agent; 500.00 EUR per P1M calendar Europe/Berlin by user')).toEqual({
      limits: [
        {
          bound: { value: 100n, unit: undefined, decimals: 0 },
          period: 'P1D',
          window: 'sliding',
          zone: 'UTC',
          by: ['user', 'agent'],
          text: '100 per P1D by user, agent',
        },
        {
          bound: { value: 50_000n, unit: 'EUR', decimals: 2 },
          period: 'P1M',
          window: 'calendar',
          zone: 'Europe/Berlin',
          by: ['user'],
          text: '500.00 EUR per P1M calendar Europe/Berlin by user',
        },
      ],
    });
    expect(readLimitText(' 5  per  total ')).toMatchObject({
      limits: [{ period: 'total', by: [], text: '5 per total' }],
    });
    expect(readLimitText('9 per P1M by agent,user')).toMatchObject({
      limits: [{ window: 'calendar', by: ['user', 'agent'] }],
    });
    expect(readLimitText('9 per PT1H sliding by agent')).toMatchObject({
      limits: [{ window: 'sliding', text: '9 per PT1H by agent' }],
    });
  });

  it('reads its own text again', () => {
    for (const text of [
      '100 per P1D by user, agent',
      '0.50 EUR per P1W calendar Europe/Berlin',
      '3 per P1M calendar by agent',
      '1 tokens per total by user',
    ]) {
      const read = readLimitText(text);
      expect('limits' in read ? read.limits.map((limit) => limit.text) : read).toEqual([text]);
    }
  });

  it.each([
    ['', /"" is no limit; one is written/],
    ['100', /is no limit/],
    ['100 by user', /is no limit/],
    ['100 per P1D;', /"" is no limit/],
    ['-1 per P1D', /is no limit/],
    ['1e3 per P1D', /is no limit/],
    ['0 per P1D', /the bound must be a whole number from 1/],
    ['9007199254740992 per P1D', /the bound must be a whole number from 1/],
    ['9999999999999999.99 EUR per P1D', /"value" that is a whole number within/],
    ['1.5 per P1D', /counts uses, so its bound must be a whole number/],
    ['1 per P1Y', /has the period "P1Y".*did you mean "P1[DMW]"/],
    ['1 per P1D rolling', /has the window "rolling"/],
    ['1 per P1D calender', /did you mean "calendar"/],
    ['1 per P1M sliding', /months differ in length/],
    ['1 per total calendar', /"total" has no window/],
    ['1 per P1D sliding Europe/Berlin', /a zone is for calendar windows/],
    ['1 per P1D calendar Berlin', /the zone "Berlin" must be a time zone/],
    ['1 per P1D calendar +01:00', /the zone "\+01:00" must be a time zone/],
    ['1 per P1D by users', /counts by "users".*did you mean "user"/],
    ['1 per P1D by user, user', /counts by one party twice/],
    ['1 per P1D by', /is none of sliding, calendar|is no limit/],
    ['1 E€R per P1D', /needs a "unit"/],
    ['1 per P1D by user; 5 per P1D by user', /bounds what another of the limits bounds/],
    ['1 EUR per P1D; 5 USD per P1W', /the units EUR and USD/],
    [Array.from({ length: 9 }, () => '1 per P1D').join(';'), /names 9 limits; 8 are the most/],
  ])('is not %j', (text, problem) => {
    expect(problemOf(text)).toMatch(problem);
  });
});

const zones = Intl.supportedValuesOf('timeZone');

describe('the JSON of limits', () => {
  it('says the same', () => {
    const json = [
      { count: 100, per: 'P1D', window: 'sliding' },
      { amount: { value: 50_000, unit: 'EUR', decimals: 2 }, per: 'P1M', window: 'calendar', zone: 'Europe/Berlin' },
    ];
    const text = readLimitText('100 per P1D; 500.00 EUR per P1M calendar Europe/Berlin');
    expect(readStatedLimits(grantLimitsFormat.parse(json))).toEqual('limits' in text ? text.limits : undefined);
  });

  it.each([
    [{ per: 'P1D' }],
    [{ count: 1, amount: { value: 1, unit: 'EUR' }, per: 'P1D' }],
    [{ count: 0, per: 'P1D' }],
    [{ count: 1.5, per: 'P1D' }],
    [{ count: '1', per: 'P1D' }],
    [{ amount: 12.5, per: 'P1D' }],
    [{ amount: { value: 1, unit: 'EUR', decimals: 40 }, per: 'P1D' }],
    [{ count: 1, per: 'P1M', window: 'sliding' }],
    [{ count: 1, per: 'P1D', window: 'calendar', zone: 'Mars/Olympus' }],
    [{ count: 1, per: 'P1D', by: ['user'] }],
    [{ count: 2 ** 53, per: 'P1D' }],
    [{ count: 1, per: 'total', zone: 'UTC' }],
    [{ count: 1, per: 'P1D', window: 'sliding', zone: 'UTC' }],
    [{ amount: { value: 0, unit: 'EUR' }, per: 'P1D' }],
    [{ amount: { value: 1, unit: 'E R' }, per: 'P1D' }],
    [{ count: 1, per: 'P1D', window: 'calendar', zone: '+01:00' }],
  ])('is not %j', (limit) => {
    expect(grantLimitsFormat.safeParse([limit]).success).toBe(false);
  });

  it.each([
    ['two that bound the same', [{ count: 1, per: 'P1D' }, { count: 2, per: 'P1D', window: 'sliding' }]],
    ['two units', [{ amount: { value: 1, unit: 'EUR' }, per: 'P1D' }, { amount: { value: 1, unit: 'USD' }, per: 'P1W' }]],
    ['too many', Array.from({ length: MAX_GRANT_LIMITS + 1 }, (_, i) => ({ count: i + 1, per: 'P1D', window: 'calendar', zone: zones[i] }))],
  ])('has not %s', (_what, limits) => {
    expect(grantLimitsFormat.safeParse(limits).success).toBe(false);
    expect(grantLimitsFormat.safeParse(limits.slice(1)).success).toBe(true);
  }); // prettier-ignore

  it('is completed with its window', () => {
    const stated = grantLimitsFormat.parse([
      { count: 1, per: 'P1D' },
      { count: 1, per: 'P1M' },
      { count: 1, per: 'total' },
      { amount: { value: 1, unit: 'EUR' }, per: 'PT1H', window: 'calendar' },
    ]);
    expect(completeLimits(stated)).toEqual([
      { count: 1, per: 'P1D', window: 'sliding' },
      { count: 1, per: 'P1M', window: 'calendar' },
      { count: 1, per: 'total' },
      { amount: { value: 1, unit: 'EUR', decimals: 0 }, per: 'PT1H', window: 'calendar' },
    ]);
  });

  it('is checked by the function that checks the text', () => {
    expect(readLimit({ count: 1, per: 'P1M', window: 'sliding' })).toEqual({
      problem: 'months differ in length, so P1M is of the calendar: write "calendar", or P1W',
    });
  });
});
