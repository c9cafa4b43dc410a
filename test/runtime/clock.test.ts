import { beforeEach, describe, expect, it } from 'vitest';
import { createClock, MAX_HOLD_MS } from '../../src/runtime/clock.js';

const MINUTE = 60_000;

describe('the clock that decisions are made by', () => {
  let system: number;
  let steady: number;
  let lines: string[];
  let now: () => Date;
  const pass = (ms: number): void => {
    system += ms;
    steady += ms;
  };
  const told = (): number => now().getTime();
  beforeEach(() => {
    [system, steady, lines] = [Date.parse('2030-03-04T10:00:00Z'), 5, []];
    now = createClock({ system: () => system, steady: () => steady, log: (line) => lines.push(line) });
  });

  it('is the host’s', () => {
    for (let i = 0; i < 100; i += 1) {
      pass(i * 1000);
      expect(told()).toBe(system);
    }
    expect(lines).toEqual([]);
  });

  it('follows it forwards at once, as after a machine has slept', () => {
    system += 60 * MINUTE;
    expect(told()).toBe(system);
    expect(lines).toEqual(["the host's clock was set forward by 3600 s"]);
  });

  it('set back, goes on: what has expired stays so', () => {
    pass(MINUTE);
    const expired = told();
    system -= 60 * MINUTE;
    for (let i = 0; i < 4; i += 1) {
      pass(MINUTE);
      expect(told()).toBe(expired + (i + 1) * MINUTE);
    }
    expect(lines).toEqual(["the host's clock was set back by 3600 s, which is not followed for 5 min"]);
  });

  it('follows it back after a while, without a restart', () => {
    told();
    system -= 60 * MINUTE;
    told();
    pass(MAX_HOLD_MS - 1);
    expect(told()).toBeGreaterThan(system);
    pass(1);
    expect(told()).toBe(system);
    pass(MINUTE);
    expect(told()).toBe(system);
  });

  it('set forward by mistake and back again, never goes back while a proof could be used once more', () => {
    system += 10 * MINUTE;
    const ahead = told();
    system -= 10 * MINUTE;
    expect(told()).toBe(ahead);
    pass(MAX_HOLD_MS - 1);
    expect(told()).toBe(ahead + MAX_HOLD_MS - 1);
    pass(1);
    expect(told()).toBe(system);
  });

  it('never goes back by the small corrections of a time service', () => {
    let last = told();
    for (let i = 0; i < 1000; i += 1) {
      pass(10);
      if (i % 3 === 0) system -= 7;
      const time = told();
      expect(time).toBeGreaterThanOrEqual(last);
      last = time;
    }
    expect(lines).toEqual([]);
  });
});
