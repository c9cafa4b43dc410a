/** The remedies of an answer, as its caller is told them: with the page at which the user may delegate, where there is one. */
import type { Caller } from '../model/question.js';
import type { Reason } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import { tellAgentRemedies } from '../policy/remedies.js';

interface TellableDenial {
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
}

/**
 * @param agent the id of the agent that acts; undefined where none is established
 * @param delegateUrl as the configuration has it
 */
export function tellRemedies(
  { reasons, remedies }: TellableDenial,
  caller: Caller,
  agent: string | undefined,
  delegateUrl: string | undefined,
): Remedy[] {
  const told = caller.kind === 'client' ? [...remedies] : tellAgentRemedies(remedies);
  const lacksDelegation = reasons.some(({ code }) => code === 'delegation_missing');
  if (delegateUrl === undefined || agent === undefined || !lacksDelegation) return told;
  return [...told, { type: 'delegation', delegate_url: delegateUrl.replaceAll('{agent}', encodeURIComponent(agent)) }];
}
