/** The limits on the size of what people grant: each detail is held against others, read with each decision and recorded. */
import type { AuthorizationDetail } from '../model/acting.js';
import { BadRequest } from '../model/faults.js';

/** All details of one grant together, in bytes of JSON: records of decisions repeat them. */
export const MAX_DETAILS_BYTES = 8 * 1024;
export const MAX_DETAIL_BYTES = 4 * 1024;
/** The most constraints of one detail. */
export const MAX_CONSTRAINTS = 32;
/** The elements of a list, and the members of an object, in a constraint. */
export const MAX_CONSTRAINT_ENTRIES = 256;
/** The levels of a constraint: its tests, and a limit with a list or an object in it. */
export const MAX_CONSTRAINT_DEPTH = 4;

/** @throws BadRequest naming the member, below `place` */
export function checkDetailSizes(details: readonly AuthorizationDetail[], place: string): void {
  requireBytes(details, MAX_DETAILS_BYTES, place);
  for (const [i, detail] of details.entries()) {
    requireBytes(detail, MAX_DETAIL_BYTES, `${place}[${i}]`);
    const constraints = Object.entries(detail.constraints ?? {});
    if (constraints.length > MAX_CONSTRAINTS)
      throw new BadRequest(`must have at most ${MAX_CONSTRAINTS} members`, `${place}[${i}].constraints`);
    for (const [name, constraint] of constraints)
      checkConstraintSize(constraint, `${place}[${i}].constraints.${name}`, MAX_CONSTRAINT_DEPTH);
  }
}

/** The bytes of a detail, or of several, as JSON. */
export function countDetailBytes(details: AuthorizationDetail | readonly AuthorizationDetail[]): number {
  return Buffer.byteLength(JSON.stringify(details));
}

function requireBytes(details: Parameters<typeof countDetailBytes>[0], max: number, place: string): void {
  if (countDetailBytes(details) > max) throw new BadRequest(`must be at most ${max} bytes long as JSON`, place);
}

function checkConstraintSize(value: unknown, place: string, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth === 0) throw new BadRequest(`must have at most ${MAX_CONSTRAINT_DEPTH} levels`, place);
  const entries: unknown[] = Object.values(value);
  if (entries.length > MAX_CONSTRAINT_ENTRIES)
    throw new BadRequest(`must have at most ${MAX_CONSTRAINT_ENTRIES} entries in a list or an object`, place);
  for (const entry of entries) checkConstraintSize(entry, place, depth - 1);
}
