/** Ids of decisions and searches: UUIDs of version 7, which sort by the time and the order in which they were made. */
import { randomFillSync, randomInt } from 'node:crypto';
import { v7 } from 'uuid';

const BYTES = 16;
/** Random bytes for many ids: asking the system for those of each takes longer than judging a step. */
const pool = new Uint8Array(256 * BYTES);
let poolOffset = pool.length;
/** Orders the ids of one millisecond: a counter of 32 bits that starts at random in each process. */
let sequence = randomInt(2 ** 31);

export function newDecisionId(): string {
  if (poolOffset === pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  const random = pool.subarray(poolOffset, (poolOffset += BYTES));
  sequence = (sequence + 1) >>> 0;
  return v7({ random, seq: sequence });
}
