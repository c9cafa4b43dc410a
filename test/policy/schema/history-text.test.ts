/** The grammar of questions about the past: each has one form, and each slip is told. */
import { describe, expect, it } from 'vitest';
import type { HistoryKind } from '../../../src/model/history.js';
import { readHistoryText } from '../../../src/policy/schema/history-text.js';

const HOUR = 3_600_000;
const read = (kind: HistoryKind, text: string) => {
  const reading = readHistoryText(kind, text);
  return 'question' in reading ? reading.question : [reading.problem.message, reading.problem.suggestion].join(' ');
};

describe('a question about the past', () => {
  it('is read, whatever its order', () => {
    expect(read('count', 'HR::export by user within PT1H')).toEqual({
      kind: 'count',
      events: { action: 'HR::export', where: undefined },
      cleared: undefined,
      amount: undefined,
      by: ['user'],
      windowMs: HOUR,
      text: 'count HR::export by user within PT1H',
    });
    const secret = { action: 'Doc::read', where: { path: ['class'], value: 'secret' } };
    for (const text of [
      'Doc::read allowed by user, agent within PT8H where resource.class == secret',
      'Doc::read where resource.class == "secret" within PT8H by agent, user',
      'Doc::read by agent,user, where resource.class==secret , within PT8H',
    ])
      expect(read('happened', text), text).toEqual({
        kind: 'happened',
        events: secret,
        cleared: undefined,
        amount: undefined,
        by: ['user', 'agent'],
        windowMs: 8 * HOUR,
        text: 'happened Doc::read where resource.class == secret by user, agent within PT8H',
      });
    for (const text of [
      'Doc::read where resource.class == secret, no Session::cleared after, by user, agent within PT8H',
      'Doc::read by user, agent, no Session::cleared after, within PT8H where resource.class == secret',
    ])
      expect(read('since', text), text).toMatchObject({
        events: secret,
        cleared: { action: 'Session::cleared', where: undefined },
        by: ['user', 'agent'],
        text: 'since Doc::read where resource.class == secret no Session::cleared after by user, agent within PT8H',
      });
    expect(read('sum', 'Pay::transfer amount EUR 2 by user within P1D')).toMatchObject({
      amount: { unit: 'EUR', decimals: 2 },
      text: 'sum Pay::transfer amount EUR 2 by user within P1D',
    });
    expect(read('count', 'export within PT1H')).toMatchObject({ by: [], events: { action: 'export' } });
    expect(read('count', 'A::B::"look at" within PT1H where resource.a.b == "x y, z"')).toMatchObject({
      events: { action: 'A::B::look at', where: { path: ['a', 'b'], value: 'x y, z' } },
    });
  });

  it.each<[HistoryKind, string, RegExp]>([
    ['count', '', /ends where an action is expected; one is written "HR::export by user within PT1H"/],
    ['count', 'HR::export by user', /names no window/],
    ['count', 'HR::export within P1M', /is within "P1M", which is no duration/],
    ['count', 'HR::export within PT0S', /the shortest window is PT1S/],
    ['count', 'HR::export within', /ends where a duration is expected/],
    ['count', 'HR:export within PT1H', /has "HR:export" where an action such as HR::export is expected/],
    ['count', 'HR::export by usr within PT1H', /counts by "usr".*did you mean "user"/],
    ['count', 'HR::export by user, user within PT1H', /counts by user twice/],
    ['count', 'HR::export by user by agent within PT1H', /has "by" twice/],
    ['count', 'HR::export wihtin PT1H', /has "wihtin" where .* is expected.*did you mean "within"/],
    ['count', 'HR::export, no HR::read after, within PT1H', /has "no" where "by", "within" or "where"/],
    ['count', 'HR::export within PT1H where principal.kind == x', /an attribute such as resource.class/],
    ['count', 'HR::export within PT1H where resource.kind != x', /compares by "!": |has "!"|compares by "!"/],
    ['count', 'HR::export within PT1H where resource.kind == ', /ends where a value is expected/],
    ['count', 'HR::export within PT1H where resource.kind == "x" "y"', /has ""y"" where/],
    ['sum', 'Pay::transfer within P1D', /names no amount/],
    ['sum', 'Pay::transfer amount 9 2 within P1D', /has "9" where a unit/],
    ['sum', 'Pay::transfer amount EUR 19 within P1D', /has "19" where a number of decimals from 0 to 18/],
    ['since', 'Doc::read within PT8H', /names nothing that ends it/],
    ['since', 'Doc::read, no Doc::clear within PT8H', /has "within" where "after" is expected/],
    ['since', 'Doc::read, no A after, no B after, within PT8H', /has "no" twice/],
  ])('of @%s "%s" is refused', (kind, text, expected) => {
    expect(read(kind, text)).toMatch(expected);
  });
});
