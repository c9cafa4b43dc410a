/** The tree of RFC 6962, section 2.1, as its text defines it: over the list of leaves, without anything kept. */
import { createHash } from 'node:crypto';

const sha256 = (...parts: readonly Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

function greatestPowerBelow(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH(D[n]). */
export function naiveRoot(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), only);
  const k = greatestPowerBelow(leaves.length);
  return sha256(Buffer.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** PATH(m, D[n]). */
export function naiveInclusion(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const k = greatestPowerBelow(leaves.length);
  return m < k
    ? [...naiveInclusion(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naiveInclusion(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

/** PROOF(m, D[n]) = SUBPROOF(m, D[n], true). */
export function naiveConsistency(m: number, leaves: readonly Buffer[]): Buffer[] {
  const subproof = (m: number, part: readonly Buffer[], b: boolean): Buffer[] => {
    if (m === part.length) return b ? [] : [naiveRoot(part)];
    const k = greatestPowerBelow(part.length);
    return m <= k
      ? [...subproof(m, part.slice(0, k), b), naiveRoot(part.slice(k))]
      : [...subproof(m - k, part.slice(k), false), naiveRoot(part.slice(0, k))];
  };
  return subproof(m, leaves, true);
}

/** The element of a list, which must be there. */
export function pick<T>(list: readonly (T | undefined)[], index = 0): T {
  const element = list.at(index);
  if (element === undefined) throw new RangeError(`there is no element ${index}`);
  return element;
}
