/**
 * Ids of decisions and lists: UUIDs of version 7, which sort by the time and the order in which they were made. A batch has
 * one, and each of its items one of version 8 that both are read from, so that `<id of the batch>.<item>` names a decision
 * whose answer had no place for an id.
 */
import { randomFillSync, randomInt } from 'node:crypto';
import { v7 } from 'uuid';
import { isUuid } from '../model/ids.js';

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

/** The place of the version in a UUID's text, and of the last digits, which number the items of a batch. */
const [VERSION_AT, ITEM_AT] = [14, 33];
const MAX_ITEM = 0xfff;
const ITEM_NAME = /^([0-9a-f-]{36})\.(0|[1-9][0-9]{0,3})$/;

/** @returns the id of a batch: only it ends in zeros, so its items have room for their numbers */
export function newBatchId(): string {
  return `${newDecisionId().slice(0, ITEM_AT)}000`;
}

/** @param item its number in the batch, from 0 */
export function formatItemId(batch: string, item: number): string {
  if (item > MAX_ITEM) throw new RangeError('a batch has at most 4,096 items');
  const digits = item.toString(16).padStart(batch.length - ITEM_AT, '0');
  return `${batch.slice(0, VERSION_AT)}8${batch.slice(VERSION_AT + 1, ITEM_AT)}${digits}`;
}

/**
 * Reads how a caller names a decision: by its id, or as an item of a batch.
 * @returns the id; undefined where it can be none
 */
export function readDecisionId(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (isUuid(lower)) return lower;
  const [, batch = '', item = ''] = ITEM_NAME.exec(lower) ?? [];
  const isBatch = isUuid(batch) && batch[VERSION_AT] === '7' && batch.endsWith('000') && Number(item) <= MAX_ITEM;
  return isBatch ? formatItemId(batch, Number(item)) : undefined;
}
