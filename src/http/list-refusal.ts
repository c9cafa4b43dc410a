/** The answer of a list whose whole question is refused, beside its empty results: the same for equal questions. */
import { z } from 'zod';
import { reasonFormat, reasonTextFormat, remedyFormat } from './answer-parts.js';
import type { ListRefusal } from '../lists/refusal.js';
import type { Caller } from '../model/question.js';
import { REASONS } from '../model/reasons.js';
import { tellRemedies } from './told-remedies.js';

export const listContextFormat = z
  .object({
    reasons: z.array(reasonFormat),
    reason_user: reasonTextFormat,
    remedies: z.array(remedyFormat),
    challenge: z.string().optional().describe('What the `WWW-Authenticate` of the API should say to the agent'),
  })
  .describe('The whole question is refused, whatever there is: for its token, its parties, or what it asks for')
  .meta({ id: 'ListContext' });

/** @param delegateUrl the page at which users delegate, as the configuration has it */
export function toListContext(
  refusal: ListRefusal,
  caller: Caller,
  delegateUrl: string | undefined,
): z.infer<typeof listContextFormat> {
  const { reasons, agent } = refusal;
  const [first] = reasons;
  const remedies = tellRemedies(refusal, caller, agent, delegateUrl);
  const challenge = remedies.map((remedy) => ('challenge' in remedy ? remedy.challenge : undefined)).find(Boolean);
  const codes = [...new Set(reasons.map(({ code }) => code))];
  return {
    // An agent learns what it can do next, and nothing about the policies.
    reasons: caller.kind === 'client' ? reasons.map((reason) => ({ ...reason })) : codes.map((code) => ({ code })),
    reason_user: first === undefined ? {} : { '403': first.people ?? REASONS[first.code].people },
    remedies,
    ...(challenge === undefined ? {} : { challenge }),
  };
}
