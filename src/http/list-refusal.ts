/** The answer of a list whose whole question is refused, beside its empty results: the same for equal questions. */
import { z } from 'zod';
import { reasonFormat, reasonTextFormat, remedyFormat } from './answer-parts.js';
import type { ListRefusal } from '../lists/refusal.js';
import type { Caller } from '../model/question.js';
import { REASONS } from '../model/reasons.js';
import { tellReasons, tellRemedies } from './tell-denial.js';

export const listContextFormat = z
  .object({
    reasons: z.array(reasonFormat),
    reason_user: reasonTextFormat,
    remedies: z.array(remedyFormat),
    challenge: z.string().optional().describe('What the `WWW-Authenticate` of the API should say to the agent'),
  })
  .describe('The whole question is refused, whatever there is: for its token, its parties, or what it asks for')
  .meta({ id: 'ListContext' });

type ListContext = z.infer<typeof listContextFormat>;

/**
 * Says why a list is empty, where its whole question is refused.
 * @param refusal undefined where it isn't: then there is nothing to say
 * @param delegateUrl the page at which users delegate, as the configuration has it
 */
export function describeRefusal(
  refusal: ListRefusal | undefined,
  caller: Caller,
  delegateUrl: string | undefined,
): { readonly context?: ListContext } {
  if (refusal === undefined) return {};
  const { reasons, agent } = refusal;
  const [first] = reasons;
  const remedies = tellRemedies(refusal, caller, agent, delegateUrl);
  const challenge = remedies.map((remedy) => ('challenge' in remedy ? remedy.challenge : undefined)).find(Boolean);
  return {
    context: {
      // What is written out is read no more, whether or not its lists could be changed.
      reasons: tellReasons(reasons, caller) as ListContext['reasons'],
      reason_user: first === undefined ? {} : { '403': first.people ?? REASONS[first.code].people },
      remedies,
      ...(challenge === undefined ? {} : { challenge }),
    },
  };
}
