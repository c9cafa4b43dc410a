/** Narrows a consent: everything may become less, and nothing more. */
import { isDeepStrictEqual } from 'node:util';
import type { ConsentTerms } from '../../model/consents.js';
import { BadRequest } from '../../model/faults.js';
import { detailsCover } from '../../tokens/detail-narrowing.js';
import { requireNarrowerLimits } from '../limits/grant-limits.js';

/** The changes that are asked for; what isn't named stays. */
export type ConsentNarrowing = {
  readonly [Member in 'details' | 'confirm' | 'when' | 'limits' | 'starts' | 'ends']?: ConsentTerms[Member] | undefined;
};

/** @throws BadRequest naming the member that would become wider */
export function narrowConsent<Narrowed extends ConsentTerms>(terms: Narrowed, change: ConsentNarrowing): Narrowed {
  const { details, confirm, when, limits, starts, ends } = change;
  const refuse = (problem: string, member: string): never => {
    throw new BadRequest(`${problem}: give a new consent for more`, member);
  };
  if (details !== undefined && !detailsCover(terms.details, details))
    refuse('must each be covered by a detail of before', 'details');
  if (confirm === 'never' && terms.confirm === 'each') refuse('can only become "each"', 'confirm');
  for (const [name, value] of Object.entries(terms.when ?? {}))
    if (when !== undefined && !(Object.hasOwn(when, name) && isDeepStrictEqual(when[name], value)))
      refuse('can only get further members', 'when');
  if (limits !== undefined) requireNarrowerLimits(terms.limits ?? [], limits);
  if (starts !== undefined && Date.parse(starts) < Date.parse(terms.starts))
    refuse(`can only be moved to after ${terms.starts}`, 'starts');
  if (ends !== undefined && terms.ends !== undefined && Date.parse(ends) > Date.parse(terms.ends))
    refuse(`can only be moved to before ${terms.ends}`, 'ends');
  const changed = Object.entries({ details, confirm, when, limits, starts, ends }).filter(
    ([, value]) => value !== undefined,
  );
  return { ...terms, ...Object.fromEntries(changed) };
}
