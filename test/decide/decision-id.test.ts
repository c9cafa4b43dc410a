/** Ids of decisions: by them records are listed, the newest first. */
import { describe, expect, it } from 'vitest';
import { newDecisionId } from '../../src/decide/decision-id.js';

describe('newDecisionId', () => {
  const before = Date.now();
  const ids = Array.from({ length: 10_000 }, newDecisionId);
  const after = Date.now();

  it('makes UUIDs of version 7, no two alike, each with other random bits', () => {
    const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(ids.filter((id) => !form.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    // 40 random bits: of ten thousand, two are alike once in twenty thousand runs.
    expect(new Set(ids.map((id) => id.slice(-10))).size).toBeGreaterThan(ids.length - 3);
  });

  it('begins them with the time', () => {
    const times = ids.map((id) => Number.parseInt(id.replace('-', '').slice(0, 12), 16));
    expect(times.filter((time) => time < before || time > after)).toEqual([]);
  });

  it('makes them in order, within a millisecond too', () => expect(ids.toSorted()).toEqual(ids));
});
