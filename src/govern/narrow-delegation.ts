/** Narrows a delegation: everything may become less, and nothing more. */
import { v4 as uuid } from 'uuid';
import type { AuthorizationDetail } from '../model/acting.js';
import type { DelegationBounds } from '../model/delegations.js';
import { BadRequest } from '../model/faults.js';
import type { StatedLimit } from '../model/limits.js';
import { detailsCover } from '../tokens/detail-narrowing.js';
import { requireNarrowerLimits } from './limits/grant-limits.js';

/** The changes that are asked for; what isn't named stays. */
export interface RequestedNarrowing {
  readonly ends?: string | undefined;
  readonly until_ended?: boolean | undefined;
  readonly online?: boolean | undefined;
  readonly background?: boolean | undefined;
  readonly details?: readonly AuthorizationDetail[] | undefined;
  readonly limits?: readonly StatedLimit[] | undefined;
}

/** @throws BadRequest naming the member that would become wider */
export function narrowBounds(bounds: DelegationBounds, change: RequestedNarrowing): DelegationBounds {
  const { ends, details, limits } = change;
  if (change.until_ended === true && (bounds.ends !== undefined || ends !== undefined))
    throw new BadRequest('would let the delegation hold for longer: give it anew for that', 'until_ended');
  if (ends !== undefined && bounds.ends !== undefined && Date.parse(ends) > Date.parse(bounds.ends))
    throw new BadRequest(`can only be moved to before ${bounds.ends}: give the delegation anew for more`, 'ends');
  for (const access of ['online', 'background'] as const)
    if (change[access] === true && !bounds[access])
      throw new BadRequest('can only be turned off: give the delegation anew for more', access);
  if (details !== undefined && bounds.details !== undefined && !detailsCover(bounds.details, details))
    throw new BadRequest('must each be covered by a detail of before: give the delegation anew for more', 'details');
  if (limits !== undefined) requireNarrowerLimits(bounds.limits ?? [], limits);
  return {
    ...bounds,
    ...(ends === undefined ? {} : { ends }),
    online: change.online ?? bounds.online,
    background: change.background ?? bounds.background,
    ...(details === undefined ? {} : { details }),
    ...(limits === undefined ? {} : countWithin(limits, bounds.counter)),
  };
}

/**
 * The limits with the name under which their uses are counted.
 * @param counter the one of before, under which what has been used stays; undefined for a delegation that begins anew
 */
export function countWithin(
  limits: readonly StatedLimit[],
  counter?: string,
): Pick<DelegationBounds, 'limits' | 'counter'> {
  return limits.length === 0 ? {} : { limits, counter: counter ?? uuid() };
}
