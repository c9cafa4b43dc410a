/**
 * Commitments, which stand on record in place of values that aren't for all who read the log. A reader who is given the value and its
 * salt can check that it is the one that was recorded; without the salt it can't be guessed, however few values there are.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { writeCanonicalJson } from './canonical-json.js';

export interface Commitment {
  /** SHA-256 of the salt and the value's canonical JSON, in base64. */
  readonly $commit: string;
}

const SEED_BYTES = 32;
/** The length of every salt. It is fixed, since the hash alone doesn't say where the salt ends and the value begins. */
export const SALT_BYTES = 32;

/** The secret of a record, from which the salts of its values are made. */
export function newRecordSeed(): Buffer {
  return randomBytes(SEED_BYTES);
}

/** The salt of the value at a path of the record: no salt tells those of other values. */
export function deriveSalt(seed: Uint8Array, path: string): Buffer {
  return createHmac('sha256', seed).update(path).digest();
}

/** @param value as JSON has it */
export function commit(value: unknown, salt: Uint8Array): Commitment {
  return { $commit: createHash('sha256').update(salt).update(writeCanonicalJson(value)).digest('base64') };
}

/** Whether the commitment was made of this value and salt. */
export function opensCommitment(commitment: Commitment, value: unknown, salt: Uint8Array): boolean {
  const [a, b] = [commitment, commit(value, salt)].map(({ $commit }) => Buffer.from($commit, 'base64'));
  return a !== undefined && b !== undefined && a.length === b.length && timingSafeEqual(a, b);
}

export function isCommitment(value: unknown): value is Commitment {
  if (typeof value !== 'object' || value === null || !('$commit' in value)) return false;
  return typeof value.$commit === 'string' && Object.keys(value).length === 1;
}
