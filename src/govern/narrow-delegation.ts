/** Narrows a delegation: everything may become less, and nothing more. */
import type { AuthorizationDetail } from '../model/acting.js';
import type { DelegationBounds } from '../model/delegations.js';
import { BadRequest } from '../model/faults.js';
import { detailsCover } from '../tokens/detail-narrowing.js';

/** The changes that are asked for; what isn't named stays. */
export interface RequestedNarrowing {
  readonly ends?: string | undefined;
  readonly until_ended?: boolean | undefined;
  readonly online?: boolean | undefined;
  readonly background?: boolean | undefined;
  readonly details?: readonly AuthorizationDetail[] | undefined;
}

/** @throws BadRequest naming the member that would become wider */
export function narrowBounds(bounds: DelegationBounds, change: RequestedNarrowing): DelegationBounds {
  const { ends, details } = change;
  if (change.until_ended === true && (bounds.ends !== undefined || ends !== undefined))
    throw new BadRequest('would let the delegation hold for longer: give it anew for that', 'until_ended');
  if (ends !== undefined && bounds.ends !== undefined && Date.parse(ends) > Date.parse(bounds.ends))
    throw new BadRequest(`can only be moved to before ${bounds.ends}: give the delegation anew for more`, 'ends');
  for (const access of ['online', 'background'] as const)
    if (change[access] === true && !bounds[access])
      throw new BadRequest('can only be turned off: give the delegation anew for more', access);
  if (details !== undefined && bounds.details !== undefined && !detailsCover(bounds.details, details))
    throw new BadRequest('must each be covered by a detail of before: give the delegation anew for more', 'details');
  return {
    ...bounds,
    ...(ends === undefined ? {} : { ends }),
    online: change.online ?? bounds.online,
    background: change.background ?? bounds.background,
    ...(details === undefined ? {} : { details }),
  };
}
