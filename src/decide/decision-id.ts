/** Ids of decisions and searches: UUIDs that begin with the time (version 7), in the order in which they were made. */
import { randomFillSync, randomInt } from 'node:crypto';
import { v7 } from 'uuid';

const BYTES = 16;
/** Drawn for many at a time: asking the system for each id's own takes longer than to judge a step. */
const pool = new Uint8Array(256 * BYTES);
let drawn = pool.length;
/** Orders those of the same millisecond; 32 bits, of which a process runs through a part that it chose by lot. */
let sequence = randomInt(2 ** 31);

export function newDecisionId(): string {
  if (drawn === pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  const random = pool.subarray(drawn, (drawn += BYTES));
  sequence = (sequence + 1) >>> 0;
  return v7({ random, seq: sequence });
}
