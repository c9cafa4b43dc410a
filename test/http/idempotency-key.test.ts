/** The keys of a request's questions: equal ones are numbered, and keep their numbers. */
import { describe, expect, it } from 'vitest';
import { readIdempotencyKey } from '../../src/http/idempotency-key.js';
import { BadRequest } from '../../src/model/faults.js';

const read = (header: string | undefined) => readIdempotencyKey({ headers: { 'idempotency-key': header } });

describe('readIdempotencyKey', () => {
  it('numbers the equal questions of one request, and those of another anew', () => {
    for (const request of [read('k'), read('k')]) {
      const [a, b, c] = [request?.forQuestion(), request?.forQuestion(), request?.forQuestion()];
      expect([a?.countEqualBefore('x'), b?.countEqualBefore('y'), c?.countEqualBefore('x')]).toEqual([0, 0, 1]);
      // Asked again, and under the key that it has once its chain is complete.
      expect([c?.countEqualBefore('x'), a?.countEqualBefore('x'), a?.countEqualBefore('z')]).toEqual([1, 0, 0]);
      expect(a?.text).toBe('k');
    }
  });

  it('reads none where there is none, and refuses what can be none', () => {
    expect(read(undefined)).toBeUndefined();
    for (const odd of ['', 'a b', 'é', 'x'.repeat(256)]) expect(() => read(odd)).toThrow(BadRequest);
  });
});
