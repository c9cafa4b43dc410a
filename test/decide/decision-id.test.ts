/** Ids of decisions: by them records are listed, the newest first. */
import { describe, expect, it } from 'vitest';
import { formatItemId, newBatchId, newDecisionId, readDecisionId } from '../../src/decide/decision-id.js';

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

describe('an item of a batch', () => {
  const batch = newBatchId();
  it.each([0, 1, 999, 4095])('%i is read as it was written, and is no other', (item) => {
    const id = formatItemId(batch, item);
    expect(readDecisionId(`${batch}.${item}`)).toBe(id);
    expect(readDecisionId(`${batch}.${item}`.toUpperCase())).toBe(id);
    expect(readDecisionId(id)).toBe(id);
    expect(formatItemId(newBatchId(), item)).not.toBe(id);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-/);
  });

  it('has an id of its own', () => {
    expect(new Set(Array.from({ length: 4096 }, (_, item) => formatItemId(batch, item))).size).toBe(4096);
    expect(() => formatItemId(batch, 4096)).toThrow(RangeError);
  });

  it('is of a batch: nothing else is read as one', () => {
    const single = '0199d6f0-0000-7000-8000-000000000123';
    for (const text of [`${single}.0`, `${batch}.`, `${batch}.01`, `${batch}.-1`, `${batch}.4096`, `${batch}.1.1`, `.${batch}`, '', 'x'])
      expect(readDecisionId(text), text).toBeUndefined();
  }); // prettier-ignore
});
