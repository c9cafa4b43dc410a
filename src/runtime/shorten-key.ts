/** Keys of caches and counters that callers have a say in: what they hold of each is bounded. */
import { createHash } from 'node:crypto';

/** The key, or its hash where it is longer than so many characters. */
export function shortenKey(key: string, maxLength: number): string {
  return key.length <= maxLength ? key : createHash('sha256').update(key).digest('base64');
}
