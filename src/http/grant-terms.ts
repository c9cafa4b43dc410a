/** The members that delegations and consents have in common in the API: to which agent, and until when. */
import { z } from 'zod';
import { BadRequest } from '../model/faults.js';
import { utcInstantFormat } from '../runtime/instant-format.js';
import { idFormat } from './authzen-formats.js';

/** A limit as examples of the API state it. */
export const EXAMPLE_LIMIT = { count: 20, per: 'P1D', window: 'sliding' };
/** Records of decisions repeat the details. */
export const MAX_GRANTED_DETAILS = 32;
export const agentFormat = idFormat.describe(
  'The id of the agent, with or without its type: `mail-bot`, `agent:mail-bot`',
);
export const endMembers = {
  ends: utcInstantFormat.optional().describe('RFC 3339, in the future; required unless `until_ended` is true'),
  until_ended: z.boolean().optional().describe('Whether it holds until it is ended; needs to be said'),
};

/** The end that a request gives; undefined where it holds until it is ended. @throws BadRequest naming the member */
export function readEnd(
  {
    ends,
    until_ended: untilEnded = false,
  }: { readonly ends?: string | undefined; readonly until_ended?: boolean | undefined },
  now: Date,
): string | undefined {
  if (ends === undefined && !untilEnded)
    throw new BadRequest('is required, unless "until_ended": true says that it holds until it is ended', 'ends');
  if (ends !== undefined && untilEnded) throw new BadRequest('can not be true where "ends" is given', 'until_ended');
  if (ends !== undefined) requireFuture(ends, now);
  return ends;
}

/** @throws BadRequest */
export function requireFuture(ends: string, now: Date): void {
  if (Date.parse(ends) <= now.getTime()) throw new BadRequest('must lie in the future', 'ends');
}
